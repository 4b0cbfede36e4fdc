"""A batch of images with its answers, as rows; and what all batches say together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from euinet.answers import Answers, IntArray
from euinet.images.sources import Read
from euinet.model.model import BATCH as BATCH
from euinet.model.model import Model
from euinet.predict.drift import PlaceCounts, places
from euinet.predict.rows import Row, rows_of

PART_IMAGES = 40 * BATCH  # images a part; whole batches, so that parts change no score's last digit


@dataclass(frozen=True, eq=False)
class Block:
    """Images that were read together; `answers` are for those that could be read, None if none could.

    `places`: where their scores lie among the calibration scores of the same answer (predict/drift.py).
    """

    reads: Sequence[Read]
    answers: Answers | None
    places: IntArray | None = None  # None without calibration scores, too

    def rows(self) -> list[Row]:
        """Return a row for each image: its answer, or its error."""
        return rows_of(self.reads, () if self.answers is None else self.answers.rows)


def batches(reads: Iterator[Read], part_images: int) -> Iterator[list[Read]]:
    """Yield images in batches, of BATCH and fewer at the end of each part: a function of position only."""
    batch: list[Read] = []
    left = part_images
    for read in reads:
        batch.append(read)
        if len(batch) == min(BATCH, left):
            yield batch
            left = left - len(batch) or part_images
            batch = []
    if batch:
        yield batch


def answer(model: Model, reads: Sequence[Read]) -> Block:
    """Return the answers for a batch."""
    good = [read.pixels for read in reads if read.pixels is not None]
    if not good:
        return Block(reads, None)
    found, calibration = model.answer(np.stack(good)), model.calibration
    if not calibration:
        return Block(reads, found)
    return Block(reads, found, places(calibration, found.ood_score, found.best_classes))


@dataclass
class Tally:
    """What images say together; it can be added up from parts."""

    images: int = 0
    broken: int = 0
    rejected: int = 0
    places: PlaceCounts = field(default_factory=PlaceCounts)
    counted: bool = False  # places

    def add(self, block: Block) -> None:
        """Count a batch."""
        answers = block.answers
        self.images += len(block.reads)
        self.broken += len(block.reads) - (0 if answers is None else int(answers.answered.sum()))
        if answers is not None:
            self.rejected += int(answers.rejected.sum())
            if block.places is not None:
                self.counted = True
                answered = answers.answered
                self.places.add(answers.best_classes[answered], block.places[answered])

    def merge(self, other: Tally) -> None:
        """Take in what was counted elsewhere."""
        self.images += other.images
        self.broken += other.broken
        self.rejected += other.rejected
        self.counted |= other.counted
        self.places.merge(other.places)

    def to_plain(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**vars(self), "places": self.places.to_plain()}

    @staticmethod
    def from_plain(plain: dict[str, Any]) -> Tally:
        """Return what `to_plain` wrote."""
        return Tally(**{**plain, "places": PlaceCounts.from_plain(plain["places"])})
