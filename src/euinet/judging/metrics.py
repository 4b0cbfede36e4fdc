"""The measures, each under the name it has everywhere (OOD is the positive class)."""

from __future__ import annotations

import numpy as np
import torch

from euinet.records import REJECT, FloatArray, IntArray


def detection_metrics(ood_score: FloatArray, labels: IntArray) -> dict[str, float]:
    """Return threshold-free measures of `ood_score` (N,) for labels (N,), negative = unknown; fractions.

    `auroc`; `fpr95`, the share of known images flagged at the first threshold that catches 95 % of the
    unknown ones; `aupr_in` and `aupr_out`, with known and unknown images as the positive class.
    Computed by pytorch-ood. Raises ValueError without known or without unknown images.
    """
    from pytorch_ood.metrics import functional

    scores, truth = torch.from_numpy(ood_score), torch.from_numpy(labels)
    return {
        "auroc": float(functional.auroc(scores, truth)),
        "fpr95": float(functional.fpr_at_tpr(scores, truth, tpr=0.95)),
        "aupr_in": float(functional.aupr(scores, truth, positive="id")),
        "aupr_out": float(functional.aupr(scores, truth, positive="ood")),
    }


def oscr(ood_score: FloatArray, classifier_labels: IntArray, labels: IntArray) -> float:
    """Return the area under correct-classification rate against the share of unknowns accepted."""
    from pytorch_ood.metrics import functional

    return float(
        functional.oscr_score(*(torch.from_numpy(a) for a in (ood_score, classifier_labels, labels)))
    )


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
