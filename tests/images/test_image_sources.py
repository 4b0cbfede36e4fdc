from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from euinet.images import sources
from euinet.images.arrays import read_numpy_images
from euinet.images.preprocessing import Preprocessing
from euinet.images.sources import ArrayFileSource, ArraySource, Source, array_source

GREY = Preprocessing(1, 8)


def opened(path: Path) -> Source:
    return array_source(path, read_numpy_images(path))


@pytest.mark.parametrize("shape", [(7, 8, 8), (7, 8, 8, 1), (7, 1, 8, 8), (7, 8, 8, 3), (7, 3, 8, 8)])
def test_a_file_in_chunks_gives_what_numpy_gives(
    shape: tuple[int, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    array = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    np.save(tmp_path / "c.npy", array)
    np.save(tmp_path / "f.npy", np.asfortranarray(array))
    preprocessing = Preprocessing(3 if 3 in shape else 1, 8)
    monkeypatch.setattr(sources, "CHUNK_BYTES", 2 * array[0].size)  # two images at a time
    chunked, mapped = (
        opened(tmp_path / "c.npy"),
        opened(tmp_path / "f.npy"),
    )
    assert isinstance(chunked, ArrayFileSource)
    assert isinstance(mapped, ArraySource)
    expected = array.transpose(0, 3, 1, 2) if shape[-1] in (1, 3) else array.reshape(7, -1, 8, 8)
    for source in (chunked, mapped):
        pixels = [read.pixels for read in source.read(preprocessing)]
        np.testing.assert_array_equal(np.stack([p for p in pixels if p is not None]), expected)


def test_a_file_that_is_cut_meanwhile_is_said(tmp_path: Path) -> None:
    np.save(tmp_path / "images.npy", np.zeros((5, 8, 8), np.uint8))
    source = opened(tmp_path / "images.npy")
    (tmp_path / "images.npy").write_bytes((tmp_path / "images.npy").read_bytes()[:-1])
    (first, *_), (*_, last) = source.read(GREY), source.read(GREY)
    assert first.pixels is None  # all five lie in one piece
    assert "images.npy became shorter while it was read" in (first.error or "")
    assert (last.path, last.error) == (f"{tmp_path / 'images.npy'}[4]", first.error)


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss has other units elsewhere")
def test_memory_does_not_grow_with_the_array(tmp_path: Path) -> None:
    code = (
        "import resource, sys; from pathlib import Path\n"
        "from euinet.images.inputs import find_inputs\n"
        "from euinet.images.preprocessing import Preprocessing\n"
        "found = find_inputs([sys.argv[1]]); count = sum(1 for _ in found.read(Preprocessing(1, 64)))\n"
        "print(count, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    most = []
    for images in (1_000, 40_000):  # 4 and 164 MB
        np.save(tmp_path / "images.npy", np.zeros((images, 64, 64), np.uint8))
        ended = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "images.npy")],
            capture_output=True,
            text=True,
            check=True,
        )
        count, kilobytes = map(int, ended.stdout.split())
        assert count == images
        most.append(kilobytes)
    assert most[1] - most[0] < 30_000
