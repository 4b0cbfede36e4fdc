"""A batch of images with its answers, as rows or as columns; and what all batches say together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from euinet.answers import REJECT, Answers
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
        return rows_of(self.reads, (answer.to_plain() for answer in self.answers or ()))

    def columns(self, class_names: Sequence[str]) -> list[list[Any]]:
        """Return the same as columns, in the order of `columns_of`; None where a row has nothing.

        Three times as fast as by rows: answers are arrays already.
        """
        nothing = [None] * len(self.reads)
        answered: list[list[Any]] = [nothing] * (6 + len(class_names))
        if self.answers is not None:
            good = [place for place, read in enumerate(self.reads) if read.pixels is not None]
            answered = [self._placed(values, good) for values in _answer_columns(self.answers)]
        paths, remarks = [read.path for read in self.reads], [read.remark or None for read in self.reads]
        return [paths, *answered, remarks, [read.error for read in self.reads]]

    def _placed(self, values: list[Any], good: Sequence[int]) -> list[Any]:
        if len(values) == len(self.reads):
            return values
        placed: list[Any] = [None] * len(self.reads)
        for place, value in zip(good, values, strict=True):
            placed[place] = value
        return placed


def _answer_columns(answers: Answers) -> Iterator[list[Any]]:
    names = answers.class_names
    yield [None if label == REJECT else names[label] for label in answers.labels.tolist()]
    yield answers.rejected.tolist()
    yield [names[best] for best in answers.best_classes.tolist()]
    yield answers.ood_score.tolist()
    yield [None] * len(answers) if answers.p_value is None else answers.p_value.tolist()
    yield from answers.probabilities.T.tolist()


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
        self.broken += len(block.reads) - (0 if answers is None else len(answers))
        if answers is not None:
            self.rejected += int(answers.rejected.sum())
            if answers.p_value is not None:
                self.has_p_values = True
                self.p_values.add(answers.p_value)

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
