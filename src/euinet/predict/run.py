"""Predicting, every step in order: find the images, read and answer them in batches, collect the rows."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from euinet.answers import Answers
from euinet.predict.drift import Drift, measure_drift
from euinet.predict.engine import Predictor
from euinet.predict.inputs import Found, Read
from euinet.predict.rows import Row

BATCH = 256
PLAIN_SECONDS = 10.0  # between lines of progress away from a terminal


@dataclass(frozen=True)
class Predicted:
    """The rows of all images, in the order in which they were named, and what they say together."""

    rows: tuple[Row, ...]
    broken: int
    rejected: int
    drift: Drift | None  # None without p-values

    def to_plain(self) -> dict[str, Any]:
        """Return what `predict --json` prints."""
        answered = len(self.rows) - self.broken
        return {
            "predictions": list(self.rows),
            "images": len(self.rows),
            "broken": self.broken,
            "rejected": self.rejected,
            "rejected_share": self.rejected / answered if answered else None,
            "drift": None if self.drift is None else self.drift.to_plain(),
        }


def predict_all(predictor: Predictor, found: Found, notify: Callable[[str], None]) -> Predicted:
    """Return a row for every image of `found`: what is broken has its error in its row, the rest go on."""
    rows: list[Row] = []
    p_values: list[np.ndarray] = []
    progress = _Progress(found.images, notify)
    for batch in _batches(_read(predictor, found)):
        good = [read for read in batch if read.pixels is not None]
        answers = (
            predictor.predict(np.stack([read.pixels for read in good if read.pixels is not None]))
            if good
            else None
        )
        rows += _rows(batch, answers)
        if answers is not None and answers.p_value is not None:
            p_values.append(answers.p_value)
        progress.show(len(rows))
    broken = sum("error" in row for row in rows)
    rejected = sum(row.get("rejected", False) for row in rows)
    drift = None
    if p_values:
        facts = predictor.facts
        drift = measure_drift(np.concatenate(p_values), rejected, facts.alpha, facts.calibration_images)
    return Predicted(tuple(rows), broken, rejected, drift)


def _read(predictor: Predictor, found: Found) -> Iterator[Read]:
    for source in found.sources:
        yield from source.read(predictor.facts.preprocessing)


def _batches(reads: Iterator[Read]) -> Iterator[list[Read]]:
    batch: list[Read] = []
    for read in reads:
        batch.append(read)
        if len(batch) == BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _rows(batch: list[Read], answers: Answers | None) -> list[Row]:
    rows: list[Row] = []
    answered = iter(answers) if answers is not None else iter(())
    for read in batch:
        if read.pixels is None:
            rows.append({"path": read.path, "error": read.error})
            continue
        row: Row = {"path": read.path, **next(answered).to_plain()}
        if read.remark:
            row["remark"] = read.remark
        rows.append(row)
    return rows


class _Progress:
    """Says how far it is and how long it will take: on a terminal in place, elsewhere now and then."""

    def __init__(self, total: int, notify: Callable[[str], None]) -> None:
        self.total, self.notify = total, notify
        self.started = self.last = time.monotonic()
        self.on_terminal = sys.stderr.isatty()

    def show(self, done: int) -> None:
        """Show that `done` images are answered, if it is time to."""
        now = time.monotonic()
        if self.total <= BATCH or now - self.last < (0.5 if self.on_terminal else PLAIN_SECONDS):
            return
        self.last = now
        rate = done / (now - self.started)
        left = (self.total - done) / rate
        self.notify(f"{done:,} of {self.total:,} images, {rate:,.0f} a second, {left:,.0f} s left")
