"""A batch of images with its answers, as rows; and what all batches say together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from euinet.answers import Answers
from euinet.images.sources import Read
from euinet.model.model import BATCH as BATCH
from euinet.model.model import Model
from euinet.predict.drift import PValueCounts
from euinet.predict.rows import Row, rows_of

PART_IMAGES = 40 * BATCH  # images a part; whole batches, so that parts change no score's last digit


@dataclass(frozen=True, eq=False)
class Block:
    """Images that were read together; `answers` are for those that could be read, None if none could."""

    reads: Sequence[Read]
    answers: Answers | None

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
    return Block(reads, model.answer(np.stack(good)) if good else None)


@dataclass
class Tally:
    """What images say together; it can be added up from parts."""

    images: int = 0
    broken: int = 0
    rejected: int = 0
    p_values: PValueCounts = field(default_factory=PValueCounts)
    has_p_values: bool = False

    def add(self, block: Block) -> None:
        """Count a batch."""
        answers = block.answers
        self.images += len(block.reads)
        self.broken += len(block.reads) - (0 if answers is None else int(answers.answered.sum()))
        if answers is not None:
            self.rejected += int(answers.rejected.sum())
            if answers.p_value is not None:
                self.has_p_values = True
                self.p_values.add(answers.p_value[answers.answered])

    def merge(self, other: Tally) -> None:
        """Take in what was counted elsewhere."""
        self.images += other.images
        self.broken += other.broken
        self.rejected += other.rejected
        self.has_p_values |= other.has_p_values
        self.p_values.merge(other.p_values)

    def to_plain(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {**vars(self), "p_values": self.p_values.to_plain()}

    @staticmethod
    def from_plain(plain: dict[str, Any]) -> Tally:
        """Return what `to_plain` wrote."""
        return Tally(**{**plain, "p_values": PValueCounts.from_plain(plain["p_values"])})
