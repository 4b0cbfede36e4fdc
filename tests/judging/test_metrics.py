from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as sk

from euinet.judging.metrics import (
    closed_set_accuracy,
    decide_at,
    detection_metrics,
    id_accuracy,
    ood_accuracy,
    oscr,
)
from euinet.records import REJECT, FloatArray, IntArray


def scores_with_ties(seed: int) -> tuple[FloatArray, IntArray]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(-3, 6, 500)
    scores = (rng.normal(size=500) + 1.5 * (labels < 0)).round(1)
    return scores.astype(np.float32), labels


@pytest.mark.parametrize("seed", range(5))
def test_as_scikit_learn_counts_with_ties(seed: int) -> None:
    scores, labels = scores_with_ties(seed)
    unknown = labels < 0
    found = detection_metrics(scores, labels)
    assert found["auroc"] == pytest.approx(sk.roc_auc_score(unknown, scores))
    precision, recall, _ = sk.precision_recall_curve(unknown, scores)
    assert found["aupr_out"] == pytest.approx(sk.auc(recall, precision))
    precision, recall, _ = sk.precision_recall_curve(~unknown, -scores)
    assert found["aupr_in"] == pytest.approx(sk.auc(recall, precision))
    # the share of known images flagged at the first threshold that catches 95 % of the unknown ones
    flagged, caught, _ = sk.roc_curve(unknown, scores, drop_intermediate=False)
    assert found["fpr95"] == flagged[np.argmax(caught >= 0.95)]


def test_negated_scores_are_told_apart() -> None:
    scores, labels = scores_with_ties(0)
    right, wrong = detection_metrics(scores, labels), detection_metrics(-scores, labels)
    assert right["auroc"] > 0.8
    assert wrong["auroc"] == pytest.approx(1 - right["auroc"])
    assert wrong["fpr95"] > 0.9 > right["fpr95"]
    assert wrong["aupr_out"] < right["aupr_out"]
    assert wrong["aupr_in"] < right["aupr_in"]


def test_scores_may_have_any_range() -> None:
    scores, labels = scores_with_ties(1)
    assert detection_metrics(1e-4 * scores - 7, labels)["auroc"] == pytest.approx(
        detection_metrics(scores, labels)["auroc"], abs=1e-2
    )
    assert detection_metrics(1000 * scores, labels) == detection_metrics(scores, labels)


def test_nothing_to_tell_apart_is_refused() -> None:
    with pytest.raises(ValueError, match="both positive and negative"):
        detection_metrics(np.zeros(3, np.float32), np.zeros(3, np.int64))


def test_oscr_by_hand() -> None:
    # Known: 0.1 right, 0.2 wrong, 0.4 right; unknown: 0.3, 0.5. As the threshold rises the share right
    # is 1/3 while the first half of the unknowns comes in, and 2/3 for the second.
    scores = np.array([0.1, 0.2, 0.4, 0.3, 0.5], np.float32)
    chosen, labels = np.array([0, 0, 2, 1, 1]), np.array([0, 1, 2, -1, -4])
    assert oscr(scores, chosen, labels) == pytest.approx(0.5 * 1 / 3 + 0.5 * 2 / 3)
    # a perfect detector reaches the closed-set accuracy
    assert oscr(np.array([0, 0, 0, 1, 1], np.float32), chosen, labels) == pytest.approx(2 / 3)
    assert oscr(-scores, chosen, labels) < 0.4


def test_accuracies_by_hand() -> None:
    labels = np.array([0, 1, 2, 2, -1, -1, -5])
    decided = np.array([0, 2, REJECT, 2, REJECT, 1, REJECT])
    # the held-out classes' own labels −1 and −5 are no class: only REJECT is right for them
    assert id_accuracy(decided, labels) == 2 / 4
    assert ood_accuracy(decided, labels) == 2 / 3
    assert closed_set_accuracy(np.array([0, 2, 2, 2, 0, 0, 0]), labels) == 3 / 4


def test_an_image_at_the_threshold_is_accepted() -> None:
    scores = np.array([0.1, 0.2, 0.3], np.float32)
    assert decide_at(scores, float(np.float32(0.2)), np.array([5, 6, 7])).tolist() == [5, 6, REJECT]
