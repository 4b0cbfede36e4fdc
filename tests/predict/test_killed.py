"""The command as a process of its own, killed without warning (SIGKILL), and given again."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from decision_files import SIDE, write
from euinet.images.inputs import find_inputs
from euinet.model.opening import load
from euinet.predict.parts import parts_folder
from euinet.predict.to_file import Order, predict_to_file

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")

IMAGES, PART = 2000, 10
PARTS = IMAGES // PART


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("in") / "images.npy"
    np.save(path, np.random.default_rng(0).integers(0, 256, (IMAGES, SIDE, SIDE), np.uint8))
    return path


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A decision file made by hand, so small that the process starts in a moment."""
    return write(tmp_path_factory.mktemp("model") / "model.onnx")


@pytest.fixture(scope="module")
def expected(model: str, images: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """What an uninterrupted run in this process writes."""
    return uninterrupted(model, images, tmp_path_factory.mktemp("whole") / "rows.csv", PART)


def uninterrupted(model: str, images: Path, out: Path, part_images: int) -> bytes:
    found = find_inputs([str(images)])
    predict_to_file(load(model), found, out, Order("cpu", part_images), (), lambda _: None)
    assert out.read_text().count("\n") == found.images + 1
    return out.read_bytes()


class Command:
    """`euinet predict` as a process; what it says goes to files, which no child of its own can keep open."""

    def __init__(self, model: str, images: Path, out: Path, *more: str, **environment: str) -> None:
        self.folder = out.parent.with_name(out.parent.name + "-said")
        self.folder.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "euinet", "predict", model, str(images), "--out", str(out)]
        command += ["--part-images", str(PART), "--device", "cpu", *more]
        with (self.folder / "out").open("w") as printed, (self.folder / "err").open("w") as said:
            self.process = subprocess.Popen(
                command, stdout=printed, stderr=said, env={**os.environ, **environment}
            )

    def end(self) -> tuple[int, str, str]:
        """Wait; return the exit code and what was printed and said."""
        self.process.wait(100)
        return self.process.returncode, (self.folder / "out").read_text(), (self.folder / "err").read_text()


def finished(out: Path) -> int:
    return len(list(parts_folder(out).glob("*.seal")))


def wait_for(command: Command, out: Path, parts: int) -> None:
    while finished(out) < parts:
        assert command.process.poll() is None, command.end()
        time.sleep(0.005)


def test_killed_again_and_again_it_ends_with_the_same_bytes(
    model: str, images: Path, expected: bytes, tmp_path: Path
) -> None:
    out = tmp_path / "rows.csv"
    for parts in (1, 50, 120):
        command = Command(model, images, out)
        wait_for(command, out, parts)
        command.process.kill()
        command.end()
        assert parts <= finished(out) < PARTS
        assert not out.exists()
    done = finished(out)
    code, printed, said = Command(model, images, out).end()
    assert (code, printed) == (0, "")
    assert said.startswith(f"Going on: {done} of {PARTS} parts were finished by an earlier run.\n")
    assert out.read_bytes() == expected
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]


def rays_workers(mark: str) -> Iterator[int]:
    """Yield the ids of Ray's workers that have a model, of the run whose environment has `mark`."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            title, environment = (process / "cmdline").read_bytes(), (process / "environ").read_bytes()
        except OSError:
            continue
        if title.startswith(b"ray::MapWorker") and mark.encode() in environment:
            yield int(process.name)


@pytest.mark.timeout(300)  # on a busy machine Ray alone takes a minute to start
@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked up in /proc")
def test_a_killed_worker_of_ray_costs_no_row_and_doubles_none(
    model: str, images: Path, expected: bytes, tmp_path: Path
) -> None:
    pytest.importorskip("ray.data")
    out, mark = tmp_path / "rows.csv", f"run-of-{os.getpid()}"
    command = Command(model, images, out)
    wait_for(command, out, 20)
    command.process.kill()
    command.end()
    done = finished(out)
    command = Command(model, images, out, "--engine", "ray", "--workers", "2", MARK=mark, RAY_ADDRESS="")
    wait_for(command, out, done + 2)
    first, *others = rays_workers(mark)
    os.kill(first, 9)
    assert finished(out) < PARTS - 1
    assert len(others) <= 1
    code, printed, said = command.end()
    assert (code, printed) == (0, ""), said
    assert f"Going on: {done} of {PARTS} parts were finished by an earlier run." in said
    assert f"2 workers score {PARTS - done} parts." in said  # none is done again
    assert f"Wrote {IMAGES} rows to {out}." in said
    assert "Traceback" not in said
    assert out.read_bytes() == expected
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]


@pytest.mark.slow
def test_rays_workers_score_as_this_process_does(tmp_path: Path) -> None:
    pytest.importorskip("ray.data")
    images, out = tmp_path / "images.npy", tmp_path / "out" / "rows.csv"
    np.save(images, np.random.default_rng(0).integers(0, 256, (2000, 28, 28), np.uint8))
    more = ("--part-images", "300", "--engine", "ray", "--workers", "2")
    code, _, said = Command("mnist-without-0", images, out, *more, RAY_ADDRESS="").end()
    assert code == 0, said
    assert out.read_bytes() == uninterrupted("mnist-without-0", images, tmp_path / "rows.csv", 300)
