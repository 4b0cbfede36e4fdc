"""The measures, each under the name it has everywhere. OOD is the positive class. Plain NumPy.

The curves have one point for each value that the scores take, so that images with equal scores enter
together: no order among them is made up.
"""

import numpy as np

from euinet.answers import REJECT, BoolArray, FloatArray, IntArray

CAUGHT = 0.95  # share of the unknown images that `fpr95` demands


def detection_metrics(ood_score: FloatArray, labels: IntArray) -> dict[str, float]:
    """Return threshold-free measures of `ood_score` (N,) for labels (N,), negative = unknown; fractions.

    `auroc`: how often an unknown image scores above a known one; a tie counts half. `fpr95`: the share of
    known images flagged at the first threshold that catches 95 % of the unknown ones. `aupr_out` and
    `aupr_in`: average precision with unknown and with known images as the positive class, Σ (Rᵢ − Rᵢ₋₁)·Pᵢ
    over the thresholds, R recall, P precision. It is no area of trapezia: of scores that are all the same it
    is the share of positives, where trapezia would give halfway from there to 1.
    Raises ValueError for scores that are NaN, and without known or without unknown images.
    """
    unknown = labels < 0
    _check_both(unknown)
    caught, flagged = _counts(ood_score, unknown, ~unknown)
    tpr, fpr = caught / caught[-1], flagged / flagged[-1]
    return {
        "auroc": float(np.trapezoid(tpr, fpr)),
        "fpr95": float(fpr[np.argmax(tpr >= CAUGHT)]),
        "aupr_in": _average_precision(*_counts(-ood_score, ~unknown, unknown)),
        "aupr_out": _average_precision(caught, flagged),
    }


def oscr(ood_score: FloatArray, classifier_labels: IntArray, labels: IntArray) -> float:
    """Return the area under correct-classification rate against the share of unknowns accepted.

    An image is accepted up to the threshold; where known and unknown images have equal scores, both rates
    change together, along a straight line. Raises ValueError as `detection_metrics`.
    Source: A. R. Dhamija et al., Reducing Network Agnostophobia, NeurIPS 2018.
    """
    known = labels >= 0
    _check_both(known)
    right, accepted = _counts(-ood_score, known & (classifier_labels == labels), ~known)
    return float(np.trapezoid(right / known.sum(), accepted / accepted[-1]))


def id_accuracy(decided: IntArray, labels: IntArray) -> float:
    """Return the share of known images that got their own label and were not rejected."""
    known = labels >= 0
    return float(np.mean(decided[known] == labels[known]))


def ood_accuracy(decided: IntArray, labels: IntArray) -> float:
    """Return the share of unknown images that were rejected."""
    return float(np.mean(decided[labels < 0] == REJECT))


def closed_set_accuracy(classifier_labels: IntArray, labels: IntArray) -> float:
    """Return the share of known images whose best class is their own, without the reject option."""
    return id_accuracy(classifier_labels, labels)


def decide_at(ood_score: FloatArray, threshold: float, classifier_labels: IntArray) -> IntArray:
    """Return the classifier's labels, with REJECT where `ood_score` exceeds `threshold`."""
    return np.where(ood_score > threshold, REJECT, classifier_labels)


def _check_both(mask: BoolArray) -> None:
    if mask.all() or not mask.any():
        raise ValueError("there must be known images and unknown ones: there is nothing to tell apart")


def _counts(score: FloatArray, *groups: BoolArray) -> tuple[IntArray, ...]:
    """Return how many of each group (N,) reach each threshold, from 0 at none to all at the lowest score.

    Thresholds are the values that `score` (N,) takes, highest first. Raises ValueError for NaN.
    """
    if np.isnan(score).any():
        raise ValueError(f"{int(np.isnan(score).sum())} of the {len(score)} scores are NaN")
    order = np.argsort(-score, kind="stable")
    ordered = score[order]
    ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
    return tuple(np.concatenate([[0], np.cumsum(group[order])[ends]]) for group in groups)


def _average_precision(right: IntArray, wrong: IntArray) -> float:
    """Return Σ (Rᵢ − Rᵢ₋₁)·Pᵢ of the positives and negatives that reach each threshold, as `_counts`."""
    precision = right[1:] / (right[1:] + wrong[1:])
    return float(np.sum(np.diff(right) / right[-1] * precision))
