from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch import nn

from euinet.answers import PixelArray
from euinet.detectors import Subject
from euinet.detectors.parts import Parts
from euinet.networks import to_network_range


@pytest.fixture
def parts(subject: Subject) -> Parts:
    return Parts.of(subject)


@torch.no_grad()
def test_the_taken_apart_network_says_what_the_whole_says(
    parts: Parts, subject: Subject, sets: Mapping[str, PixelArray]
) -> None:
    images = to_network_range(np.concatenate(list(sets.values())))
    whole = subject.model(images)
    for mine, theirs in zip(parts.model(images)[:3], whole[:3], strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)
    close = {"rtol": 1e-4, "atol": 1e-5}
    torch.testing.assert_close(parts.classifier(images), whole.class_logits, **close)
    torch.testing.assert_close(parts.encoder(images), whole.features, **close)
    torch.testing.assert_close(parts.frozen_encoder(images), whole.features, **close)
    torch.testing.assert_close(parts.head(whole.features), whole.class_logits, **close)
    torch.testing.assert_close(parts.map_head(parts.backbone(images)), whole.class_logits, **close)
    torch.testing.assert_close(parts.pooled_head(parts.pooled_backbone(images)), whole.class_logits, **close)
    maps = images
    for layer, width in zip(parts.layers, (8, 16), strict=True):
        maps = layer(maps)
        assert maps.shape[1] == width
    torch.testing.assert_close(maps, parts.backbone(images), **close)
    found = images
    for layer, stage in zip(parts.all_layers, subject.model.trunk(images), strict=True):
        found = layer(found)
        torch.testing.assert_close(found.mean(dim=(2, 3)), stage, **close)


def test_no_batch_norm_is_left_in_the_copy_alone(parts: Parts, subject: Subject) -> None:
    def norms(model: nn.Module) -> int:
        return sum(isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d) for module in model.modules())

    assert norms(parts.model) == 0
    assert norms(subject.model) >= 6  # stem, two blocks of two, one shortcut


def test_the_frozen_encoder_takes_no_gradient_and_leaves_the_others_as_they_are(parts: Parts) -> None:
    assert not any(parameter.requires_grad for parameter in parts.frozen_encoder.parameters())
    assert any(parameter.requires_grad for parameter in parts.encoder.parameters())
