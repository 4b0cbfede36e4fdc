"""A module that takes a gradient, as a graph that takes none: the same values, whatever the number of images.

What torch does not promise is relied on here (docs/architecture.md, "Private names of libraries").
"""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from euinet.export.gradient import traced


class InputGradient(nn.Module):
    """∂/∂x of a network's largest output, summed over the images."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        with torch.enable_grad():
            images = images.requires_grad_()
            return torch.autograd.grad(self.network(images).amax(dim=1).sum(), images)[0]


def head(features: int) -> list[nn.Module]:
    return [nn.ReLU(), nn.Flatten(), nn.Linear(features, 5)]


NETWORKS = {
    "stride 1": [nn.Conv2d(3, 4, 3, padding=1), *head(4 * 9 * 9)],
    "stride 2": [nn.Conv2d(3, 4, 3, stride=2, padding=1), *head(4 * 5 * 5)],
    "groups": [nn.Conv2d(3, 6, 3, stride=2, groups=3), *head(6 * 4 * 4)],
    "dilation": [nn.Conv2d(3, 4, 3, dilation=2), *head(4 * 5 * 5)],
    "norm": [nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), *head(4 * 7 * 7)],
    "max pool": [nn.Conv2d(3, 4, 1), nn.MaxPool2d(3, stride=2, padding=1), *head(4 * 5 * 5)],
    "adaptive pool": [nn.Conv2d(3, 4, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), *head(4)],
    "leaky": [nn.Conv2d(3, 4, 3), nn.LeakyReLU(0.2), *head(4 * 7 * 7)],
    "softmax": [nn.Conv2d(3, 4, 3), *head(4 * 7 * 7), nn.Softmax(dim=1)],
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_graph_gives_the_gradient(name: str) -> None:
    torch.manual_seed(0)
    module = InputGradient(nn.Sequential(*NETWORKS[name])).eval().requires_grad_(False)
    graph = traced(module, (torch.zeros(4, 3, 9, 9),), (True,))
    operations = [str(node.target) for node in graph.graph.nodes]
    assert not [operation for operation in operations if "backward" in operation]
    for count in (1, 3, 6):
        images = torch.randn(count, 3, 9, 9)
        with torch.no_grad():
            found = graph(images)
        torch.testing.assert_close(found, module(images.clone()), rtol=1e-5, atol=1e-6)
