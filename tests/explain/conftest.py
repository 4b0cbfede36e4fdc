"""Small untrained networks with a model's card, for digits or images that are made up."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from euinet.model.card import ModelCard
from euinet.networks.euinet import EuiNet
from euinet.presets import get_preset
from euinet.records import LabelledImages
from euinet.scoring.inference import raw_scores, remember
from euinet.scoring.threshold import fit_logit_range
from euinet.trained.model import TrainedModel
from tiny import TINY


@pytest.fixture(scope="session")
def explained_model(
    random_images: Callable[..., torch.Tensor],
) -> Callable[..., TrainedModel]:
    """explained_model({"scoring.epsilon": 4.0}, channels=1): three classes, 16 × 16 images, calibrated."""

    def make(
        settings: dict[str, Any], *, channels: int = 1, size: int = 16, **card_values: Any
    ) -> TrainedModel:
        torch.manual_seed(0)
        changes = {"scoring.known_rejected": 0.3, "model.trunk_widths": [6], **settings}
        texts = {path: v if isinstance(v, str) else json.dumps(v) for path, v in changes.items()}
        preset = get_preset("report", TINY | texts)
        names = card_values.pop("class_names", ("north", "east", "süd"))
        network = EuiNet(preset.model, channels, size, len(names))
        shown = random_images(200, channels, size, size, seed=1)
        with torch.no_grad():
            network.train()(torch.randn(32, channels, size, size))  # BatchNorm's statistics
        network.eval()
        remember(network, LabelledImages(shown[:60].numpy(), np.arange(60) % len(names)))
        logit_range = fit_logit_range(raw_scores(network, shown[:100], preset.scoring), preset.scoring)
        values = {
            "data": "made up",
            "class_names": names,
            "known_classes": tuple(range(len(names))),
            "unknown_classes": (),
            "channels": channels,
            "image_size": size,
            "seed": 0,
            "logit_range": logit_range,
            "preset": preset,
            "metrics": {},
        }
        card = ModelCard(**(values | card_values))
        return TrainedModel(network, card).calibrate(shown[100:], 0.2)

    return make
