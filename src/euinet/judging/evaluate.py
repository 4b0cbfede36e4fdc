"""What a decision is worth: its measures on known, unknown and far images, as plain values. No torch."""

from collections.abc import Sequence

import numpy as np

from euinet.answers import FloatArray, IntArray
from euinet.data.far.sets import FarSet
from euinet.judging.metrics import closed_set_accuracy, detection_metrics, id_accuracy, ood_accuracy, oscr
from euinet.records import Decision, DetectorResult


def decision_metrics(decision: Decision, labels: IntArray) -> dict[str, float | int | None]:
    """Return the measures of EuiNet's decision on test labels (N,), negative = unknown; fractions.

    Those that need unknown images are None where there are none.
    """
    measures: dict[str, float | int | None] = {
        "n_id": int((labels >= 0).sum()),
        "n_ood": int((labels < 0).sum()),
        "id_accuracy": id_accuracy(decision.labels, labels),
        "closed_set_accuracy": closed_set_accuracy(decision.classifier_labels, labels),
    }
    if measures["n_ood"] == 0:
        return measures | dict.fromkeys(("ood_accuracy", "auroc", "fpr95", "aupr_in", "aupr_out", "oscr"))
    return (
        measures
        | {"ood_accuracy": ood_accuracy(decision.labels, labels)}
        | detection_metrics(decision.ood_score, labels)
        | {"oscr": oscr(decision.ood_score, decision.classifier_labels, labels)}
    )


def far_decision_metrics(
    decision: Decision, known_scores: FloatArray, far: FarSet
) -> dict[str, float | int | str]:
    """Return auroc, fpr95, the share rejected, the count and, if there is one, the remark of a far set.

    `decision` is a model's for the far set's images, `known_scores` (N,) the `ood_score` of the known test
    images that they are told apart from.
    """
    scores = np.concatenate([known_scores, decision.ood_score])
    labels = np.concatenate([np.zeros(len(known_scores), np.int64), np.full(len(far.images), -1, np.int64)])
    measures = detection_metrics(scores, labels)
    found: dict[str, float | int | str] = {
        "auroc": measures["auroc"],
        "fpr95": measures["fpr95"],
        "ood_accuracy": ood_accuracy(decision.labels, labels[len(known_scores) :]),
        "n_ood": len(far.images),
    }
    return found | ({"remark": far.remark} if far.remark else {})


def detector_table(detectors: Sequence[DetectorResult]) -> dict[str, dict[str, float]]:
    """Return the detectors' measures as plain values, for metrics.json."""
    keys = ("auroc", "fpr95", "id_accuracy", "ood_accuracy", "threshold")
    return {d.name: {key: float(getattr(d, key)) for key in keys} for d in detectors}
