from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from pytorch_ood.detector import odin_preprocessing
from torch import Tensor, nn

from euinet.networks import to_network_range
from euinet.networks.euinet import EuiNet
from euinet.presets import ModelSettings, ScoringSettings, get_preset
from euinet.scoring.joint import apply_temperature
from euinet.scoring.perturbation import perturb, step_size


def settings(**changes: object) -> ScoringSettings:
    values = {
        "temperature": 1e-3,
        "disc_scale": 0.004,
        "disc_shift": 0.008,
        "epsilon": 0.3,
        "pixel_range": 255,
    }
    return ScoringSettings.model_validate(values | changes)


@pytest.fixture
def network() -> EuiNet:
    torch.manual_seed(0)
    return EuiNet(ModelSettings(trunk_widths=(4, 8)), (1, 8, 8), classes=3).eval()


@pytest.fixture
def images(random_images: Callable[..., Tensor]) -> Tensor:
    return to_network_range(random_images(16, 1, 8, 8))


def scaled(network: nn.Module, temperature: float = 1e-3) -> Callable[[Tensor], Tensor]:
    return lambda inputs: apply_temperature(network(inputs).class_logits, temperature, "multiply")


def test_the_unit_of_epsilon_is_the_pixel_range_s() -> None:
    # 0.3 of 0 … 255 is 0.3/255 of 0 … 1 and 0.6/255 of −1 … 1
    assert step_size(settings()) == pytest.approx(0.6 / 255)
    assert step_size(settings(epsilon=0.3 / 255, pixel_range=1)) == pytest.approx(0.6 / 255)
    assert step_size(settings(epsilon=0.6 / 255, pixel_range=2)) == pytest.approx(0.6 / 255)


def test_a_raw_gradient_changes_units_twice() -> None:
    # f(x) on pixels 0 … 255 has 2/255 of the slope it has on −1 … 1, and the step is 2/255 as long there
    assert step_size(settings(perturbation="raw")) == pytest.approx(0.3 * (2 / 255) ** 2)
    assert step_size(settings(perturbation="raw", epsilon=3, pixel_range=2)) == 3


def test_raw_steps_are_the_same_in_pixels_and_in_network_range(network: EuiNet) -> None:
    pixels = torch.rand(4, 1, 8, 8) * 255

    def on_pixels(inputs: Tensor) -> Tensor:
        return scaled(network, 1.0)(inputs / 127.5 - 1)

    # with pixel_range 2 nothing is converted, so this steps by 50·gradient on 0 … 255 itself
    moved = perturb(pixels, on_pixels, settings(perturbation="raw", epsilon=50, pixel_range=2))
    network_moved = perturb(
        pixels / 127.5 - 1, scaled(network, 1.0), settings(perturbation="raw", epsilon=50)
    )
    assert (moved - pixels).abs().max() > 1e-3
    torch.testing.assert_close((network_moved + 1) * 127.5 - pixels, moved - pixels, rtol=0.02, atol=1e-4)


def test_one_step_by_hand() -> None:
    # logits (x, −x): for x > 0 class 0 is predicted and a larger x strengthens it; for x < 0 the other way
    def logits(inputs: Tensor) -> Tensor:
        x = inputs.flatten(1).sum(dim=1)
        return torch.stack([x, -x], dim=1)

    images = torch.tensor([0.5, -0.25]).view(2, 1, 1, 1)
    moved = perturb(images, logits, settings(epsilon=0.1, pixel_range=2)).flatten()
    assert moved.tolist() == pytest.approx([0.6, -0.35])
    # raw: −d/dx log sigmoid(2x) = −2·(1 − sigmoid(2x))
    moved = perturb(images, logits, settings(epsilon=0.1, pixel_range=2, perturbation="raw")).flatten()
    expected = [0.5 + 0.2 * (1 - 0.731059), -0.25 - 0.2 * (1 - 0.622459)]
    assert moved.tolist() == pytest.approx(expected, abs=1e-5)


def test_as_pytorch_ood_perturbs(network: EuiNet, images: Tensor) -> None:
    class Classifier(nn.Module):
        def forward(self, inputs: Tensor) -> Tensor:
            logits: Tensor = network(inputs).class_logits
            return logits

    theirs = odin_preprocessing(Classifier(), images, eps=0.6 / 255, temperature=1000)
    ours = perturb(images, scaled(network), settings())
    assert (theirs != images).float().mean() > 0.95
    agree = torch.isclose(ours, theirs, atol=1e-6)
    assert agree.float().mean() > 0.99  # a gradient of nearly 0 may round to either sign


def test_it_strengthens_the_predicted_class(network: EuiNet, images: Tensor) -> None:
    def top(inputs: Tensor) -> Tensor:
        return scaled(network, 1.0)(inputs).softmax(dim=1).amax(dim=1)

    for kind, epsilon in (("sign", 0.3), ("raw", 100.0)):
        moved = perturb(images, scaled(network, 1.0), settings(perturbation=kind, epsilon=epsilon))
        assert (top(moved) > top(images)).all(), kind


def test_an_image_s_step_does_not_depend_on_the_others(network: EuiNet, images: Tensor) -> None:
    for kind in ("sign", "raw"):
        chosen = settings(perturbation=kind, epsilon=50)
        together = perturb(images, scaled(network, 1.0), chosen)
        alone = torch.cat([perturb(image[None], scaled(network, 1.0), chosen) for image in images])
        assert torch.isclose(together, alone, atol=1e-5).float().mean() > 0.99


def test_epsilon_0_returns_the_images_and_takes_no_gradient(images: Tensor) -> None:
    def refuse(inputs: Tensor) -> Tensor:
        raise AssertionError("asked for logits")

    assert perturb(images, refuse, settings(epsilon=0)) is images


def test_it_leaves_images_and_network_as_they_were(network: EuiNet, images: Tensor) -> None:
    before = images.clone()
    with torch.no_grad():  # as inference runs
        moved = perturb(images, scaled(network), settings())
    assert not moved.requires_grad
    assert not images.requires_grad
    assert torch.equal(images, before)
    assert all(parameter.grad is None for parameter in network.parameters())


def test_the_report_s_epsilon_is_odin_s() -> None:
    assert step_size(get_preset("report").scoring) == pytest.approx(2 * 0.0012, rel=0.02)
