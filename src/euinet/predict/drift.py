"""Is the world still as it was? The p-values of known images are uniform while it is.

One test, one-sided: do the p-values of a batch lie lower than those of images like the calibration images
would? No torch, and no scipy, which costs half a second at the start of a command.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from euinet.answers import FloatArray

ALARM = 0.001  # one false alarm in a thousand batches
FEWEST = 20  # images for a test to say anything


@dataclass(frozen=True)
class Drift:
    """What the p-values of N images say of the world that they come from."""

    images: int
    rejected_share: float
    alpha: float | None  # promised
    ks_statistic: float  # largest excess of the p-values' distribution over the calibration images' own
    ks_p_value: float
    drifted: bool  # ks_p_value below ALARM

    def to_plain(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    def sentence(self) -> str:
        """Return what a person should know."""
        start = f"{self.rejected_share:.1%} of {self.images} images were rejected"
        promise = "" if self.alpha is None else f" ({self.alpha:.1%} of known ones may be)"
        if self.images < FEWEST:
            return f"{start}{promise}; fewer than {FEWEST} tell nothing of drift."
        if self.drifted:
            return (
                f"{start}{promise}. DRIFT: their p-values lie too low for images like those that the model "
                f"was calibrated with (p = {self.ks_p_value:.1g})."
            )
        return f"{start}{promise}; no sign of drift (p = {self.ks_p_value:.2g})."


class PValueCounts:
    """How often each p-value occurred: all that the test needs, in memory that does not grow with the images.

    p-values come in steps, k/(n+1), so there are at most n + K different ones for K classes. They are counted
    as float32.
    """

    def __init__(self, counts: Mapping[float, int] | None = None) -> None:
        self._counts = Counter(counts or {})

    def add(self, p_values: FloatArray) -> None:
        """Count p-values (N,)."""
        values, counts = np.unique(p_values.astype(np.float32), return_counts=True)
        for value, count in zip(values.tolist(), counts.tolist(), strict=True):
            self._counts[value] += count

    def merge(self, other: PValueCounts) -> None:
        """Take in what another counted."""
        self._counts.update(other._counts)

    def ordered(self) -> tuple[FloatArray, npt.NDArray[np.int64]]:
        """Return the different p-values, ascending float32, and how often each occurred, both (steps,)."""
        pairs = sorted(self._counts.items())
        return (
            np.array([value for value, _ in pairs], np.float32),
            np.array([count for _, count in pairs], np.int64),
        )

    def to_plain(self) -> list[tuple[float, int]]:
        """Return plain values for JSON."""
        return sorted(self._counts.items())

    @staticmethod
    def from_plain(pairs: Sequence[Sequence[float]]) -> PValueCounts:
        """Return what `to_plain` wrote."""
        return PValueCounts({float(value): int(count) for value, count in pairs})


def measure_drift(
    p_values: PValueCounts, rejected: int, alpha: float | None, calibration_images: int
) -> Drift:
    """Return the one-sided two-sample Kolmogorov–Smirnov test of N p-values from n calibration images.

    The p-values come in steps of 1/(n+1) and share their n calibration images, so N of them are no sample
    from an exact uniform: the test is between the N images and the n, with N·n/(N+n) in the place of N.
    """
    steps, counts = p_values.ordered()
    count = int(counts.sum())
    # a p-value of k/(n+1) says that k − 1 of n calibration images look at least as odd
    uniform = (np.round(steps * (calibration_images + 1)) - 1) / max(calibration_images, 1)
    below = np.cumsum(counts) / max(count, 1)
    statistic = float((below - uniform).max(initial=0))
    effective = count * calibration_images / max(count + calibration_images, 1)
    ks_p_value = math.exp(-2 * effective * statistic**2) if count >= FEWEST else 1.0
    return Drift(
        images=count,
        rejected_share=rejected / count if count else 0.0,
        alpha=alpha,
        ks_statistic=statistic,
        ks_p_value=ks_p_value,
        drifted=ks_p_value < ALARM,
    )
