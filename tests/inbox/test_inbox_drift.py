"""p-values over time: how they are counted, when there is an alarm, and how often a false one."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from inbox_cases import answer, make_inbox, quadrant

from euinet.inbox import Inbox, drift
from euinet.inbox.database import open_database, reading, writing
from euinet.inbox.drift import DAY_ALARM, EDGES, HOUR, HOUR_ALARM, RUNNING, add_counts, bin_of, ks_p_value
from euinet.predict.drift import PValueCounts, measure_drift

N = 2164  # calibration images, as the bundled models without a digit have


def test_a_p_value_lies_at_or_below_its_bins_edge() -> None:
    assert [bin_of(p) for p in (1e-9, 0.001, 0.0011, 0.05, 0.0500001, 1.0)] == [0, 0, 1, 7, 8, len(EDGES) - 1]
    p = np.arange(1, N + 2) / (N + 1)
    bins = np.array([bin_of(value) for value in p])
    assert (p <= EDGES[bins] + 1e-9).all()
    assert (p[bins > 0] > EDGES[bins[bins > 0] - 1] - 1e-9).all()


def binned(p: np.ndarray) -> np.ndarray:
    return np.bincount([bin_of(value) for value in p], minlength=len(EDGES))


def test_binning_hides_a_little_and_invents_nothing() -> None:
    generator = np.random.default_rng(0)
    for power, images in ((1.0, 500), (1.5, 300), (3.0, 100)):
        p = np.ceil(generator.random(images) ** power * (N + 1)) / (N + 1)
        counts = PValueCounts()
        counts.add(p)
        exact = measure_drift(counts, 0, None, N).ks_p_value
        found = ks_p_value(binned(p), N)
        assert found >= exact * (1 - 1e-6)
        assert found <= max(exact**0.6, 10 * exact)
    assert ks_p_value(binned(np.full(19, 1 / (N + 1))), N) == 1  # too few to tell


def p_values_of_known(generator: np.random.Generator, calibration: int, images: int) -> np.ndarray:
    """p-values of images drawn as the calibration ones were: one calibration, then many images."""
    scores = np.sort(generator.random(calibration))
    at_least = calibration - np.searchsorted(scores, generator.random(images))
    return (1 + at_least) / (calibration + 1)


def counts_of(p: np.ndarray) -> np.ndarray:
    places = np.searchsorted(EDGES, p - 1e-9).clip(0, len(EDGES) - 1)
    return np.bincount(places, minlength=len(EDGES))


@pytest.mark.parametrize("images", [20, 100, 1000])
def test_false_alarms_are_no_more_than_is_said(images: int) -> None:
    """At a level that can be counted; the p-value is used at 1e-3 and 1e-4."""
    generator = np.random.default_rng(images)
    windows, level = 3000, 0.01
    found = [ks_p_value(counts_of(p_values_of_known(generator, N, images)), N) for _ in range(windows)]
    alarms = np.mean(np.array(found) < level)
    assert alarms <= level + 3 * np.sqrt(level / windows)


def test_looking_again_and_again_costs_less_than_the_stricter_level_gives() -> None:
    generator = np.random.default_rng(9)
    windows, level = 1500, 0.01
    alarms = 0
    for _ in range(windows):
        p = p_values_of_known(generator, N, 640)
        counts = np.zeros(len(EDGES), np.int64)
        worst = 1.0
        for part in np.split(p, 32):  # every twenty images
            counts += counts_of(part)
            worst = min(worst, ks_p_value(counts, N))
        alarms += worst < RUNNING * level
    assert alarms / windows <= level


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    def at(seconds: float) -> None:
        monkeypatch.setattr(time, "time", lambda: seconds)

    return at


def feed(inbox: Inbox, p: np.ndarray, alpha: float = 0.01) -> None:
    for value in p.tolist():
        inbox.offer(quadrant(0, 0), answer(p_value=value, rejected=value <= alpha))
    inbox.flush()


def test_an_hour_of_unknown_images_raises_an_alarm_and_known_ones_do_not(
    tmp_path: Path, clock: Callable[[float], None]
) -> None:
    noon = 20_000 * 86_400 + 12 * HOUR
    clock(noon)
    inbox = make_inbox(tmp_path, calibration_images=N)
    generator = np.random.default_rng(1)
    assert inbox.drift()["sentence"].startswith("No sign of drift; an hour with fewer than 20")
    feed(inbox, p_values_of_known(generator, N, 400))
    found = inbox.drift()
    assert not found["alarm"]
    assert found["sentence"] == "No sign of drift."
    (hour,) = found["hours"]
    assert (hour["images"], hour["start"], hour["over"]) == (400, noon, False)
    assert 0.02 < hour["low"] < 0.09

    clock(noon + HOUR + 1)
    feed(inbox, np.full(40, 2 / (N + 1)))
    found = inbox.drift()
    assert found["alarm"]
    assert found["sentence"].startswith("ALARM")
    assert [window["alarm"] for window in found["hours"]] == [False, True]
    assert found["hours"][1]["rejected"] == 40
    (day,) = found["days"]
    assert (day["images"], day["hours"]) == (440, 24)

    clock(noon + 30 * HOUR)  # the alarm of yesterday's hour is over; that of its day is not
    assert not any(w["alarm"] for w in inbox.drift()["hours"] if w["start"] > noon + 2 * HOUR)
    clock(noon + 60 * HOUR)
    assert not inbox.drift()["alarm"]
    inbox.close()


def test_levels_are_those_that_are_told() -> None:
    hours, days = 24 * 365 * HOUR_ALARM * 2, 365 * DAY_ALARM * 2  # twice: looked at while running, too
    assert 1 < hours + days < 3
    assert "one to three in a year" in drift.FALSE_ALARMS
    assert pytest.approx(5_000) == 1 / (2 * HOUR_ALARM)
    assert pytest.approx(500) == 1 / (2 * DAY_ALARM)


def test_counts_add_up_over_restarts_and_models(tmp_path: Path, clock: Callable[[float], None]) -> None:
    clock(20_000 * 86_400.0)
    for key in ("one", "one", "two"):
        inbox = make_inbox(tmp_path, key=key, calibration_images=N)
        feed(inbox, np.arange(1, 31) / 30)
        inbox.close()
    with reading(tmp_path) as db:
        (window,) = drift.windows(db, 1, 0, time.time())
    assert window.images == 90
    assert not window.alarm


def test_a_model_without_calibration_scores_tells_nothing(tmp_path: Path) -> None:
    inbox = make_inbox(tmp_path, calibration_images=0, alpha=None)
    inbox.offer(quadrant(0, 0), answer(p_value=None))
    inbox.flush()
    assert inbox.items()[1] == 1
    found = inbox.drift()
    assert "no p-values" in found["sentence"]
    assert (found["hours"], found["alarm"]) == ([], False)
    inbox.close()


def test_hours_are_forgotten_in_the_end(tmp_path: Path) -> None:
    db = open_database(tmp_path)
    long_ago = int(time.time() / HOUR) - 24 * 500
    with writing(db):
        add_counts(db, long_ago, "m", N, 0, np.ones(len(EDGES), np.int64))
        add_counts(db, long_ago + 24 * 400, "m", N, 0, np.ones(len(EDGES), np.int64))
    db.close()
    inbox = make_inbox(tmp_path)
    inbox.flush()
    with reading(tmp_path) as other:
        assert other.execute("SELECT COUNT(*) FROM hours").fetchone() == (1,)
    inbox.close()
