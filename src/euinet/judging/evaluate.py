"""What a decision is worth: its measures on known, unknown and far images, as plain values. No torch."""

from collections.abc import Mapping, Sequence

import numpy as np

from euinet.answers import FloatArray, IntArray
from euinet.data.far.sets import FarSet
from euinet.judging.metrics import closed_set_accuracy, detection_metrics, id_accuracy, ood_accuracy, oscr
from euinet.records import Decision, DetectorResult, unknown_label


def decision_metrics(decision: Decision, labels: IntArray) -> dict[str, float | int | None]:
    """Return the measures of EuiNet's decision on test labels (N,), negative = unknown; fractions.

    Those that need unknown images are None where there are none.
    """
    measures: dict[str, float | int | None] = {
        "n_id": int((labels >= 0).sum()),
        "n_ood": int((labels < 0).sum()),
        "id_accuracy": id_accuracy(decision.labels, labels),
        "known_rejected": ood_accuracy(decision.labels[labels >= 0], np.full((labels >= 0).sum(), -1)),
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


def near_metrics(
    decision: Decision, labels: IntArray, unknown: Mapping[int, str]
) -> dict[str, dict[str, float | int]]:
    """Return by name what `far_decision_metrics` does for each unknown class with test images.

    `unknown`: the classes' numbers in the data set, and their names.
    """
    known, found = labels >= 0, {}
    for number, name in unknown.items():
        if (own := labels == unknown_label(number)).any():
            chosen = known | own
            found[name] = _apart(decision.ood_score[chosen], decision.labels[chosen], labels[chosen])
    return found


def far_decision_metrics(
    decision: Decision, known_scores: FloatArray, far: FarSet
) -> dict[str, float | int | str]:
    """Return auroc, fpr95, the share rejected, the count and, if there is one, the remark of a far set.

    `decision` is a model's for the far set's images, `known_scores` (N,) the `ood_score` of the known test
    images that they are told apart from.
    """
    scores = np.concatenate([known_scores, decision.ood_score])
    labels = np.concatenate([np.zeros(len(known_scores), np.int64), np.full(len(far.images), -1, np.int64)])
    decided = np.concatenate([np.zeros(len(known_scores), np.int64), decision.labels])
    return _apart(scores, decided, labels) | ({"remark": far.remark} if far.remark else {})


def _apart(ood_score: FloatArray, decided: IntArray, labels: IntArray) -> dict[str, float | int]:
    measures = detection_metrics(ood_score, labels)
    return {
        "auroc": measures["auroc"],
        "fpr95": measures["fpr95"],
        "ood_accuracy": ood_accuracy(decided, labels),
        "n_ood": int((labels < 0).sum()),
    }


def detector_table(detectors: Sequence[DetectorResult]) -> dict[str, dict[str, float]]:
    """Return the detectors' measures as plain values, for metrics.json."""
    keys = ("auroc", "fpr95", "id_accuracy", "ood_accuracy", "threshold")
    return {d.name: {key: float(getattr(d, key)) for key in keys} for d in detectors}
