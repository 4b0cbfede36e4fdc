"""What each part counts for in the decision: logistic regression between known and held-out known classes.

No unknown image has a say. Weights are not below 0, and shrunk towards each other: with ten classes the
folds tell little more than which part says nothing.
"""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize  # type: ignore[import-untyped]

from euinet.answers import FloatArray
from euinet.foresight.folds import Fold

SHRINK = 0.03  # penalty on the squared differences of the weights from their mean
LEAST = 0.1  # share of the best logit: it is what the softmax compares


def part_weights(folds: Sequence[Fold]) -> FloatArray:
    """Return weights (P,) of sum 1, minus the best logit's first, for parts as the folds have them.

    Each class held out counts alike, and known as much as unknown.
    """
    parts = np.concatenate([part for fold in folds for part in (fold.known, fold.unknown)])
    sizes = [(len(fold.known), len(fold.unknown)) for fold in folds]
    strange = np.concatenate([np.repeat([0.0, 1.0], pair) for pair in sizes])
    shares = np.concatenate([np.repeat(0.5 / len(folds) / np.maximum(pair, 1), pair) for pair in sizes])
    inputs = np.column_stack([parts, np.ones(len(parts))])
    count = parts.shape[1]

    def loss(solution: FloatArray) -> tuple[float, FloatArray]:
        margin = inputs @ solution
        differences = solution[:-1] - solution[:-1].mean()
        value = shares @ (np.logaddexp(0, margin) - strange * margin) + SHRINK * differences @ differences
        slope = inputs.T @ (shares * (1 / (1 + np.exp(-margin)) - strange))
        slope[:-1] += 2 * SHRINK * differences
        return float(value), slope

    start = np.append(np.full(count, 0.3), 0.0)
    bounds = [(0, None)] * count + [(None, None)]
    solved = minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B").x[:-1]
    if not solved.sum() > 0:  # nothing tells a held-out class from known ones
        return np.full(count, 1 / count)
    shared: FloatArray = solved / solved.sum()
    shared[0] = max(shared[0], LEAST)
    shared /= shared.sum()
    return shared
