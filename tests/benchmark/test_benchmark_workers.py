"""Cells in several processes: the same numbers, and nothing lost when one dies or is interrupted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from euinet.system.worker_processes import threads_each

TINY = [
    *("--set", "training.epochs=1", "--set", "training.min_steps=1", "--set", "training.average_decay=0"),
    *("--set", "model.trunk_widths=[4, 8]", "--set", "gan.generator=dense", "--set", "data.augmentation=0"),
    *("--set", "training.batch_size=64", "--set", "data.stitched=0", "--set", "scoring.epsilon=0"),
    *("--preset", "report", "--data", "digits", "--hold-out", "4;9", "--detectors", "own,MaxSoftmax"),
    *("--device", "cpu", "--precision", "32-true", "--seeds", "1"),
]


Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def started() -> Iterator[Start]:
    """Start the benchmark into a folder; what still runs at the test's end is killed."""
    processes: list[subprocess.Popen[str]] = []

    def start(out: Path, *arguments: object) -> subprocess.Popen[str]:
        command = [
            sys.executable,
            "-W",
            "error",
            "-m",
            "euinet",
            "benchmark",
            *TINY,
            "--out",
            out,
            *arguments,
        ]
        process = subprocess.Popen(
            [str(part) for part in command],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1"},  # sums in another order differ in their last digits
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def cells(out: Path) -> list[dict[str, Any]]:
    """The collected results without the seconds."""
    found: list[dict[str, Any]] = json.loads((out / "results.json").read_text())["cells"]
    for cell in found:
        del cell["train_seconds"]
        for row in cell["rows"]:
            del row["score_seconds"]
    return found


def test_the_cores_are_shared_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert [threads_each(jobs) for jobs in (1, 2, 3, 8, 20)] == [8, 4, 2, 1, 1]


@pytest.mark.slow  # each process imports torch: half a minute on two busy cores
@pytest.mark.timeout(300)
def test_two_processes_give_the_same_as_one(started: Start, tmp_path: Path) -> None:
    alone = started(tmp_path / "one")
    _, errors = alone.communicate()
    assert alone.returncode == 0, errors
    shared = started(tmp_path / "two", "--jobs", "2", "--json")
    output, errors = shared.communicate()
    assert shared.returncode == 0, errors
    assert cells(tmp_path / "two") == cells(tmp_path / "one")
    assert json.loads(output)["cells_finished"] == 2
    assert "2/2 cells done" in errors


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_an_interrupt_leaves_checkpoints_and_no_process(started: Start, tmp_path: Path) -> None:
    endless = ("--set", "training.epochs=5000", "--jobs", "2")
    process = started(tmp_path, *endless)
    logs = [tmp_path / "cells" / f"without-{digit}_seed-0/training/metrics.jsonl" for digit in (4, 9)]
    deadline = time.monotonic() + 90
    while not all(log.is_file() for log in logs):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert errors == "Interrupted; 0/2 cells are done, and the same command goes on from here.\n"
    steps = [json.loads(log.read_text().splitlines()[-1])["step"] for log in logs]
    assert all((log.parent / "checkpoint.pt").is_file() for log in logs)

    again = started(tmp_path, *endless)  # one process this time: that changes nothing
    time.sleep(0.1)
    while json.loads(logs[0].read_text().splitlines()[-1])["step"] <= steps[0]:
        assert again.poll() is None, again.communicate()
        assert time.monotonic() < deadline + 60
        time.sleep(0.2)
    again.send_signal(signal.SIGINT)
    again.communicate(timeout=60)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs Linux's /proc")
def test_processes_stop_when_their_parent_is_killed(started: Start, tmp_path: Path) -> None:
    process = started(tmp_path, "--set", "training.epochs=5000", "--jobs", "2")
    log = tmp_path / "cells/without-4_seed-0/training/metrics.jsonl"
    deadline = time.monotonic() + 90
    while not log.is_file():
        assert time.monotonic() < deadline
        time.sleep(0.2)
    process.kill()
    process.communicate(timeout=60)  # ends when nobody holds its pipes any more
    assert (log.parent / "checkpoint.pt").is_file()


def workers_of(parent: int) -> list[int]:
    """The worker processes of a benchmark, oldest first."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(pid) for pid in children if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text()]


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs Linux's /proc")
def test_a_process_that_dies_costs_its_cell_alone(started: Start, tmp_path: Path) -> None:
    process = started(tmp_path, "--set", "training.epochs=8", "--jobs", "2")
    folder = tmp_path / "cells/without-4_seed-0"
    deadline = time.monotonic() + 90
    while not (folder / "training/metrics.jsonl").is_file():
        assert time.monotonic() < deadline
        time.sleep(0.2)
    os.kill(workers_of(process.pid)[0], signal.SIGKILL)  # the first one was handed the first cell
    _, errors = process.communicate(timeout=200)
    assert process.returncode == 1
    assert (
        "without-4_seed-0 FAILED: its process ended with exit code -9, perhaps for want of memory" in errors
    )
    assert "1 cell failed" in errors
    assert [cell["cell"] for cell in cells(tmp_path)] == ["without-9_seed-0"]
