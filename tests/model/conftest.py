"""A tiny model in the place of the bundled ones."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from euinet.export.save import save_model
from euinet.model.card import LogitRange, ModelCard
from euinet.networks.euinet import EuiNet
from euinet.presets import Preset
from euinet.trained.model import TrainedModel


@pytest.fixture
def tiny_model(make_preset: Callable[..., Preset]) -> Callable[..., TrainedModel]:
    """Return a model of `known` classes of the ten digits: tiny_model(known=range(1, 10))."""

    def make(known: range, seed: int = 0, **metrics: float) -> TrainedModel:
        torch.manual_seed(seed)
        preset = make_preset()
        card = ModelCard(
            data="digits",
            class_names=tuple(str(number) for number in known),
            known_classes=tuple(known),
            unknown_classes=tuple(number for number in range(10) if number not in known),
            channels=1,
            image_size=28,
            seed=seed,
            logit_range=LogitRange((1.0,) * len(known), (0.0,) * len(known)),
            preset=preset,
            metrics=dict(metrics),
            command=f"euinet train --seed {seed}",
        )
        return TrainedModel(EuiNet(preset.model, (1, 28, 28), len(known)).eval(), card)

    return make


@pytest.fixture
def bundled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_model: Callable[..., TrainedModel]) -> Path:
    """The folder of two bundled models: small (all digits), and small-without-0."""
    folder = tmp_path / "bundled"
    monkeypatch.setattr("euinet.model.bundled.MODELS_FOLDER", folder)
    save_model(tiny_model(range(10), closed_set_accuracy=0.5), folder / "small")
    without = tiny_model(range(1, 10), seed=1, closed_set_accuracy=0.25, auroc=0.75)
    save_model(without, folder / "small-without-0")
    (folder / "no-model").mkdir()
    return folder
