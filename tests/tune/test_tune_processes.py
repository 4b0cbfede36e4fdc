"""Several processes at once, and processes that are killed or interrupted."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterable
from pathlib import Path

import pytest
from searching import Search, Start, arguments, wait_until

pytestmark = pytest.mark.timeout(300)  # a busy machine takes a minute to start a process

SLOWER = {"training.epochs": "6"}  # time to meet a trial in its middle


def done_by(lines: Iterable[str]) -> list[int]:
    """The trials that a process says it finished."""
    return [int(found) for line in lines for found in re.findall(r"trials done\. Trial (\d+):", line)]


def test_two_processes_at_once_finish_each_trial_once(search: Search, start: Start) -> None:
    other = start(*arguments(search.data, search.out), "--trials", 10)
    wait_until((search.out / "trials/0000/.lock").is_file, other)
    trials = search.run(trials=10)
    output, errors = other.communicate(timeout=150)
    assert other.returncode == 0, errors
    assert [one.number for one in trials] == list(range(10))
    assert all(one.state == "finished" for one in trials)
    mine, theirs = done_by(search.said), done_by(errors.splitlines())
    assert sorted(mine + theirs) == list(range(10))
    assert mine
    assert theirs
    best = json.loads((search.out / "best.json").read_text())["best"]
    assert best["objective"] == max(one.objective for one in trials if one.objective is not None)
    assert f"trial {best['trial']}, auroc {best['objective']:.4f}" in output


def test_a_killed_process_costs_nothing(search: Search, start: Start, tmp_path: Path) -> None:
    process = start(*arguments(search.data, search.out, **SLOWER), "--trials", 3)
    folder = search.out / "trials/0001"
    cells = [folder / f"cells/without-0_pseudo-{number}_seed-0" for number in (1, 3)]
    wait_until((cells[1] / "training/metrics.jsonl").is_file, process)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (folder / "trial.json").exists()  # else the kill came too late to say anything
    written = (cells[0] / "result.json").stat().st_mtime_ns

    trials = search.run(fixed=SLOWER, trials=3)
    assert "Going on with trial 1, which was interrupted." in search.said
    assert done_by(search.said) == [1, 2]
    assert (cells[0] / "result.json").stat().st_mtime_ns == written
    alone = Search(search.data, tmp_path / "alone").run(fixed=SLOWER, trials=3)
    assert [one.settings for one in trials] == [one.settings for one in alone]
    assert [one.objective for one in trials] == [one.objective for one in alone]  # bit for bit


def test_an_interrupt_says_what_is_done_and_leaves_a_checkpoint(search: Search, start: Start) -> None:
    endless = {"training.epochs": "100000"}
    process = start(*arguments(search.data, search.out, **endless), "--trials", 3)
    log = search.out / "trials/0000/cells/without-0_pseudo-1_seed-0/training/metrics.jsonl"
    wait_until(log.is_file, process)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=150)
    assert (process.returncode, output) == (130, "")
    assert "Interrupted; 0/3 trials are done, and the same command goes on from here.\n" in errors
    assert list(log.parent.glob("checkpoint*"))
    assert not (search.out / "trials/0000/trial.json").exists()
    assert not (search.out / "trials/0001").exists()


def workers_of(parent: int) -> list[int]:
    """The worker processes of a search, oldest first."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return [int(pid) for pid in children if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text()]


@pytest.mark.slow  # each process imports torch: half a minute on two busy cores
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs Linux's /proc")
def test_the_others_take_up_the_trial_of_a_job_that_dies(search: Search, start: Start) -> None:
    process = start(*arguments(search.data, search.out, **SLOWER), "--trials", 6, "--jobs", 2, "--json")
    # both have a trial, and neither has ended its first
    wait_until((search.out / "trials/0001/cells/without-0_pseudo-1_seed-0").is_dir, process)
    os.kill(workers_of(process.pid)[0], signal.SIGKILL)
    output, errors = process.communicate(timeout=200)
    assert process.returncode == 0, errors
    assert "1 of 2 processes ended early (exit code -9, perhaps for want of memory" in errors
    assert re.search(r"Going on with trial \d, which was interrupted", errors)
    found = json.loads(output)
    assert found["trials"]["finished"] == 6
    assert [one["trial"] for one in found["all"]] == list(range(6))
    assert sorted(done_by(errors.splitlines())) == list(range(6))


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs Linux's /proc")
def test_an_interrupt_stops_all_jobs(search: Search, start: Start) -> None:
    endless = {"training.epochs": "100000"}
    process = start(*arguments(search.data, search.out, **endless), "--trials", 3, "--jobs", 2)
    logs = [
        search.out / f"trials/000{number}/cells/without-0_pseudo-1_seed-0/training/metrics.jsonl"
        for number in (0, 1)
    ]
    wait_until(lambda: all(log.is_file() for log in logs), process)
    workers = workers_of(process.pid)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=150)
    assert process.returncode == 130
    assert errors.count("Interrupted; 0/3 trials are done") == 1
    assert "Traceback" not in errors
    assert all(list(log.parent.glob("checkpoint*")) for log in logs)
    assert len(workers) == 2
    assert not any(Path(f"/proc/{pid}").exists() for pid in workers)
