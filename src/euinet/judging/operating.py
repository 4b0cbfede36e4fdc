"""What one alpha does on a test record: what is kept, how right that is, what is caught, what it costs.

The page works the same out in the browser (page/front/operating_point.js); a test compares the two.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from euinet.answers import FloatArray
from euinet.errors import UsageError
from euinet.judging.record import KNOWN, TestRecord
from euinet.judging.share import Share
from euinet.model.conformal import Calibration, check_alpha, check_enough

LARGEST_ALPHA = 0.49
PER = 1000  # images that a cost is told for


@dataclass(frozen=True)
class ClassPoint:
    """What happens to the known test images of one class."""

    name: str
    rejected: Share
    right: Share  # of those accepted, the ones given their own class


@dataclass(frozen=True)
class OperatingPoint:
    """What happens to the test images at one alpha."""

    alpha: float
    thresholds: FloatArray  # (K,) of the `ood_score`
    coverage: Share  # known images accepted
    accuracy: Share  # of those, the ones given their own class
    rejected: dict[str, Share]  # of each unknown group, by its name
    per_class: tuple[ClassPoint, ...]

    def to_plain(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "alpha": self.alpha,
            "thresholds": [float(threshold) for threshold in self.thresholds],
            "coverage": self.coverage.to_plain(),
            "accuracy": self.accuracy.to_plain(),
            "rejected": {name: share.to_plain() for name, share in self.rejected.items()},
            "per_class": [
                {"name": row.name, "rejected": row.rejected.to_plain(), "right": row.right.to_plain()}
                for row in self.per_class
            ],
        }


@dataclass(frozen=True)
class Costs:
    """What each kind of error costs, in any one unit, 0 or more."""

    wrong_answer: float = 5.0  # a known image accepted as another class
    rejected_known: float = 1.0
    accepted_unknown: float = 10.0
    unknown_share: float = 0.1  # of the images that will come, 0 … 1

    def __post_init__(self) -> None:
        values = (self.wrong_answer, self.rejected_known, self.accepted_unknown)
        if not all(0 <= value < float("inf") for value in values):
            raise UsageError(f"The costs are {values}, but each must be a number from 0.")
        if not 0 <= self.unknown_share <= 1:
            raise UsageError(f"The share of unknowns is {self.unknown_share}, but must lie between 0 and 1.")


def basis(record: TestRecord, calibration: Calibration | None) -> Calibration:
    """Return whose scores set the thresholds: the calibration's, else those of the known test images.

    The latter promise nothing: they set the share of themselves that is rejected.
    """
    if calibration is not None:
        return calibration
    return Calibration(record.ood_score[record.known], record.best_class[record.known])


def operating_point(
    record: TestRecord, calibration: Calibration | None, alpha: float, *, per_class: bool | None = None
) -> OperatingPoint:
    """Return what happens at `alpha`, with the calibration's own kind of thresholds unless told otherwise.

    Raises UsageError when alpha is out of range or the images are too few for it.
    """
    alpha = check_alpha(alpha)
    by = basis(record, calibration)
    at = Calibration(by.scores, by.answers, alpha, by.per_class if per_class is None else per_class)
    check_enough(at, record.class_names)
    thresholds = at.thresholds(len(record.class_names))
    rejected = record.at(thresholds)
    known = record.of_group(KNOWN)
    accepted = ~rejected[known]
    true, right = record.true_class[known], (record.best_class == record.true_class)[known]
    rows = tuple(
        ClassPoint(name, Share.of(~accepted[true == k]), Share.of(right[accepted & (true == k)]))
        for k, name in enumerate(record.class_names)
    )
    return OperatingPoint(
        alpha=alpha,
        thresholds=thresholds,
        coverage=Share.of(accepted),
        accuracy=Share.of(right[accepted]),
        rejected={g.name: Share.of(rejected[record.of_group(g.name)]) for g in record.groups[1:]},
        per_class=rows,
    )


def expected_cost(point: OperatingPoint, costs: Costs, unknowns: Sequence[str] | None = None) -> float | None:
    """Return the expected cost of PER images.

    1000 · ((1 − u) · (c_reject · P(rejected | known) + c_wrong · P(accepted, wrong | known))
    + u · c_accept · P(accepted | unknown)), u the share of unknowns. Those that will come are like the test
    groups named (default: all), each as likely as another. None where the record cannot tell.
    """
    names = list(point.rejected) if unknowns is None else list(unknowns)
    known = point.coverage.total
    caught = [point.rejected[name].value for name in names]
    u = costs.unknown_share
    if (not known and u < 1) or ((not caught or None in caught) and u > 0):
        return None
    of_known = of_unknown = 0.0
    if known:
        wrong = point.accuracy.total - point.accuracy.count
        rejected = known - point.coverage.count
        of_known = (costs.rejected_known * rejected + costs.wrong_answer * wrong) / known
    if caught:
        missed = sum(1 - share for share in caught if share is not None) / len(caught)
        of_unknown = costs.accepted_unknown * missed
    return PER * ((1 - u) * of_known + u * of_unknown)


def alpha_grid(images: int) -> tuple[float, ...]:
    """Return the alphas of two digits, ascending, that so many calibration images can promise."""
    found = []
    for exponent in range(-8, -1):
        for digits in range(10, 100):
            exact = Fraction(digits) * Fraction(10) ** exponent
            if exact * (images + 1) >= 1 and exact <= Fraction(str(LARGEST_ALPHA)):
                found.append(float(f"{digits}e{exponent}"))
    return tuple(found)


def fewest(by: Calibration, classes: int) -> int:
    """Return how many calibration images the threshold with the fewest has."""
    return int(np.bincount(by.answers, minlength=classes).min()) if by.per_class else len(by)


def least_cost(
    record: TestRecord, calibration: Calibration | None, costs: Costs, unknowns: Sequence[str] | None = None
) -> tuple[float, float] | None:
    """Return the alpha of the grid that costs least, the smallest where several do, and its cost."""
    best: tuple[float, float] | None = None
    for alpha in alpha_grid(fewest(basis(record, calibration), len(record.class_names))):
        cost = expected_cost(operating_point(record, calibration, alpha), costs, unknowns)
        if cost is not None and (best is None or cost < best[1]):
            best = (alpha, cost)
    return best
