"""An explanation's answer is predict's, and its parts are what that answer was made of."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from explain_settings import CASES, Exported

from decision_files import bright, content
from euinet.errors import UsageError
from euinet.explain import Explainer
from euinet.model.model import Model
from euinet.networks import to_network_range
from euinet.scoring.inference import read_heads
from reading_plain import image_of, values_of

Pixels = np.ndarray


@pytest.fixture(params=CASES)
def both(request: pytest.FixtureRequest, exported: Callable[[str], Exported]) -> Exported:
    return exported(request.param)


@pytest.fixture
def model(both: Exported) -> Model:
    return both.model


@pytest.fixture
def images(model: Model, random_images: Callable[..., torch.Tensor]) -> Pixels:
    card = model.card
    return random_images(40, card.channels, card.image_size, card.image_size, seed=5).numpy()


def test_the_answer_is_that_of_predict(model: Model, images: Pixels) -> None:
    found = Explainer(model).explain(images)
    wanted = [answer.to_plain() for answer in model.predict(images)]
    assert [one["answer"] for one in found] == wanted
    assert 0 < sum(one["answer"]["rejected"] for one in found) < len(found)


def test_threshold_logits_and_h_are_what_entered_the_softmax(model: Model, images: Pixels) -> None:
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


def test_the_threshold_is_what_h_adds_and_gamma_less_what_calibration_asks(
    model: Model, images: Pixels
) -> None:
    """Eq. 4 by its parts: threshold = α·h + γ − calibrated threshold, of which `disc_added` is α·h."""
    settings, calibrated = model.card.preset.scoring, model.decide(images).threshold
    for at, one in enumerate(Explainer(model).explain(images)):
        assert one["disc_added"] == pytest.approx(settings.disc_scale * one["disc_score"], abs=1e-6)
        wanted = one["disc_added"] + settings.disc_shift - calibrated[at]
        assert one["threshold"] == pytest.approx(wanted, abs=1e-5)


def test_the_image_is_the_one_given(model: Model, images: Pixels) -> None:
    for given, one in zip(images, Explainer(model).explain(images), strict=True):
        np.testing.assert_array_equal(image_of(one["image"]), given)


def test_the_decision_reads_the_image_and_the_change(both: Exported, images: Pixels) -> None:
    """Image plus change, read without a perturbation, is the decision: the picture shows what was read."""
    found = Explainer(both.model).explain(images)
    change = np.stack([values_of(one["change"]) for one in found])
    read = to_network_range(torch.from_numpy(images)) + torch.from_numpy(change.copy()) / 127.5
    with torch.no_grad():
        decision = both.trained.decide_from(read_heads(both.trained.folded, read)[0])
    np.testing.assert_allclose(decision.ood_score, both.model.decide(images).ood_score, atol=2e-5)


def test_the_change_is_a_step_against_the_sign_of_the_gradient(
    exported: Callable[[str], Exported], random_images: Callable[..., torch.Tensor]
) -> None:
    """x̂ = x − ε·sign(∇L), ε = 4 of 255: worked out here by a small step of each of some pixels."""
    trained, model = exported("perturbed")
    image = random_images(1, 3, 16, 16, seed=9)
    (one,) = Explainer(model).explain(image.numpy())
    change = values_of(one["change"])[0]
    assert set(np.unique(np.round(np.abs(change), 3))) <= {0.0, 4.0}
    network, settings = trained.folded.double(), trained.card.preset.scoring

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
    trained.folded.float()
    assert agreeing >= 5  # at most one where a ReLU's border lies within the step


def test_without_a_perturbation_nothing_is_changed(
    exported: Callable[[str], Exported], random_images: Callable[..., torch.Tensor]
) -> None:
    images = random_images(20, 1, 16, 16).numpy()
    images[0] = np.arange(256).reshape(16, 16)
    for one in Explainer(exported("still").model).explain(images):
        assert not values_of(one["change"]).any()
        assert one["neighbours"] == []


def test_an_exported_file_alone_is_explained() -> None:
    """By hand: the light meter's reject score is 0 and h 0, its reading the brightness itself."""
    (one,) = Explainer(Model(content(), "meter")).explain(bright(60))
    assert (one["answer"]["label"], one["answer"]["ood_score"]) == ("light", 60)
    assert (one["disc_score"], one["disc_added"]) == (0, 0)
    assert list(one["logits"]) == ["dark", "light"]
    assert image_of(one["image"]).tolist() == bright(60)[0].tolist()


def test_no_images_no_explanations_and_a_wrong_shape_is_refused(model: Model) -> None:
    channels = model.card.channels
    assert Explainer(model).explain(np.empty((0, channels, 16, 16), np.uint8)) == []
    with pytest.raises(UsageError, match="the model reads uint8"):
        Explainer(model).explain(np.zeros((1, channels, 8, 8), np.uint8))
