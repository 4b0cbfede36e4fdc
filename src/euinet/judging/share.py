"""How many of how many images, and what other images of the same kind could have given."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from euinet.answers import BoolArray

Z_95 = 1.959964  # two-sided 95 % quantile of the normal distribution


@dataclass(frozen=True)
class Share:
    """`count` of `total` images."""

    count: int
    total: int

    @staticmethod
    def of(mask: BoolArray) -> Share:
        """Return the share of true entries of a mask (N,)."""
        return Share(int(np.count_nonzero(mask)), len(mask))

    @property
    def value(self) -> float | None:
        """The share, 0 … 1; None of no images."""
        return self.count / self.total if self.total else None

    @property
    def interval(self) -> tuple[float, float]:
        """Its 95 % interval, 0 … 1."""
        return wilson_interval(self.count, self.total)

    def to_plain(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"count": self.count, "total": self.total, "share": self.value}


def wilson_interval(right: float, total: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a proportion; (0, 1) without observations.

    Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22, 1927.
    """
    if total == 0:
        return 0.0, 1.0
    share, z2 = right / total, Z_95**2
    centre = (share + z2 / (2 * total)) / (1 + z2 / total)
    half = Z_95 * math.sqrt(share * (1 - share) / total + z2 / (4 * total**2)) / (1 + z2 / total)
    return max(centre - half, 0.0), min(centre + half, 1.0)
