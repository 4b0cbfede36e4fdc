from __future__ import annotations

import math

import pytest
import torch

from euinet.answers import REJECT
from euinet.scoring.joint import active_threshold, apply_temperature, decide, joint_ood_score, joint_scores


def test_the_reports_temperature_multiplies_as_odins_divides() -> None:
    logits = torch.tensor([[2.0, -4000.0]])
    assert apply_temperature(logits, 1e-3, "multiply").tolist() == [pytest.approx([0.002, -4.0])]
    assert apply_temperature(logits, 1e-3, "divide").tolist() == [pytest.approx([2000.0, -4_000_000.0])]
    torch.testing.assert_close(
        apply_temperature(logits, 1e-3, "multiply"), apply_temperature(logits, 1000, "divide")
    )


def test_eq4_runs_from_gamma_to_alpha_plus_gamma() -> None:
    h = torch.tensor([0.0, 0.5, 1.0])
    assert active_threshold(h.logit(), 0.004, 0.008).tolist() == pytest.approx([0.008, 0.010, 0.012])


def test_the_surprise_link_is_what_a_real_would_cost_the_discriminator() -> None:
    """s(h) = −log(1 − h): 0 for surely real, log 2 undecided, and no ceiling for surely fake."""
    threshold = active_threshold(torch.tensor([-50.0, 0.0, 80.0]), 2.0, 1.0, "surprise")
    assert threshold.tolist() == pytest.approx([1.0, 1 + 2 * math.log(2), 161.0])


def test_one_softmax_over_reject_and_the_classes() -> None:
    # K = 2; logits log 2 and log 3 beside a threshold of log 1: 1/6, 2/6, 3/6
    scores = joint_scores(torch.tensor([[math.log(2), math.log(3)]]), torch.tensor([0.0]))
    assert scores.shape == (1, 3)
    decision = decide(scores, torch.tensor([0.25]))
    assert decision.probabilities[0].tolist() == pytest.approx([1 / 6, 2 / 6, 3 / 6])
    assert decision.labels.tolist() == [1]
    assert decision.ood_score[0] == pytest.approx(-math.log(3))
    assert decision.disc_score.tolist() == [0.25]


def test_the_softmax_s_top_decides_and_a_tie_goes_to_the_class() -> None:
    scores = torch.tensor(
        [
            [0.010, 0.002, 0.011, 0.001],  # class 1 beats the threshold
            [0.012, 0.002, 0.011, 0.001],  # and here it does not
            [0.011, 0.002, 0.011, 0.001],  # tie: the class
            [0.000, 0.005, 0.001, 0.005],  # tie of classes: the first
            [-1.0, -3.0, -2.0, -1.5],  # below zero as well
        ]
    )
    decision = decide(scores, torch.zeros(5))
    assert decision.labels.tolist() == [1, REJECT, 1, 0, REJECT]
    assert decision.classifier_labels.tolist() == [1, 1, 1, 0, 2]
    assert decision.ood_score.tolist() == pytest.approx([-0.001, 0.001, 0, -0.005, 0.5], abs=1e-7)
    top = decision.probabilities.argmax(axis=1)
    assert ((top == 0) == (decision.ood_score >= 0)).all()


def test_a_surer_discriminator_and_a_weaker_class_raise_the_ood_score() -> None:
    def score(h: float, best: float) -> float:
        threshold = active_threshold(torch.tensor([h]), 0.004, 0.008)
        return joint_ood_score(joint_scores(torch.tensor([[best, 0.0]]), threshold)).item()

    assert score(0.9, 0.01) > score(0.1, 0.01)
    assert score(0.1, 0.005) > score(0.1, 0.01)


def test_probabilities_keep_the_digits_that_the_report_s_temperature_leaves() -> None:
    scores = torch.tensor([[0.008, 0.008001, 0.0, 0.0]])
    probabilities = decide(scores, torch.zeros(1)).probabilities[0].astype(float)
    assert probabilities[1] / probabilities[0] == pytest.approx(math.exp(1e-6), abs=3e-7)
    assert probabilities[1] > probabilities[0]


def test_each_best_class_has_its_own_threshold() -> None:
    """The `ood_score` stays; rejection and the reject column follow the threshold of the best class."""
    scores = torch.tensor([[1.0, 3.0, 0.0], [1.0, 0.0, 3.0], [4.0, 3.0, 0.0]])
    decision = decide(scores, torch.zeros(3), torch.tensor([-1.0, -3.0]))
    assert decision.ood_score.tolist() == [-2, -2, 1]
    assert decision.threshold.tolist() == [-1, -3, -1]
    assert decision.labels.tolist() == [0, REJECT, REJECT]
    assert decision.scores.tolist() == [[2, 3, 0], [4, 0, 3], [5, 3, 0]]
    assert decision.probabilities.argmax(axis=1).tolist() == [1, 0, 0]
