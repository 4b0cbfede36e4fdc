"""Is the world still as it was? p-values of all answered images, counted by the hour; no image is needed.

Each hour and each day (UTC) is tested by itself as in predict/drift.py: do the p-values lie lower than those
of images like the calibration ones would? An hour that is not over is tested again and again as images come,
so it must speak ten times as clearly.
"""

import json
import sqlite3
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from euinet.errors import StorageError
from euinet.predict.drift import FEWEST, PValueCounts, measure_drift

HOUR, DAY_HOURS = 3600.0, 24
EDGES = np.array([0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.04, *(k / 20 for k in range(1, 21))])
"""Upper ends of the bins of p."""
_EDGES: list[float] = EDGES.tolist()
HOUR_ALARM, DAY_ALARM = 1e-4, 1e-3  # one false alarm in so many hours, days
RUNNING = 0.1  # of these, while the hour or day is not over
FALSE_ALARMS = (
    "While the images are like the calibration images and come independently, an hour raises a false alarm "
    "at most once in about 5,000 hours and a day once in about 500 days: one to three in a year of constant "
    "use."
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
    ks_p_value: float
    over: bool
    alarm: bool

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


def windows(db: sqlite3.Connection, hours: int, since: float, now: float) -> list[Window]:
    """Return the windows of so many hours (1 or 24) from `since` to `now`, seconds since 1970, in order.

    Hours of several models are tested for each; the window then tells the least p-value, times their number.
    """
    rows = db.execute(
        "SELECT hour / ?, model, calibration_images, rejected, counts FROM hours WHERE hour >= ? "
        "ORDER BY hour, model",
        (hours, int(since / HOUR) // hours * hours),
    )
    found: dict[int, dict[tuple[str, int], tuple[int, Counts]]] = {}
    for number, model, calibration_images, rejected, text in rows:
        own = found.setdefault(number, {})
        before = own.get((model, calibration_images), (0, np.zeros(len(EDGES), np.int64)))
        own[model, calibration_images] = (before[0] + rejected, before[1] + _counts(text))
    return [_window(number, hours, parts, now) for number, parts in found.items()]


def ks_p_value(counts: Counts, calibration_images: int) -> float:
    """Return the p-value of the one-sided test, of images counted by bin (bins,); 1 of fewer than FEWEST.

    Each image stands at the largest p-value of its bin, so that binning can hide a drift but make none.
    """
    steps = calibration_images + 1
    pairs: dict[float, int] = {}
    for edge, count in zip(EDGES.tolist(), counts.tolist(), strict=True):
        if count:
            p_value = max(1, int(edge * steps + 1e-9)) / steps
            pairs[p_value] = pairs.get(p_value, 0) + count
    return measure_drift(PValueCounts(pairs), 0, None, calibration_images).ks_p_value


def sentence(last: Sequence[Window], calibrated: bool) -> str:
    """Return what a person should know of the last windows, hours and days."""
    if not calibrated:
        return "The model has no calibration scores, hence no p-values: drift cannot be told. Calibrate it."
    if any(window.alarm for window in last):
        return (
            "ALARM: p-values lie too low for images like those that the model was calibrated with. Look at "
            "what was rejected: there may be a new class, or the camera has changed."
        )
    if not any(window.images >= FEWEST for window in last):
        return f"No sign of drift; an hour with fewer than {FEWEST} images tells nothing."
    return "No sign of drift."


def _window(number: int, hours: int, parts: dict[tuple[str, int], tuple[int, Counts]], now: float) -> Window:
    start = number * hours * HOUR
    over = start + hours * HOUR <= now
    total = sum((counts for _, counts in parts.values()), np.zeros(len(EDGES), np.int64))
    images = int(total.sum())
    least = min(ks_p_value(counts, calibrated) for (_, calibrated), (_, counts) in parts.items())
    tested = min(1.0, least * len(parts))
    level = (HOUR_ALARM if hours == 1 else DAY_ALARM) * (1 if over else RUNNING)
    low = total[: int(np.searchsorted(EDGES, 0.05)) + 1].sum()
    return Window(
        start=start,
        hours=hours,
        images=images,
        rejected=sum(rejected for rejected, _ in parts.values()),
        low=float(low / images) if images else 0.0,
        ks_p_value=tested,
        over=over,
        alarm=tested < level,
    )


def _counts(text: str) -> Counts:
    try:
        counts = np.array(json.loads(text), np.int64)
    except (ValueError, TypeError, OverflowError):
        counts = np.empty(0, np.int64)
    if counts.shape != EDGES.shape or (counts < 0).any():
        raise StorageError(
            "The inbox is damaged: an hour's counts are none; move it away to begin a new one."
        )
    return counts


def report(db: sqlite3.Connection, now: float, alpha: float | None, calibrated: bool) -> dict[str, Any]:
    """Return the last two days by the hour and sixty days by the day, and the alarm, as plain values."""
    hours = windows(db, 1, now - 2 * DAY_HOURS * HOUR, now)
    days = windows(db, DAY_HOURS, now - 60 * DAY_HOURS * HOUR, now)
    last = [window for window in (*hours, *days) if window.start + (window.hours + DAY_HOURS) * HOUR > now]
    return {
        "alarm": any(window.alarm for window in last),
        "sentence": sentence(last, calibrated),
        "false_alarms": FALSE_ALARMS,
        "alpha": alpha,
        "hours": [window.to_plain() for window in hours],
        "days": [window.to_plain() for window in days],
    }
