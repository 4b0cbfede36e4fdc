"""The operating curve: what is kept, how right that is and what is caught, for every promise."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from euinet.card.groups import AnsweredGroup
from euinet.card.promise import least_alpha
from euinet.judging.operating import OperatingPoint, operating_point
from euinet.judging.record import KNOWN, UNKNOWN, Kind, RecordGroup, TestRecord
from euinet.model.conformal import Calibration, smallest_alpha

LARGEST = 0.3
STEPS = 40
TABLE_LEVELS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)


@dataclass(frozen=True)
class Curve:
    """The operating curve and a few of its rows."""

    basis: Literal["calibration", "test"]  # whose scores set the thresholds
    least: float
    points: tuple[OperatingPoint, ...]  # none where the images allow no level below LARGEST
    rows: tuple[OperatingPoint, ...]  # for the table


def operating_curve(
    calibration: Calibration | None, known: AnsweredGroup, unknown: Sequence[AnsweredGroup]
) -> Curve:
    """Return the curve from the least level that the images allow up to LARGEST.

    Without calibration scores the known test images set the thresholds themselves: the level is then the
    share of them that is rejected, and no promise.
    """
    least = smallest_alpha(len(known.labels)) if calibration is None else least_alpha(calibration)
    record = _record(known, unknown)
    levels = np.geomspace(least, LARGEST, STEPS).tolist() if least < LARGEST else []
    table = {level for level in TABLE_LEVELS if level >= least}
    if calibration is not None and calibration.alpha is not None:
        table.add(calibration.alpha)
    return Curve(
        basis="test" if calibration is None else "calibration",
        least=least,
        points=tuple(operating_point(record, calibration, level) for level in levels),
        rows=tuple(operating_point(record, calibration, level) for level in sorted(table)),
    )


def _record(known: AnsweredGroup, unknown: Sequence[AnsweredGroup]) -> TestRecord:
    """Return the groups' answers as a test record."""
    groups = (known, *unknown)
    sizes = [len(group.labels) for group in groups]
    names = [KNOWN, *(group.group.name for group in unknown)]
    far: list[Kind] = ["far"] * len(unknown)
    kinds = [KNOWN, *far]
    return TestRecord(
        data="",
        class_names=known.answers.class_names,
        groups=tuple(RecordGroup(n, k, s, s) for n, k, s in zip(names, kinds, sizes, strict=True)),
        ood_score=np.concatenate([group.answers.ood_score for group in groups]).astype(np.float32),
        best_class=np.concatenate([group.answers.best_classes for group in groups]),
        true_class=np.concatenate([known.labels, np.full(sum(sizes[1:]), UNKNOWN)]),
    )
