"""The operating curve: what is kept, how right that is and what is caught, for every promise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from euinet.answers import FloatArray
from euinet.card.groups import AnsweredGroup
from euinet.card.promise import least_alpha
from euinet.judging.share import Share
from euinet.model.conformal import Calibration, p_values, smallest_alpha

LARGEST = 0.3
STEPS = 40
TABLE_LEVELS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)


@dataclass(frozen=True)
class CurvePoint:
    """What happens at one level: α, or the share of known test images that is to be rejected."""

    level: float
    accepted: Share  # of the known images
    right: Share  # of these, those in their own class
    rejected: dict[str, Share]  # of each unknown group, by its name


@dataclass(frozen=True)
class Curve:
    """The operating curve and a few of its rows."""

    basis: Literal["calibration", "test"]  # whose scores set the thresholds
    least: float
    points: tuple[CurvePoint, ...]  # none where the images allow no level below LARGEST
    rows: tuple[CurvePoint, ...]  # for the table


def operating_curve(
    calibration: Calibration | None, known: AnsweredGroup, unknown: Sequence[AnsweredGroup]
) -> Curve:
    """Return the curve from the least level that the images allow up to LARGEST.

    Without calibration scores the known test images set the thresholds themselves: the level is then the
    share of them that is rejected, and no promise.
    """
    if calibration is None:
        scores = known.answers.ood_score
        least = smallest_alpha(len(scores))
        found = [p_values(scores, judged.answers.ood_score) for judged in (known, *unknown)]
    else:
        least = least_alpha(calibration)
        found = [_p(judged) for judged in (known, *unknown)]

    def at(level: float) -> CurvePoint:
        accepted = found[0] > level
        return CurvePoint(
            level=level,
            accepted=Share.of(accepted),
            right=Share.of(known.own_class[accepted]),
            rejected={j.group.name: Share.of(p <= level) for j, p in zip(unknown, found[1:], strict=True)},
        )

    levels = np.geomspace(least, LARGEST, STEPS).tolist() if least < LARGEST else []
    table = {level for level in TABLE_LEVELS if level >= least}
    if calibration is not None and calibration.alpha is not None:
        table.add(calibration.alpha)
    return Curve(
        basis="test" if calibration is None else "calibration",
        least=least,
        points=tuple(map(at, levels)),
        rows=tuple(map(at, sorted(table))),
    )


def _p(judged: AnsweredGroup) -> FloatArray:
    if judged.answers.p_value is None:
        raise ValueError("answers of a calibrated model have p-values")
    return judged.answers.p_value
