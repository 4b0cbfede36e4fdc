"""What the decision will catch, by the known classes that were held out in turn: an estimate, no promise."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from euinet.answers import FloatArray
from euinet.foresight.folds import Fold
from euinet.foresight.weights import part_weights

ALPHAS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3)  # where the estimate is kept


@dataclass(frozen=True)
class Scored:
    """A class that was held out, scored by weights that it had no part in; higher = stranger."""

    label: int
    known: FloatArray  # (N,)
    unknown: FloatArray  # (M,)

    def auroc(self) -> float:
        """Return the probability that an unknown image has the higher score."""
        ordered = np.sort(self.known)
        below, not_above = (np.searchsorted(ordered, self.unknown, side) for side in ("left", "right"))
        return float((below + not_above).mean() / 2 / len(ordered))

    def caught(self, alpha: float) -> float:
        """Return the share of unknown images above what `alpha` of the known ones lie above."""
        return float((self.unknown > np.quantile(self.known, 1 - alpha)).mean())


def scored_folds(folds: Sequence[Fold]) -> list[Scored]:
    """Return each fold scored by the weights that the other folds give."""
    found = []
    for fold in folds:
        weights = part_weights([other for other in folds if other.label != fold.label])
        found.append(Scored(fold.label, fold.known @ weights, fold.unknown @ weights))
    return found
