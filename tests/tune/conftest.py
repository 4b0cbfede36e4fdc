"""A small folder of images, searches over it, and the command as its own process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from searching import Search, Start, bars, write_images

from euinet.tune import run


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    """Sums in another order differ in their last digits."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """A picture takes longer than a search."""
    monkeypatch.setattr(run, "write_history", lambda *_: None)


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `train` (12 a class) and `test` (4 a class)."""
    folder = tmp_path_factory.mktemp("bars") / "bars"
    write_images(folder / "train", bars(12, 1))
    write_images(folder / "test", bars(4, 2))
    return folder


@pytest.fixture
def search(images: Path, tmp_path: Path) -> Search:
    return Search(images, tmp_path / "out")


@pytest.fixture
def start() -> Iterator[Start]:
    """Start `euinet` with these arguments; what still runs at the test's end is killed."""
    processes: list[subprocess.Popen[str]] = []

    def begin(*arguments: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-W", "error", "-m", "euinet", *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )
        processes.append(process)
        return process

    yield begin
    for process in processes:
        process.kill()
        process.communicate()
