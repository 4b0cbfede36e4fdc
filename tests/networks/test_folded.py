"""A folded network says what the network says, with fewer operations."""

from typing import Any

import pytest
import torch
from torch import nn

from euinet.networks.euinet import EuiNet
from euinet.networks.folded import fold_batch_norms
from euinet.presets import ModelSettings


def lived(network: nn.Module) -> nn.Module:
    """Give BatchNorm statistics and weights that are not those of a new network."""
    generator = torch.Generator().manual_seed(3)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            for tensor in (module.running_mean, module.running_var, module.weight, module.bias):
                assert tensor is not None
                tensor.data = 0.5 + torch.rand(tensor.shape, generator=generator)
    return network.eval()


def norms(network: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) for module in network.modules())


@pytest.mark.parametrize("settings", [
    {"trunk_widths": (4, 8), "embedding": 16, "disc_input": "evidence"},
    {"trunk_widths": (4, 8), "blocks_per_stage": 2, "disc_input": "stages"},
    {"backbone": "resnet18", "disc_input": "features"},
])  # fmt: skip
def test_outputs_and_input_gradient_are_the_networks(settings: dict[str, Any]) -> None:
    torch.manual_seed(0)
    network = lived(EuiNet(ModelSettings(**settings), (1, 32, 32), 3)).double()
    folded = fold_batch_norms(network)
    assert norms(network) > 4
    assert norms(folded) == 0
    images = torch.rand(3, 1, 32, 32, dtype=torch.float64) * 2 - 1
    found = []
    for one in (network, folded):
        inputs = images.clone().requires_grad_()
        outputs = one(inputs)
        (gradient,) = torch.autograd.grad(outputs.class_logits.logsumexp(1).sum(), inputs)
        found.append((outputs.class_logits, outputs.disc_logits, outputs.features, gradient))
    torch.testing.assert_close(found[0], found[1])


def test_the_network_itself_is_left_alone() -> None:
    network = lived(EuiNet(ModelSettings(trunk_widths=(4,)), (1, 8, 8), 2))
    before = {name: value.clone() for name, value in network.state_dict().items()}
    fold_batch_norms(network)
    torch.testing.assert_close(network.state_dict(), before)
    assert all(parameter.requires_grad for parameter in network.parameters())


class PreActivated(nn.Module):
    """As in DenseNet: the norm comes first, whatever the names make one think."""

    def __init__(self) -> None:
        super().__init__()
        self.norm1, self.conv1 = nn.BatchNorm2d(3), nn.Conv2d(3, 3, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv1(self.norm1(x).relu())


class Activated(nn.BatchNorm2d):
    """As timm's BatchNormAct2d."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x).relu()


class Backwards(nn.Sequential):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in reversed(self):
            x = layer(x)
        return x


@pytest.mark.parametrize(
    "network",
    [
        PreActivated(),
        nn.Sequential(nn.Conv2d(3, 3, 1), Activated(3)),
        Backwards(nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)),
    ],
    ids=["before", "with activation", "backwards"],
)
def test_another_package_s_norm_is_folded_only_where_it_is_sure_to_follow(network: nn.Module) -> None:
    folded = fold_batch_norms(lived(network))
    assert norms(folded) == 1
    images = torch.randn(2, 3, 4, 4)
    torch.testing.assert_close(folded(images), network(images))


def test_a_block_may_say_that_its_norms_follow() -> None:
    class Block(nn.Module):
        folds_norms = True

        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.bn1 = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.bn1(self.conv1(x)).relu()

    network = lived(Block())
    folded = fold_batch_norms(network)
    assert norms(folded) == 0
    images = torch.randn(2, 3, 4, 4)
    torch.testing.assert_close(folded(images), network(images))


def test_a_norm_that_follows_something_else_stays() -> None:
    network = nn.Sequential(
        nn.ReLU(), nn.BatchNorm2d(3), nn.Conv2d(3, 2, 1), nn.ReLU(), nn.BatchNorm2d(2)
    ).eval()
    folded = fold_batch_norms(network)
    assert norms(folded) == 2
    images = torch.randn(2, 3, 4, 4)
    torch.testing.assert_close(folded(images), network(images))
