from __future__ import annotations

import numpy as np
import pytest
import torch
from pytorch_ood.metrics import functional as theirs
from sklearn import metrics as sk

from euinet.answers import REJECT, FloatArray, IntArray
from euinet.judging.metrics import (
    closed_set_accuracy,
    decide_at,
    detection_metrics,
    id_accuracy,
    ood_accuracy,
    oscr,
)


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
    assert found["aupr_out"] == pytest.approx(sk.average_precision_score(unknown, scores))
    assert found["aupr_in"] == pytest.approx(sk.average_precision_score(~unknown, -scores))
    # the share of known images flagged at the first threshold that catches 95 % of the unknown ones
    flagged, caught, _ = sk.roc_curve(unknown, scores, drop_intermediate=False)
    assert found["fpr95"] == flagged[np.argmax(caught >= 0.95)]


@pytest.mark.parametrize("digits", [0, 1, 6])  # many ties, some, none
@pytest.mark.parametrize("seed", range(5))
def test_as_pytorch_ood_counts(seed: int, digits: int) -> None:
    rng = np.random.default_rng(seed)
    labels, chosen = rng.integers(-2, 4, 300), rng.integers(0, 4, 300)
    scores = (rng.normal(size=300) + (labels < 0)).round(digits).astype(np.float32)
    tensors = torch.from_numpy(scores), torch.from_numpy(labels)
    found = detection_metrics(scores, labels)
    assert found["auroc"] == pytest.approx(float(theirs.auroc(*tensors)))
    assert found["fpr95"] == float(theirs.fpr_at_tpr(*tensors, tpr=0.95))
    assert oscr(scores, chosen, labels) == pytest.approx(
        theirs.oscr_score(tensors[0], torch.from_numpy(chosen), tensors[1])
    )


def test_detection_by_hand() -> None:
    # From the highest score: unknown, known, unknown, and one of each together.
    scores, labels = np.array([4, 3, 2, 1, 1], np.float32), np.array([-1, 0, -1, -1, 0])
    found = detection_metrics(scores, labels)
    assert found["auroc"] == pytest.approx((2 + 1 + 0.5) / 6)  # of 6 pairs; a tie counts half
    assert found["fpr95"] == 1  # all three unknown images are caught only where all known ones are flagged
    # recall 1/3, 2/3, 1 at precisions 1/1, 2/3, 3/5
    assert found["aupr_out"] == pytest.approx((1 + 2 / 3 + 3 / 5) / 3)
    # from the lowest score: recall 1/2 at precision 1/2, then 1 at 2/4
    assert found["aupr_in"] == pytest.approx((1 / 2 + 2 / 4) / 2)


def test_scores_that_tell_nothing_are_worth_the_share_of_positives() -> None:
    """A trapezium from there to precision 1 at recall 0 would make 0.75 of the one half, 0.6 of the fifth."""
    found = detection_metrics(np.zeros(4, np.float32), np.array([0, 0, -1, -1]))
    assert found == {"auroc": 0.5, "fpr95": 1.0, "aupr_in": 0.5, "aupr_out": 0.5}
    few = detection_metrics(np.ones(5, np.float32), np.array([0, 1, 2, 3, -1]))
    assert (few["aupr_in"], few["aupr_out"]) == (0.8, 0.2)


def test_fpr95_is_read_at_the_first_threshold_that_catches_enough() -> None:
    # 20 unknown images score 1 … 20, and 0.95 of them are caught from 2 on: 3 of the 4 known ones lie above
    scores = np.array([*range(1, 21), 1.5, 2.5, 7.5, 30], np.float32)
    labels = np.array([-1] * 20 + [0] * 4)
    assert detection_metrics(scores, labels)["fpr95"] == 3 / 4


def test_a_score_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="1 of the 3 scores are NaN"):
        detection_metrics(np.array([0, np.nan, 1], np.float32), np.array([0, 0, -1]))


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
    for label in (0, -1):
        labels = np.full(3, label)
        with pytest.raises(ValueError, match="there must be known images and unknown ones"):
            detection_metrics(np.zeros(3, np.float32), labels)
        with pytest.raises(ValueError, match="there must be known images and unknown ones"):
            oscr(np.zeros(3, np.float32), np.zeros(3, np.int64), labels)


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
