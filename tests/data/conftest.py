"""A small MNIST of 12 images, a web server to fetch it from, and small data sets with all classes."""

from __future__ import annotations

import dataclasses
import hashlib
import http.server
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from euinet.data.sets import sources, ways
from euinet.records import Dataset, LabelledImages


def idx_content(values: np.ndarray) -> bytes:
    header = bytes([0, 0, 8, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape)
    return header + values.astype(np.uint8).tobytes()


class SmallServer:
    """Serves what lies in `folder` and remembers each path asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.asked: list[str] = []
        outer = self

        class Handler(http.server.SimpleHTTPRequestHandler):
            def __init__(self, *arguments: object) -> None:
                super().__init__(*arguments, directory=str(folder))

            def do_GET(self) -> None:
                outer.asked.append(self.path)
                super().do_GET()

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SmallServer]:
    folder = tmp_path / "served"
    folder.mkdir()
    running = SmallServer(folder)
    yield running
    running.close()


@pytest.fixture
def idx_files() -> dict[str, bytes]:
    """Raw contents of a 12-image MNIST, by file name."""
    rng = np.random.default_rng(0)
    labels = np.arange(12) % 3
    return {
        "train-images-idx3-ubyte": idx_content(rng.integers(0, 256, (12, 28, 28))),
        "train-labels-idx1-ubyte": idx_content(labels),
        "t10k-images-idx3-ubyte": idx_content(rng.integers(0, 256, (6, 28, 28))),
        "t10k-labels-idx1-ubyte": idx_content(labels[:6]),
    }


@pytest.fixture
def small_mnist(idx_files: dict[str, bytes]) -> sources.IdxSet:
    """MNIST as `sources` knows it, but with the checksums of the 12-image set."""
    md5 = {name: hashlib.md5(content).hexdigest() for name, content in idx_files.items()}
    return dataclasses.replace(sources.MNIST, md5=md5)


@pytest.fixture
def no_way(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No mirror listed, no npm on PATH, no Debian package: each test adds what it needs."""
    import torchvision.datasets

    for name in ("MNIST", "FashionMNIST", "KMNIST"):
        monkeypatch.setattr(getattr(torchvision.datasets, name), "mirrors", [])
    monkeypatch.setattr(ways, "DEBIAN_FASHION_FOLDER", tmp_path / "no-such-package")
    (tmp_path / "bin").mkdir()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))


@pytest.fixture
def four_classes() -> Dataset:
    """Classes "0" … "3" with 25 training and 5 test images each; no two images are alike."""
    rng = np.random.default_rng(1)

    def part(images_a_class: int) -> LabelledImages:
        count = 4 * images_a_class
        images = rng.integers(0, 256, (count, 1, 16, 16), dtype=np.uint8)
        return LabelledImages(images, np.arange(count) % 4)

    return Dataset("four", ("0", "1", "2", "3"), part(25), part(5))
