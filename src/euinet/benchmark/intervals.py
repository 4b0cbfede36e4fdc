"""Means over seeds with the interval that so few of them allow, and how they are written."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Interval:
    """A mean over seeds and half the width of its 95 % interval."""

    mean: float
    half_width: float | None  # None with one seed: nothing is known of the spread
    count: int  # seeds

    @property
    def side(self) -> int:
        """1 where the whole interval lies above 0, −1 where below, 0 where neither is shown."""
        if self.half_width is None or abs(self.mean) <= self.half_width:
            return 0
        return 1 if self.mean > 0 else -1


def interval(values: Sequence[float]) -> Interval:
    """Return the mean of n values, one a seed, and t · s / √n by Student's t with n − 1 degrees of freedom.

    It covers what another seed (weights, batches, the parts of the known images) would change, with the
    data set as it is; not what other test images would. Raises ValueError without values.
    """
    if not values:
        raise ValueError("an interval needs at least one value")
    count = len(values)
    if count == 1:
        return Interval(values[0], None, 1)
    from scipy.special import stdtrit  # type: ignore[import-untyped]

    quantile = float(stdtrit(count - 1, (1 + CONFIDENCE) / 2))
    return Interval(statistics.fmean(values), quantile * statistics.stdev(values) / math.sqrt(count), count)


def paired_difference(first: Sequence[float], second: Sequence[float]) -> Interval:
    """Return the interval of first − second, seed by seed: what both owe to the seed cancels out."""
    return interval([a - b for a, b in zip(first, second, strict=True)])


def number(value: Interval | float) -> str:
    """Return "0.9712 ± 0.0031", or the mean alone where there is no interval."""
    if isinstance(value, float):
        return f"{value:.4f}"
    return f"{value.mean:.4f}" + ("" if value.half_width is None else f" ± {value.half_width:.4f}")


def signed(value: Interval) -> str:
    """Return a difference with its sign, "+0.0031 ± 0.0012"."""
    return ("" if value.mean < 0 else "+") + number(value).replace("-", "−")
