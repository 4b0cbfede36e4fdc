"""An explanation's answer is predict's, and its parts are what that answer was made of."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from explain_settings import MEMORY, SIGN, STILL

from euinet.errors import UsageError
from euinet.explain import Explainer
from euinet.explain.plain import image_of, values_of
from euinet.networks import to_network_range
from euinet.scoring.inference import read_heads
from euinet.trained.model import TrainedModel

CASES = {
    "still, with a memory": ({**STILL, **MEMORY}, 1),
    "perturbed": (SIGN, 1),
    "perturbed, in colour": ({**SIGN, **MEMORY}, 3),
}


@pytest.fixture(scope="module", params=CASES)
def model(request: pytest.FixtureRequest, explained_model: Callable[..., TrainedModel]) -> TrainedModel:
    settings, channels = CASES[request.param]
    return explained_model(settings, channels=channels)


@pytest.fixture
def images(model: TrainedModel, random_images: Callable[..., torch.Tensor]) -> torch.Tensor:
    card = model.card
    return random_images(40, card.channels, card.image_size, card.image_size, seed=5)


def test_the_answer_is_that_of_predict(model: TrainedModel, images: torch.Tensor) -> None:
    found = Explainer(model).explain(images)
    wanted = [answer.to_plain() for answer in model.predict(images)]
    assert [one["answer"] for one in found] == wanted
    assert 0 < sum(one["answer"]["rejected"] for one in found) < len(found)


def test_threshold_logits_and_h_are_what_entered_the_softmax(
    model: TrainedModel, images: torch.Tensor
) -> None:
    decision = model.decide(images)
    for at, one in enumerate(Explainer(model).explain(images)):
        assert one["threshold"] == decision.scores[at, 0]
        assert list(one["logits"]) == list(model.card.class_names)
        assert list(one["logits"].values()) == decision.scores[at, 1:].tolist()
        assert one["disc_score"] == decision.disc_score[at]
        scores = np.array([one["threshold"], *one["logits"].values()])
        shares = np.exp(scores) / np.exp(scores).sum()
        answer = one["answer"]
        told = [answer["reject_probability"], *answer["probabilities"].values()]
        np.testing.assert_allclose(shares, told, rtol=1e-5)


def test_the_image_is_the_one_given(model: TrainedModel, images: torch.Tensor) -> None:
    for given, one in zip(images, Explainer(model).explain(images.numpy()), strict=True):
        np.testing.assert_array_equal(image_of(one["image"]), given.numpy())


def test_the_decision_reads_the_image_and_the_change(model: TrainedModel, images: torch.Tensor) -> None:
    """Image plus change, read without a perturbation, is the decision: the picture shows what was read."""
    found = Explainer(model).explain(images)
    change = np.stack([values_of(one["change"]) for one in found])
    read = to_network_range(images) + torch.from_numpy(change.copy()) / 127.5
    with torch.no_grad():
        decision = model.decide_from(read_heads(model.folded, read))
    np.testing.assert_allclose(decision.ood_score, model.decide(images).ood_score, atol=2e-5)


def test_the_change_is_a_step_against_the_sign_of_the_gradient(
    explained_model: Callable[..., TrainedModel], random_images: Callable[..., torch.Tensor]
) -> None:
    """x̂ = x − ε·sign(∇L), ε = 4 of 255: worked out here by a small step of each of some pixels."""
    model = explained_model(SIGN)
    image = random_images(1, 1, 16, 16, seed=9)
    (one,) = Explainer(model).explain(image)
    change = values_of(one["change"])[0]
    assert set(np.unique(np.round(np.abs(change), 3))) <= {0.0, 4.0}
    network, settings = model.folded.double(), model.card.preset.scoring

    def loss(inputs: torch.Tensor) -> float:
        with torch.no_grad():
            logits = network(inputs).class_logits * settings.temperature
        return -float(logits.log_softmax(dim=1).max())

    base = to_network_range(image).double()
    agreeing = 0
    for row, column in [(2, 3), (7, 7), (8, 4), (12, 10), (5, 13), (10, 1)]:
        step = torch.zeros_like(base)
        step[0, 0, row, column] = 1e-3
        slope = loss(base + step) - loss(base - step)
        agreeing += np.sign(change[row, column]) == -np.sign(slope)
    model.folded.float()
    assert agreeing >= 5  # at most one where a ReLU's border lies within the step


def test_without_a_perturbation_nothing_is_changed(
    explained_model: Callable[..., TrainedModel], random_images: Callable[..., torch.Tensor]
) -> None:
    (one,) = Explainer(explained_model(STILL)).explain(random_images(1, 1, 16, 16))
    assert not values_of(one["change"]).any()
    assert one["neighbours"] == []


def test_no_images_no_explanations_and_a_wrong_shape_is_refused(model: TrainedModel) -> None:
    card = model.card
    assert Explainer(model).explain(np.empty((0, card.channels, 16, 16), np.uint8)) == []
    with pytest.raises(UsageError, match="the model reads uint8"):
        Explainer(model).explain(np.zeros((1, card.channels, 8, 8), np.uint8))
