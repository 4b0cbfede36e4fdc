"""Drift over time: how images are counted, when there is an alarm, and that it goes on after a restart."""

from __future__ import annotations

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from inbox_cases import SUBJECT, answer, make_inbox, quadrant

from euinet.errors import StorageError
from euinet.inbox import Inbox, drift
from euinet.inbox.database import open_database, reading, writing
from euinet.inbox.drift import EDGES, HOUR, add_counts, add_images, bin_of
from euinet.inbox.martingale import scales
from euinet.model.conformal import Calibration

N = 2164  # calibration images, as the bundled models without a digit have
NOON = 20_000 * 86_400 + 12 * HOUR


def known(seed: int, images: int) -> tuple[np.ndarray, np.ndarray]:
    """Scores and answers of images of one world: those of b are larger."""
    generator = np.random.default_rng(seed)
    answers = generator.integers(2, size=images)
    return generator.normal(size=images) + 5 * answers, answers


CALIBRATION = Calibration(*known(0, N), 0.01)


def test_a_p_value_lies_at_or_below_its_bins_edge() -> None:
    assert [bin_of(p) for p in (1e-9, 0.001, 0.0011, 0.05, 0.0500001, 1.0)] == [0, 0, 1, 7, 8, len(EDGES) - 1]
    p = np.arange(1, N + 2) / (N + 1)
    bins = np.array([bin_of(value) for value in p])
    assert (p <= EDGES[bins] + 1e-9).all()
    assert (p[bins > 0] > EDGES[bins[bins > 0] - 1] - 1e-9).all()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    def at(seconds: float) -> None:
        monkeypatch.setattr(time, "time", lambda: seconds)

    return at


def feed(inbox: Inbox, scores: np.ndarray, answers: np.ndarray) -> None:
    p = CALIBRATION.p_values(scores, answers)
    for score, one, p_value in zip(scores.tolist(), answers.tolist(), p.tolist(), strict=True):
        given = answer(p_value=p_value, rejected=p_value <= 0.01, best_class="ab"[one], ood_score=score)
        inbox.offer(quadrant(0, 0), given)
    inbox.flush()


def open_inbox(folder: Path, **changes: object) -> Inbox:
    return make_inbox(folder, calibration=CALIBRATION, **changes)


def test_unknown_images_raise_an_alarm_and_known_ones_do_not(
    tmp_path: Path, clock: Callable[[float], None]
) -> None:
    clock(NOON)
    inbox = open_inbox(tmp_path)
    assert inbox.drift()["sentence"] == "No sign of drift."
    feed(inbox, *known(1, 400))
    found = inbox.drift()
    assert not found["alarm"]
    (hour,) = found["hours"]
    assert (hour["images"], hour["start"], hour["over"]) == (400, NOON, False)
    assert 0.02 < hour["low"] < 0.09

    clock(NOON + HOUR + 1)
    feed(inbox, np.full(40, 4.5), np.zeros(40, np.int64))  # odd for an a, though not for a b
    found = inbox.drift()
    assert found["alarm"]
    assert found["sentence"].startswith("ALARM: images of a look different")
    assert [window["alarm"] for window in found["hours"]] == [False, True]
    (day,) = found["days"]
    assert (day["images"], day["hours"], day["alarm"]) == (440, 24, True)

    clock(NOON + 60 * HOUR)
    assert not inbox.drift()["alarm"]
    assert inbox.drift()["sentence"].endswith("the last alarm is of 2024-10-04 13:00 UTC.")
    inbox.close()


def test_another_mix_of_classes_raises_no_alarm(tmp_path: Path) -> None:
    """All images of b have low p-values: those of a model with one threshold are not given the answer."""
    scores, answers = known(2, 1000)
    inbox = open_inbox(tmp_path)
    feed(inbox, scores[answers == 1], answers[answers == 1])
    assert inbox.drift()["hours"][-1]["low"] > 0.08
    assert not inbox.drift()["alarm"]
    inbox.close()


def test_the_stream_goes_on_over_restarts_and_several_servers(tmp_path: Path) -> None:
    scores, answers = known(3, 60)
    servers = [open_inbox(tmp_path) for _ in range(2)]
    for start in range(0, 60, 10):
        feed(servers[start % 20 // 10], scores[start : start + 10], answers[start : start + 10])
    for server in servers:
        server.close()
    again = open_inbox(tmp_path)
    feed(again, scores[:1], answers[:1])
    again.close()
    with reading(tmp_path) as db:
        ((text,),) = db.execute("SELECT value FROM meta WHERE name = ?", ("drift the-model",)).fetchall()
    state = json.loads(text)["martingale"]
    assert state["together"][0] == 61
    counted = sum(count for _, counts in state["answers"].values() for _, count in counts)
    assert counted == 61


def test_another_models_stream_is_another(tmp_path: Path) -> None:
    for key in ("one", "one", "two"):
        inbox = open_inbox(tmp_path, key=key)
        feed(inbox, *known(4, 30))
        inbox.close()
    with reading(tmp_path) as db:
        (window,) = drift.windows(db, 1, 0, time.time())
        names = db.execute("SELECT name FROM meta WHERE name GLOB 'drift *' ORDER BY name").fetchall()
    assert window.images == 90
    assert names == [("drift one",), ("drift two",)]


def test_an_inbox_of_before_begins_a_stream(tmp_path: Path) -> None:
    """Hours were counted before there was a martingale; they stay, and its images are those from now on."""
    db = open_database(tmp_path)
    with writing(db):
        add_counts(db, int(time.time() / HOUR), SUBJECT.key, N, 3, np.ones(len(EDGES), np.int64))
    db.close()
    inbox = open_inbox(tmp_path)
    feed(inbox, *known(5, 10))
    assert sum(hour["images"] for hour in inbox.drift()["hours"]) == len(EDGES) + 10
    inbox.close()


FEW_STAKES = '{"alarms": {}, "martingale": {"images": 1, "together": [1, 0.5], "answers": {}}}'


@pytest.mark.parametrize("damage", ["1", '{"alarms": {}, "martingale": {"images": 3}}', "{", FEW_STAKES])
def test_a_damaged_stream_is_said(tmp_path: Path, damage: str) -> None:
    db = open_database(tmp_path)
    with writing(db):
        db.execute("INSERT INTO meta (name, value) VALUES ('drift the-model', ?)", (damage,))
        with pytest.raises(StorageError, match="inbox is damaged: the state of its drift alarm"):
            add_images(
                db,
                "the-model",
                scales(CALIBRATION),
                ("a", "b"),
                Counter({(0, 3): 1}),
                0.0,
                np.random.default_rng(1),
            )
    db.close()


def test_a_model_without_calibration_scores_tells_nothing(tmp_path: Path) -> None:
    inbox = make_inbox(tmp_path, calibration=None, alpha=None)
    inbox.offer(quadrant(0, 0), answer(p_value=None))
    inbox.flush()
    assert inbox.items()[1] == 1
    found = inbox.drift()
    assert "no p-values" in found["sentence"]
    assert (found["hours"], found["alarm"]) == ([], False)
    inbox.close()


def test_images_wait_while_the_disk_refuses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inbox = open_inbox(tmp_path)

    def full(*arguments: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patched:
        patched.setattr("euinet.inbox.writer.add_images", full)
        with pytest.raises(StorageError):
            feed(inbox, *known(6, 20))
    feed(inbox, *known(7, 5))
    inbox.close()
    with reading(tmp_path) as db:
        ((text,),) = db.execute("SELECT value FROM meta WHERE name = 'drift the-model'").fetchall()
    assert json.loads(text)["martingale"]["together"][0] == 25


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
