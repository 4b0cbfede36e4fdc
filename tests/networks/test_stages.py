"""What fine-tuning the last stages opens, in networks of every build."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from euinet.errors import UsageError
from euinet.networks.published import published
from euinet.networks.stages import last_stages

OPENED = {
    ("timm/efficientnet_b0", 1): ["blocks.6", "conv_head", "bn2"],
    ("timm/vit_tiny_patch16_224", 2): ["blocks.10", "blocks.11", "norm"],
    ("timm/convnext_atto", 1): ["stages.3", "head"],
    ("timm/resnet18", 2): ["layer3", "layer4"],
    ("torchvision/resnet18", 1): ["layer4"],
    ("torchvision/efficientnet_b0", 1): ["features.7", "features.8"],
    ("torchvision/vit_b_32", 1): ["encoder.layers.encoder_layer_11", "encoder.ln"],
    ("torchvision/swin_t", 2): ["features.5", "features.6", "features.7", "norm"],
    ("torchvision/densenet121", 1): ["features.denseblock4", "features.norm5"],
}


@pytest.mark.parametrize(("name", "count"), OPENED)
def test_the_last_stages_and_what_is_behind_them(name: str, count: int) -> None:
    found = published(name)
    with torch.device("meta"):
        network = found.build(found.image_size)
    assert last_stages(network, count) == [network.get_submodule(place) for place in OPENED[name, count]]
    assert last_stages(network, 0) == []


def test_more_stages_than_there_are() -> None:
    block = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    network = nn.Sequential(nn.Conv2d(3, 2, 1), block, nn.BatchNorm1d(2))
    assert last_stages(network, 1) == [block, network[2]]
    with pytest.raises(UsageError, match="has 1 stage, and the last 2 were asked for"):
        last_stages(network, 2)
