from __future__ import annotations

import math

import pytest
import torch

from euinet.training.objectives import (
    EuiNetLosses,
    class_losses,
    euinet_losses,
    feature_matching_loss,
    gan_discriminator_loss,
    generator_loss,
    log1m_exp,
)

# One image, K = 3, logits 2, 0, −1:
# softmax 0.843795, 0.114195, 0.042010; sigmoid 0.880797, 0.5, 0.268941.
LOGITS = torch.tensor([[2.0, 0.0, -1.0]])
ONE_HOT, SOFT = [1.0, 0.0, 0.0], [0.7, 0.3, 0.0]
QUARTER, HALF, THREE_QUARTERS = -math.log(3), 0.0, math.log(3)  # logits of these probabilities


@pytest.mark.parametrize(
    ("kind", "targets", "by_hand"),
    [
        # −log 0.843795
        ("cross_entropy", ONE_HOT, 0.169846),
        # −0.7·log 0.843795 − 0.3·log 0.114195
        ("cross_entropy", SOFT, 0.769846),
        # −log 0.843795 − log(1 − 0.114195) − log(1 − 0.042010)
        ("softmax_binary", ONE_HOT, 0.334023),
        # 0.7: −0.7·log 0.843795 − 0.3·log(1 − 0.843795); 0.3 likewise; − log(1 − 0.042010)
        ("softmax_binary", SOFT, 1.454620),
        # −log 0.880797 − log(1 − 0.5) − log(1 − 0.268941)
        ("sigmoid_binary", ONE_HOT, 1.133337),
        ("sigmoid_binary", SOFT, 1.733337),
    ],
)
def test_eq2_class_part_by_hand(kind: str, targets: list[float], by_hand: float) -> None:
    assert class_losses(LOGITS, torch.tensor([targets]), kind).item() == pytest.approx(by_hand, abs=1e-5)


@pytest.mark.parametrize("kind", ["cross_entropy", "softmax_binary", "sigmoid_binary"])
def test_eq2_class_part_is_a_mean_over_images(kind: str) -> None:
    logits, targets = torch.cat([LOGITS, -LOGITS]), torch.tensor([ONE_HOT, SOFT])
    each = [class_losses(logits[i : i + 1], targets[i : i + 1], kind).item() for i in (0, 1)]
    assert class_losses(logits, targets, kind).item() == pytest.approx(sum(each) / 2)


def test_eq2_discriminator_part_wants_0_for_real_and_1_for_fake() -> None:
    losses = euinet_losses(
        LOGITS,
        torch.tensor([ONE_HOT]),
        torch.tensor([QUARTER]),  # d̂_r = 1/4
        torch.tensor([HALF, THREE_QUARTERS]),  # d̂_f = 1/2, 3/4
        "cross_entropy",
    )
    assert losses.disc_real_loss.item() == pytest.approx(-math.log(1 - 1 / 4))
    assert losses.disc_fake_loss.item() == pytest.approx(-(math.log(1 / 2) + math.log(3 / 4)) / 2)
    assert losses.total.item() == pytest.approx(0.169846 + 0.287682 + 0.490415, abs=1e-5)


def test_the_objective_is_the_sum_of_the_three() -> None:
    assert EuiNetLosses(*torch.tensor([1.0, 20.0, 300.0])).total == 321


def test_log1m_exp_is_right_at_both_ends() -> None:
    # 1 − e^(−10⁻³) ≈ 10⁻³; 1 − e^(−20) ≈ 1, so that the log is −e^(−20); and where the forms meet
    points = torch.tensor([-1e-6, -1e-3, -0.6931, -0.6932, -20.0, -90.0])
    exact = [math.log(-math.expm1(x)) if x > -1 else math.log1p(-math.exp(x)) for x in points.tolist()]
    torch.testing.assert_close(log1m_exp(points), torch.tensor(exact), rtol=1e-5, atol=0)


def test_log1m_exp_and_its_gradient_stay_finite() -> None:
    points = torch.tensor([0.0, -1e-30, -1e-7, -0.6931, -100.0, -1e4], requires_grad=True)
    values = log1m_exp(points)
    values.sum().backward()
    assert values[0].item() == pytest.approx(math.log(1e-7), rel=1e-3)
    assert points.grad is not None
    assert values.isfinite().all()
    assert points.grad.isfinite().all()


def test_eq2_by_the_letter_stays_finite_for_a_wrong_and_certain_classifier() -> None:
    logits = torch.tensor([[300.0, 0.0, 0.0]], requires_grad=True)
    loss = class_losses(logits, torch.tensor([[0.0, 1.0, 0.0]]), "softmax_binary")
    loss.backward()
    assert logits.grad is not None
    assert loss.isfinite()
    assert logits.grad.isfinite().all()
    assert logits.grad[0, 1] < 0  # and still raises the right class


def test_eq3_both_players_by_hand() -> None:
    real, fake = torch.tensor([THREE_QUARTERS]), torch.tensor([HALF, QUARTER])
    # D(x) = 3/4; D(G(z)) = 1/2, 1/4
    by_hand = -math.log(3 / 4) - (math.log(1 - 1 / 2) + math.log(1 - 1 / 4)) / 2
    assert gan_discriminator_loss(real, fake).item() == pytest.approx(by_hand)
    assert generator_loss(fake).item() == pytest.approx(-(math.log(1 / 2) + math.log(1 / 4)) / 2)


def test_feature_matching_compares_means() -> None:
    real = torch.tensor([[0.0, 1.0], [2.0, 3.0]])  # mean 1, 2
    fake = torch.tensor([[-5.0, 4.0], [5.0, 4.0], [0.0, 4.0]])  # mean 0, 4
    assert feature_matching_loss(real, fake).item() == pytest.approx((1 + 4) / 2)
    assert feature_matching_loss(real, real.flip(0)).item() == 0
