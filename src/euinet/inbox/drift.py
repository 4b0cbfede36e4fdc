"""Is the world still as it was? All answered images, counted; no image is needed.

p-values are counted by the hour, for people to look at. The alarm comes from one martingale a model
(`martingale.py`), kept in the table `meta`: servers of one model share it, and a restart does not end it.
"""

import json
import sqlite3
from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from euinet.errors import StorageError
from euinet.inbox.martingale import Martingale, Placed, Scale
from euinet.system.words import printable

HOUR, DAY_HOURS = 3600.0, 24
EDGES = np.array([0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.04, *(k / 20 for k in range(1, 21))])
"""Upper ends of the bins of p."""
_EDGES: list[float] = EDGES.tolist()
STREAM = "drift "  # and the model's key: name in the table meta
ALARMS_KEPT = 1000  # hours with an alarm
FALSE_ALARMS = (
    "While images come independently and are like the calibration images that were given the same answer, "
    "the chance that there is ever a false alarm is at most 0.1 %, however often one looks. Another mix of "
    "classes raises none."
)
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Window:
    """The p-values of an hour or a day."""

    start: float  # seconds since 1970, UTC
    hours: int  # 1 or 24
    images: int
    rejected: int
    low: float  # share of p ≤ 0.05; about that much of known images
    over: bool
    alarm: bool  # one was raised in it

    def to_plain(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return dict(vars(self))


def bin_of(p_value: float) -> int:
    """Return in which bin a p-value falls; one that lies on an edge belongs below it."""
    return min(bisect_left(_EDGES, p_value - 1e-9), len(_EDGES) - 1)


def add_counts(
    db: sqlite3.Connection, hour: int, model: str, calibration_images: int, rejected: int, counts: Counts
) -> None:
    """Add images counted by bin of p (bins,) to an hour, within `writing`."""
    row = db.execute(
        "SELECT rejected, counts FROM hours WHERE hour = ? AND model = ?", (hour, model)
    ).fetchone()
    if row is not None:
        rejected, counts = rejected + row[0], counts + _counts(row[1])
    db.execute(
        "INSERT OR REPLACE INTO hours (hour, model, calibration_images, rejected, counts) "
        "VALUES (?, ?, ?, ?, ?)",
        (hour, model, calibration_images, rejected, json.dumps(counts.tolist())),
    )


def add_images(
    db: sqlite3.Connection,
    model: str,
    scales: Mapping[int, Scale],
    class_names: Sequence[str],
    placed: Counter[Placed],
    now: float,
    generator: np.random.Generator,
) -> None:
    """Let a model's martingale go on with images, and note the hour of an alarm, within `writing`."""
    row = db.execute("SELECT value FROM meta WHERE name = ?", (STREAM + model,)).fetchone()
    try:
        found: dict[str, Any] = {"alarms": {}} if row is None else json.loads(row[0])
        martingale = Martingale(scales, found.get("martingale"))
        alarms: dict[str, list[str]] = dict(list(found["alarms"].items())[-ALARMS_KEPT:])
        raised = martingale.add(placed, generator)
    except (ValueError, TypeError, KeyError, IndexError, AttributeError, OverflowError) as error:
        raise _damaged("the state of its drift alarm is none") from error
    for answers in raised:
        names = alarms.setdefault(str(int(now // HOUR)), [])
        names += [class_names[answer] for answer in answers if class_names[answer] not in names]
    value = json.dumps({"martingale": martingale.to_plain(), "alarms": alarms})
    db.execute("INSERT OR REPLACE INTO meta (name, value) VALUES (?, ?)", (STREAM + model, value))


def alarms_of(db: sqlite3.Connection) -> dict[int, list[str]]:
    """Return the hours in which any model's martingale raised an alarm, with the classes that it named."""
    found: dict[int, list[str]] = {}
    for (text,) in db.execute("SELECT value FROM meta WHERE name GLOB ? ORDER BY name", (STREAM + "*",)):
        try:
            for hour, names in json.loads(text)["alarms"].items():
                found.setdefault(int(hour), []).extend(map(str, names))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise _damaged("the hours of its drift alarms are none") from error
    return dict(sorted(found.items()))


def windows(db: sqlite3.Connection, hours: int, since: float, now: float) -> list[Window]:
    """Return the windows of so many hours (1 or 24) from `since` to `now`, seconds since 1970, in order."""
    rows = db.execute(
        "SELECT hour / ?, rejected, counts FROM hours WHERE hour >= ? ORDER BY hour",
        (hours, int(since / HOUR) // hours * hours),
    )
    found: dict[int, tuple[int, Counts]] = {}
    for number, rejected, text in rows:
        before = found.get(number, (0, np.zeros(len(EDGES), np.int64)))
        found[number] = (before[0] + rejected, before[1] + _counts(text))
    alarms = {hour // hours for hour in alarms_of(db)}
    return [
        Window(
            start=number * hours * HOUR,
            hours=hours,
            images=int(counts.sum()),
            rejected=rejected,
            low=float(counts[EDGES <= 0.05].sum() / max(counts.sum(), 1)),
            over=(number + 1) * hours * HOUR <= now,
            alarm=number in alarms,
        )
        for number, (rejected, counts) in found.items()
    ]


def sentence(alarms: Mapping[int, Sequence[str]], now: float, calibrated: bool) -> str:
    """Return what a person should know of the hours with alarms."""
    if not calibrated:
        return "The model has no calibration scores, hence no p-values: drift cannot be told. Calibrate it."
    if not alarms:
        return "No sign of drift."
    last = max(alarms)
    if not _stands(last, now):
        when = datetime.fromtimestamp(last * HOUR, UTC).strftime("%Y-%m-%d %H:00")
        return f"No sign of drift in the last {DAY_HOURS} hours; the last alarm is of {when} UTC."
    names = dict.fromkeys(name for hour, own in alarms.items() if _stands(hour, now) for name in own)
    whose = f"images of {', '.join(map(printable, names))}" if names else "images of several classes"
    return (
        f"ALARM: {whose} look different from those that the model was calibrated with. Look at what was "
        "rejected: there may be a new class, or the camera has changed."
    )


def report(db: sqlite3.Connection, now: float, alpha: float | None, calibrated: bool) -> dict[str, Any]:
    """Return the last two days by the hour and sixty days by the day, and the alarm, as plain values."""
    alarms = alarms_of(db)
    return {
        "alarm": any(_stands(hour, now) for hour in alarms),
        "sentence": sentence(alarms, now, calibrated),
        "false_alarms": FALSE_ALARMS,
        "alpha": alpha,
        "hours": [one.to_plain() for one in windows(db, 1, now - 2 * DAY_HOURS * HOUR, now)],
        "days": [one.to_plain() for one in windows(db, DAY_HOURS, now - 60 * DAY_HOURS * HOUR, now)],
    }


def _stands(hour: int, now: float) -> bool:
    return (hour + DAY_HOURS) * HOUR > now


def _counts(text: str) -> Counts:
    try:
        counts = np.array(json.loads(text), np.int64)
    except (ValueError, TypeError, OverflowError):
        counts = np.empty(0, np.int64)
    if counts.shape != EDGES.shape or (counts < 0).any():
        raise _damaged("an hour's counts are none")
    return counts


def _damaged(what: str) -> StorageError:
    return StorageError(f"The inbox is damaged: {what}; move it away to begin a new one.")
