"""What a model is expected to catch: an estimate by its own classes, each held out in turn (foresight)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Expected:
    """Shares of each held-out known class that a model of the others rejects, for several α.

    No unknown image was seen. The decision that is kept knows all classes, so unknowns that are as near to
    these as they are to each other should fare alike; farther ones better, nearer ones worse.
    """

    alphas: tuple[float, ...]  # A shares of known images rejected, ascending
    classes: tuple[int, ...]  # C classes held out, places among the model's
    caught: tuple[tuple[float, ...], ...]  # C × A shares, 0 … 1
    auroc: tuple[float, ...]  # C, 0 … 1

    def __post_init__(self) -> None:
        shares = np.array(self.caught, float)
        counts = (len(self.classes), len(self.alphas))
        numbers = np.concatenate([shares.ravel(), self.alphas, self.auroc])
        if shares.shape != counts or 0 in counts or len(self.auroc) != counts[0]:
            raise ValueError(f"an estimate of {counts[0]} classes at {counts[1]} alphas has other shapes")
        if not (np.isfinite(numbers).all() and numbers.min() >= 0 and numbers.max() <= 1):
            raise ValueError("an estimate has shares that are not between 0 and 1")
        if list(self.alphas) != sorted(set(self.alphas)):
            raise ValueError("an estimate's alphas must ascend")

    def caught_at(self, alpha: float) -> float:
        """Return the mean over classes of the share caught at α, interpolated between those kept."""
        return float(np.mean(self.by_class(alpha)))

    def by_class(self, alpha: float) -> list[float]:
        """Return each held-out class's share caught at α, in the order of `classes`."""
        return [float(np.interp(alpha, self.alphas, shares)) for shares in self.caught]

    def metrics(self, names: Sequence[str], alpha: float) -> dict[str, Any]:
        """Return the estimate at α for metrics.json."""
        shares = {
            names[place]: round(share, 4)
            for place, share in zip(self.classes, self.by_class(alpha), strict=True)
        }
        return {
            "alpha": alpha,
            "caught": round(self.caught_at(alpha), 4),
            "by_class": shares,
            "auroc": round(float(np.mean(self.auroc)), 4),
            "sentence": self.sentence(names, alpha),
        }

    def sentence(self, names: Sequence[str], alpha: float) -> str:
        """Return the estimate at α in words, for a model with these class names."""
        shares = self.by_class(alpha)
        weakest = int(np.argmin(shares))
        caught, least = _percent(float(np.mean(shares))), _percent(shares[weakest])
        return (
            f"Expected to catch {caught} of unknowns as near as your own classes are to each other at alpha "
            f"{alpha:g} (weakest: {names[self.classes[weakest]]}, {least}): estimated by leaving out "
            f"{len(shares)} known classes in turn, not promised."
        )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
