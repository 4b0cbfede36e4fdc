"""Small untrained networks, calibrated with images that are made up, and their decision files."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
import torch
from explain_settings import CASES, Exported

from euinet.export.save import runtime_model
from euinet.model.card import ModelCard
from euinet.networks.euinet import EuiNet
from euinet.presets import get_preset
from euinet.records import LabelledImages
from euinet.scoring.inference import raw_scores, remember
from euinet.scoring.threshold import fit_logit_range
from euinet.trained.model import TrainedModel
from tiny import TINY

NAMES, SIDE = ("north", "east", "süd"), 16


@pytest.fixture(scope="session")
def exported(random_images: Callable[..., torch.Tensor]) -> Callable[[str], Exported]:
    """exported("perturbed") → the model of that case."""

    @cache
    def make(case: str) -> Exported:
        settings, channels = CASES[case]
        torch.manual_seed(0)
        changes = {"scoring.known_rejected": 0.3, "model.trunk_widths": [6], **settings}
        texts = {path: v if isinstance(v, str) else json.dumps(v) for path, v in changes.items()}
        preset = get_preset("report", TINY | texts)
        network = EuiNet(preset.model, (channels, SIDE, SIDE), len(NAMES))
        shown = random_images(200, channels, SIDE, SIDE, seed=1)
        with torch.no_grad():
            network.train()(torch.randn(32, channels, SIDE, SIDE))  # BatchNorm's statistics
        remember(network.eval(), LabelledImages(shown[:60].numpy(), np.arange(60) % len(NAMES)))
        logit_range = fit_logit_range(raw_scores(network, shown[:100], preset.scoring), preset.scoring)
        card = ModelCard("made up", NAMES, (0, 1, 2), (), channels, SIDE, 0, logit_range, preset, {})
        trained = TrainedModel(network, card).calibrate(shown[100:], 0.2)
        return Exported(trained, runtime_model(trained, case))

    return make
