"""p-values of known test images beside what the promise lets one expect, at several levels."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from euinet.answers import FloatArray, IntArray
from euinet.judging.promise import FalseRejects, expected_rejections
from euinet.judging.share import Share
from euinet.model.conformal import Calibration, smallest_alpha

ALPHAS = (0.001, 0.01, 0.05, 0.1)
BINS = 20


@dataclass(frozen=True)
class CalibrationCheck:
    """p-values of known test images beside the uniform ones that the promise needs."""

    calibration_images: int
    per_class: bool
    ks_statistic: float
    ks_p_value: float  # of calibration and test scores being drawn alike
    histogram: tuple[Share, ...]  # of p in (i/B, (i+1)/B]
    uniform: tuple[float, ...]  # the share that each of those would have
    rows: tuple[FalseRejects, ...]  # at ALPHAS


def check_calibration(
    calibration: Calibration, p_value: FloatArray, ood_score: FloatArray
) -> CalibrationCheck:
    """Return the check for the p-values and scores (N,) of known test images.

    The two-sample Kolmogorov–Smirnov test compares the scores of calibration and test images: p-values can
    be no more uniform than so few calibration images make them, which a one-sample test would not allow for.
    """
    from scipy.stats import ks_2samp  # type: ignore[import-untyped]

    few = max(len(calibration), len(ood_score)) <= 200
    found = ks_2samp(calibration.scores, ood_score, method="exact" if few else "asymp")
    least = least_alpha(calibration)
    bins = min(BINS, len(calibration) + 1)
    counts = np.bincount(_bin(p_value, bins), minlength=bins)
    return CalibrationCheck(
        calibration_images=len(calibration),
        per_class=calibration.per_class,
        ks_statistic=float(found.statistic),
        ks_p_value=float(found.pvalue),
        histogram=tuple(Share(int(count), len(p_value)) for count in counts),
        uniform=_uniform(calibration, bins),
        rows=tuple(false_rejects(calibration, p_value, alpha, least) for alpha in ALPHAS),
    )


def false_rejects(
    calibration: Calibration, p_value: FloatArray, alpha: float, least: float | None = None
) -> FalseRejects:
    """Return how many of the known test images with p-values (N,) are rejected at α.

    `least`: the least α that the calibration images allow, where it is known already.
    """
    if alpha < (least_alpha(calibration) if least is None else least):
        return FalseRejects(alpha, None, None)
    expected = None
    if not calibration.per_class:
        expected = expected_rejections(alpha, len(calibration), len(p_value))
    return FalseRejects(alpha, Share.of(p_value <= alpha), expected)


def least_alpha(calibration: Calibration) -> float:
    """Return the least α that the calibration images allow for every threshold, up to 1."""
    counts = [len(calibration)]
    if calibration.per_class and len(calibration):
        counts = np.bincount(calibration.answers).tolist()
    return smallest_alpha(min(counts))


def _bin(p_value: FloatArray, bins: int) -> IntArray:
    # p = k/(n+1) times bins may lie a rounding error above a whole number, which belongs to the bin below it
    at: IntArray = np.ceil(p_value * bins - 1e-9).astype(np.int64) - 1
    return at.clip(0, bins - 1)


def _uniform(calibration: Calibration, bins: int) -> tuple[float, ...]:
    """Return the share of each bin where every p = k/(n+1) is as likely as any other."""
    if calibration.per_class:
        return (1 / bins,) * bins
    steps = len(calibration) + 1
    edges = [at * steps // bins for at in range(bins + 1)]
    return tuple((high - low) / steps for low, high in pairwise(edges))
