"""Predicting, every step in order: read the images, answer them in batches, send the rows on."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from euinet.answers import Answers
from euinet.predict.drift import Drift, measure_drift
from euinet.predict.engine import Predictor
from euinet.predict.inputs import Found, Read
from euinet.predict.rows import Row
from euinet.predict.sinks import Sink

BATCH = 256
PLAIN_SECONDS = 10.0  # between lines of progress away from a terminal


@dataclass(frozen=True)
class Predicted:
    """What all images say together."""

    images: int
    broken: int
    rejected: int
    drift: Drift | None  # None without p-values

    def to_plain(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        answered = self.images - self.broken
        return {
            "images": self.images,
            "broken": self.broken,
            "rejected": self.rejected,
            "rejected_share": self.rejected / answered if answered else None,
            "drift": None if self.drift is None else self.drift.to_plain(),
        }


def predict_all(
    predictor: Predictor, found: Found, sinks: Sequence[Sink], notify: Callable[[str], None]
) -> Predicted:
    """Send a row for every image of `found` to all `sinks`, in the order in which the images were named.

    What is broken has its error in its row, and the rest go on. Memory does not grow with the images, but for
    their p-values: four bytes each.
    """
    images = broken = rejected = 0
    p_values: list[np.ndarray] = []
    progress = _Progress(found.images, notify)
    for batch in _batches(_read(predictor, found)):
        good = [read.pixels for read in batch if read.pixels is not None]
        answers = predictor.predict(np.stack(good)) if good else None
        rows = _rows(batch, answers)
        for sink in sinks:
            sink.write(rows)
        images, broken = images + len(batch), broken + len(batch) - len(good)
        if answers is not None:
            rejected += int(answers.rejected.sum())
            if answers.p_value is not None:
                p_values.append(answers.p_value.astype(np.float32))
        progress.show(images)
    drift = None
    if p_values:
        facts = predictor.facts
        drift = measure_drift(np.concatenate(p_values), rejected, facts.alpha, facts.calibration_images)
    return Predicted(images, broken, rejected, drift)


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
