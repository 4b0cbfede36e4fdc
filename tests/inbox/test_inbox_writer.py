"""Offering never waits, never fails, and never takes a prediction with it; what is not kept is counted."""

from __future__ import annotations

import errno
import os
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from inbox_cases import answer, fill, make_inbox, quadrant

from euinet.inbox import Inbox, Limits, store, writer
from euinet.inbox.database import IMAGES


def test_more_than_the_queue_holds_is_passed_over(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    with inbox._lock:  # nothing can be written
        kept = [inbox.offer(quadrant(0, seed), answer()) for seed in range(writer.QUEUE + 100)]
        assert sum(kept) in range(writer.QUEUE, writer.QUEUE + writer.BATCH + 1)  # a batch may be under way
        assert not kept[-1]
    inbox.flush()
    counters = inbox.counters()
    assert counters["passed_over"] == len(kept) - sum(kept)
    assert inbox.items()[1] == counters["kept"] == sum(kept)


def test_what_comes_too_fast_is_passed_over(tmp_path: Path) -> None:
    inbox = make_inbox(tmp_path, Limits(per_second=0.001))
    kept = 0
    for start in range(0, 400, 50):
        kept += sum(inbox.offer(quadrant(0, seed), answer()) for seed in range(start, start + 50))
        inbox.flush()
    assert kept == inbox.items()[1] == writer.QUEUE  # a burst, and then one in a quarter of an hour
    inbox.close()


def test_offering_costs_microseconds(inbox: Inbox) -> None:
    pixels, odd, known = quadrant(0, 0), answer(), answer(rejected=False)
    with inbox._lock:
        times = []
        for turn in range(400):
            begun = time.perf_counter()
            inbox.offer(pixels, odd if turn % 2 else known)
            times.append(time.perf_counter() - begun)
    assert np.median(times) < 0.001  # 10 µs on a quiet machine


@pytest.mark.parametrize("broken", [{}, {"rejected": True, "p_value": "x"}, None, 3])
def test_a_wrong_answer_is_counted_and_not_raised(inbox: Inbox, broken: object) -> None:
    assert inbox.offer(quadrant(0, 0), broken) is False  # type: ignore[arg-type]
    assert inbox.counters()["failed"] == 1


def test_a_full_disk_is_said_once_and_outlived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    monkeypatch.setattr(writer, "REST", 0.05)
    inbox = make_inbox(tmp_path, warn=said.append)
    fill(inbox, 1)

    def full(path: Path, pixels: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(store, "_write_png", full)
        for seed in range(10, 14):
            assert inbox.offer(quadrant(0, seed), answer())
            wait_until(lambda seed=seed: inbox.counters()["failed"] == seed - 9)
        failure = inbox.summary()["failure"]
    assert "No space is left" in failure
    assert len(said) == 1
    assert said[0].startswith("The inbox keeps nothing for now, predictions go on: No space is left")
    fill(inbox, 2, start=20)
    assert inbox.items()[1] == 3
    assert inbox.summary()["failure"] is None
    hours = inbox.drift()["hours"]
    assert sum(hour["images"] for hour in hours) == 7  # p-values were counted all the while
    inbox.close()


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_became_read_only_is_said_and_outlived(tmp_path: Path) -> None:
    said: list[str] = []
    inbox = make_inbox(tmp_path, warn=said.append)
    (tmp_path / IMAGES).chmod(0o500)
    inbox.offer(quadrant(0, 0), answer())
    wait_until(lambda: bool(said))
    (tmp_path / IMAGES).chmod(0o700)
    assert "may not be written" in said[0]
    inbox.close()


def test_images_folder_gone_is_said_and_outlived(tmp_path: Path) -> None:
    said: list[str] = []
    inbox = make_inbox(tmp_path, warn=said.append)
    (tmp_path / IMAGES).rmdir()
    assert inbox.offer(quadrant(0, 0), answer())
    wait_until(lambda: bool(said))
    assert inbox.offer(quadrant(0, 1), answer())
    (tmp_path / IMAGES).mkdir()
    inbox.close()  # keeps what waits
    inbox = make_inbox(tmp_path)
    assert inbox.items()[1] == 1
    inbox.close()


def test_closing_keeps_what_waits(tmp_path: Path) -> None:
    inbox = make_inbox(tmp_path)
    for seed in range(50):
        inbox.offer(quadrant(1, seed), answer())
    inbox.close()
    inbox = make_inbox(tmp_path)
    assert inbox.items()[1] == 50
    inbox.close()


def wait_until(true: object, seconds: float = 20) -> None:
    assert callable(true)
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)
