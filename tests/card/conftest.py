"""Made-up answers, worked out by hand, and a tiny untrained model of the quadrants."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch

from euinet.answers import REJECT, Answers
from euinet.card.groups import AnsweredGroup, Group, Kind
from euinet.model.card import ModelCard
from euinet.networks.euinet import EuiNet
from euinet.presets import Preset
from euinet.records import Split
from euinet.scoring.inference import raw_scores
from euinet.scoring.threshold import fit_logit_range
from euinet.trained.model import TrainedModel


@pytest.fixture(scope="session")
def make_judged() -> Callable[..., AnsweredGroup]:
    """Images of a kind with planted best classes, scores (rejected above 0) and p-values."""

    def make(
        labels: Sequence[int],
        best: Sequence[int],
        scores: Sequence[float],
        p_values: Sequence[float] | None = None,
        *,
        kind: Kind = "known",
        name: str = "known classes",
        names: tuple[str, ...] = ("a", "b", "c"),
        unknown: dict[int, str] | None = None,
    ) -> AnsweredGroup:
        ood_score = np.array(scores, np.float32)
        answers = Answers(
            class_names=names,
            labels=np.where(ood_score > 0, REJECT, np.array(best)),
            best_classes=np.array(best),
            ood_score=ood_score,
            p_value=None if p_values is None else np.array(p_values, np.float64),
            probabilities=np.full((len(best), len(names) + 1), 0.1, np.float32),
        )
        images = np.arange(len(best), dtype=np.uint8).reshape(-1, 1, 1, 1).repeat(8, 2).repeat(8, 3)
        by_label = dict(enumerate(names)) | (unknown or {-1: name})
        group = Group(kind, name, images, np.array(labels), by_label, available=len(best))
        return AnsweredGroup(group, answers)

    return make


@pytest.fixture(scope="session")
def make_model(make_preset: Callable[..., Preset]) -> Callable[..., TrainedModel]:
    """Untrained models of a split's classes, calibrated by its known images without a promise."""

    def make(split: Split, names: tuple[str, ...] | None = None) -> TrainedModel:
        preset = make_preset()
        torch.manual_seed(0)
        network = EuiNet(preset.model, (1, 8, 8), len(split.class_names)).eval()
        card = ModelCard(
            data=split.dataset,
            class_names=names or split.class_names,
            known_classes=split.known_classes,
            unknown_classes=split.unknown_classes,
            channels=1,
            image_size=8,
            seed=0,
            logit_range=fit_logit_range(
                raw_scores(network, split.validation.images, preset.scoring), preset.scoring
            ),
            preset=preset,
            metrics={},
        )
        calibrating = np.concatenate([split.calibration.images, split.validation.images])
        return TrainedModel(network, card).calibrate(calibrating, None)

    return make


@pytest.fixture(scope="session")
def tiny_model(split: Split, make_model: Callable[..., TrainedModel]) -> TrainedModel:
    """A model of three quadrants, of which the fourth is unknown to it."""
    model: TrainedModel = make_model(split)
    return model
