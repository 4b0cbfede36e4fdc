from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from euinet.model.card import LogitRange
from euinet.networks import to_network_range
from euinet.networks.discriminators import GanDiscriminator
from euinet.networks.euinet import EuiNet
from euinet.networks.records import Outputs
from euinet.presets import ModelSettings, ScoringSettings
from euinet.records import LabelledImages
from euinet.scoring.baselines import gan_discriminator_scores, vanilla_odin_scores
from euinet.scoring.inference import (
    BATCH,
    decide_from_scores,
    in_batches,
    raw_scores,
    read_perturbed,
    remember,
)
from euinet.scoring.threshold import RawScores

SETTINGS = ScoringSettings(temperature=1e-3, disc_scale=0.004, disc_shift=0.008, epsilon=0.3, pixel_range=255)
CPU = torch.device("cpu")


class ByHand(nn.Module):
    """Class logits (m, −m), fake logit 2·m for an image of mean m (the parameter is there for its device)."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, images: Tensor) -> Outputs:
        mean = self.scale * images.flatten(1).mean(dim=1)
        return Outputs(torch.stack([mean, -mean], dim=1), 2 * mean, mean.unsqueeze(1))


@pytest.fixture
def network(random_images: Callable[..., Tensor]) -> EuiNet:
    torch.manual_seed(0)
    model = EuiNet(ModelSettings(trunk_widths=(4, 8), disc_input="stages"), (1, 8, 8), 3)
    with torch.no_grad():
        model.train()(to_network_range(random_images(32, 1, 8, 8, seed=9)))
    return model.eval()


def test_raw_scores_by_hand() -> None:
    images = torch.tensor([255, 51], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 1, 2, 2)  # means 1, −0.6
    plain = raw_scores(ByHand(), images, SETTINGS.model_copy(update={"epsilon": 0.0}))
    torch.testing.assert_close(plain.class_logits, torch.tensor([[1, -1], [-0.6, 0.6]]))
    assert plain.disc_score.tolist() == pytest.approx([1 / (1 + math.exp(-2)), 1 / (1 + math.exp(1.2))])
    # ε strengthens either prediction by 0.6/255; h is read from the perturbed image too
    moved = raw_scores(ByHand(), images, SETTINGS)
    assert moved.class_logits[:, 0].tolist() == pytest.approx([1 + 0.6 / 255, -0.6 - 0.6 / 255])
    assert moved.disc_score[0].item() == pytest.approx(1 / (1 + math.exp(-2 * (1 + 0.6 / 255))), abs=1e-6)


def test_a_network_that_remembers_tells_the_distance(random_images: Callable[..., Tensor]) -> None:
    torch.manual_seed(0)
    settings = ModelSettings(trunk_widths=(4, 8), memory_per_class=3, memory_neighbours=1)
    model = EuiNet(settings, (1, 8, 8), 3).eval()
    known = random_images(9, 1, 8, 8)
    remember(model, LabelledImages(known.numpy(), np.arange(9) % 3))
    plain = SETTINGS.model_copy(update={"epsilon": 0.0})
    images = torch.cat([known[:2], 255 - known[:2]])
    distance = raw_scores(model, images, plain).distance
    assert distance is not None
    assert model.memory is not None
    with torch.no_grad():
        features = model(to_network_range(images)).features
        torch.testing.assert_close(distance, model.memory(features), rtol=1e-4, atol=1e-5)
    assert distance[:2].max() < distance[2:].min()
    read = read_perturbed(model, to_network_range(images), SETTINGS)
    assert torch.equal(
        (read.perturbed != to_network_range(images)), torch.ones_like(images, dtype=torch.bool)
    )
    torch.testing.assert_close(model(read.perturbed).features, read.features)


def test_range_temperature_and_eq4_in_one_decision() -> None:
    raw = RawScores(torch.tensor([[3.0, 1.0], [1.0, 2.0]]), torch.tensor([0.0, 1.0]).logit())
    decision = decide_from_scores(raw, SETTINGS, LogitRange((4.0,) * 2, (2.0,) * 2))
    # columns: α·h + γ, then 10⁻³·(4·z + 2)
    np.testing.assert_allclose(decision.scores, [[0.008, 0.014, 0.006], [0.012, 0.006, 0.010]], rtol=1e-6)
    assert decision.labels.tolist() == [0, -1]
    np.testing.assert_allclose(decision.ood_score, [-0.006, 0.002], rtol=1e-5)
    divided = SETTINGS.model_copy(update={"temperature_rule": "divide"})
    scores = decide_from_scores(raw, divided, LogitRange((4.0,) * 2, (2.0,) * 2)).scores
    np.testing.assert_allclose(scores[:, 1:], [[14_000, 6000], [6000, 10_000]], rtol=1e-6)


@pytest.mark.parametrize("kind", ["sign", "raw"])
def test_scores_do_not_depend_on_the_other_images(
    network: EuiNet, random_images: Callable[..., Tensor], kind: str
) -> None:
    images = random_images(256, 1, 8, 8)
    settings = SETTINGS.model_copy(update={"perturbation": kind})
    together = raw_scores(network, images, settings)
    for index in (0, 17, 255):
        alone = raw_scores(network, images[index : index + 1], settings)
        torch.testing.assert_close(alone.class_logits[0], together.class_logits[index], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(alone.disc_score[0], together.disc_score[index], atol=1e-5, rtol=1e-5)
    assert all(parameter.grad is None for parameter in network.parameters())


def test_batches_are_joined_in_order(random_images: Callable[..., Tensor]) -> None:
    images = random_images(BATCH + 3, 1, 2, 2)
    sizes: list[int] = []

    def function(inputs: Tensor) -> tuple[Tensor, Tensor]:
        sizes.append(len(inputs))
        return inputs.flatten(1), inputs.double().mean(dim=(1, 2, 3))

    pixels, means = in_batches(function, images, CPU)
    assert sizes == [BATCH, 3]
    torch.testing.assert_close(pixels, to_network_range(images).flatten(1))
    assert means.dtype == torch.float32
    torch.testing.assert_close(means, pixels.mean(dim=1))


# --- what EuiNet is compared with ----------------------------------------------------------------


def test_vanilla_odin_as_in_its_paper(network: EuiNet, random_images: Callable[..., Tensor]) -> None:
    images = random_images(8, 1, 8, 8)
    inputs = to_network_range(images).requires_grad_(True)
    log_softmax = (network(inputs).class_logits / 1000).log_softmax(dim=1).amax(dim=1)
    (gradient,) = torch.autograd.grad(-log_softmax.sum(), inputs)
    with torch.no_grad():
        logits = network(inputs - 0.0024 * gradient.sign()).class_logits  # ε = 0.0012 of pixels 0 … 1
    expected = -(logits.double() / 1000).softmax(dim=1).amax(dim=1)
    scores = vanilla_odin_scores(network, images)
    assert scores.shape == (8,)
    assert ((scores < -1 / 3) & (scores > -0.34)).all()  # at T = 1000 hardly above 1/K
    torch.testing.assert_close(scores, expected, rtol=0, atol=2e-8)


def test_a_weaker_class_is_more_out_of_distribution() -> None:
    images = torch.tensor([255, 170], dtype=torch.uint8).view(2, 1, 1, 1)  # means 1, 1/3
    strong, weak = vanilla_odin_scores(ByHand(), images)
    assert weak > strong


@torch.no_grad()
def test_what_d_takes_for_fake_is_out_of_distribution(random_images: Callable[..., Tensor]) -> None:
    torch.manual_seed(0)
    discriminator = GanDiscriminator(1, 8).eval()
    images = random_images(5, 1, 8, 8)
    real = discriminator(to_network_range(images)).real_logits
    torch.testing.assert_close(gan_discriminator_scores(discriminator, images), -real)
