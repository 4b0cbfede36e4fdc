"""The numbers behind every table and every sentence: pure functions of the record.

Enters an `EvaluationRecord` (and the report's values, or None); leave small frozen rows.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from euinet.answers import REJECT
from euinet.judging.share import wilson_interval
from euinet.report.groups import LabelGroup, entry_names, is_known, is_rejected, label_groups, part_of
from euinet.report.wording import listing

if TYPE_CHECKING:
    from euinet.records import EvaluationRecord
    from euinet.report.reported import ReportedValues


@dataclass(frozen=True)
class AccuracyRow:
    """One column of figure 21: how many of `total` test images were judged right."""

    name: str
    counted: str  # what "right" means for these images
    right: int
    total: int
    reported: float | None  # percent

    @property
    def percent(self) -> float:
        """Return ours in percent; NaN without test images."""
        return 100 * self.right / self.total if self.total else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Return the 95 % interval that the number of test images allows, in percent."""
        low, high = wilson_interval(self.right, self.total)
        return 100 * low, 100 * high


@dataclass(frozen=True)
class LabelRow(LabelGroup):
    """What EuiNet said to the test images of one label; the three counts sum to `total`.

    `right` counts rejections for an unknown class, and then `rejected` is 0. The medians are figure 19's, NaN
    where a label has no test images.
    """

    total: int
    right: int
    rejected: int  # known images turned away
    other: int  # given some other class
    disc_score: float  # median of h, 0 … 1
    max_to_second: float  # median of Max-2-Max
    reported_disc_score: float | None
    reported_max_to_second: float | None


@dataclass(frozen=True)
class Confusion:
    """Counts with the true label down and the answer across, reject first.

    Unknown classes are the first rows, so that right answers lie on one diagonal
    when a single class is held out.
    """

    row_names: tuple[str, ...]
    column_names: tuple[str, ...]
    counts: npt.NDArray[np.int64]  # (U + K, K + 1)
    right_columns: tuple[int, ...]  # per row, the column that is right


def max_to_second(probabilities: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Return Max-2-Max: the largest minus the second largest of each row, (N, K+1) → (N,), 0 … 1."""
    top_two = np.partition(probabilities.astype(np.float64), -2, axis=1)[:, -2:]
    difference: npt.NDArray[np.float64] = top_two[:, 1] - top_two[:, 0]
    return difference


def accuracy_rows(
    record: EvaluationRecord, reported: ReportedValues | None
) -> tuple[AccuracyRow, AccuracyRow]:
    """Return figure 21: unknown images rejected, and known images given their own label."""
    known, rejected = is_known(record), is_rejected(record)
    return (
        AccuracyRow(
            listing(record.unknown_names) or "unknown classes",
            "rejected",
            *part_of(~known, rejected),
            reported=reported.accuracy_unknown if reported else None,
        ),
        AccuracyRow(
            reported.known_label if reported else f"the {len(record.class_names)} known classes",
            "given their own label",
            *part_of(known, record.decision.labels == record.labels),
            reported=reported.accuracy_known if reported else None,
        ),
    )


def label_rows(record: EvaluationRecord, reported: ReportedValues | None) -> tuple[LabelRow, ...]:
    """Return per label how its test images were judged, and figure 19's medians of h and of Max-2-Max."""
    differences = max_to_second(record.decision.probabilities)
    rows = []
    for group in label_groups(record):
        mask = group.mask(record)
        answers = record.decision.labels[mask]
        right = int((answers == (group.label if group.known else REJECT)).sum())
        rejected = int((answers == REJECT).sum()) if group.known else 0
        rows.append(
            LabelRow(
                **vars(group),
                total=len(answers),
                right=right,
                rejected=rejected,
                other=len(answers) - right - rejected,
                disc_score=median(record.decision.disc_score[mask]),
                max_to_second=median(differences[mask]),
                reported_disc_score=reported.disc_score_medians[group.number] if reported else None,
                reported_max_to_second=reported.max_to_second_medians[group.number] if reported else None,
            )
        )
    return tuple(rows)


def median(values: npt.NDArray[np.floating]) -> float:
    """Return the median of (N,) values, NaN of none."""
    return float(np.median(values.astype(np.float64))) if len(values) else math.nan


def confusion(record: EvaluationRecord) -> Confusion:
    """Return figure 20: counts of (true label, answer)."""
    groups = sorted(label_groups(record), key=lambda group: (group.known, group.label if group.known else 0))
    columns = record.decision.labels + 1  # REJECT = −1 becomes column 0
    width = len(record.class_names) + 1
    counts = np.stack([np.bincount(columns[group.mask(record)], minlength=width) for group in groups])
    return Confusion(
        row_names=tuple(group.name for group in groups),
        column_names=("reject", *entry_names(record)[1:]),
        counts=counts.astype(np.int64),
        right_columns=tuple(group.right_column for group in groups),
    )
