from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from euinet.judging.evaluate import detector_table
from euinet.networks.discriminators import GanDiscriminator
from euinet.networks.euinet import EuiNet
from euinet.presets import Preset
from euinet.records import Decision, DetectorResult, Split
from euinet.scoring.comparison import compare_detectors, euinet_decision
from euinet.scoring.inference import raw_scores
from euinet.scoring.threshold import fit_logit_range


@pytest.fixture
def compared(split: Split, make_preset: Callable[..., Preset]) -> tuple[Decision, tuple[DetectorResult, ...]]:
    preset = make_preset({"scoring.known_rejected": 0.25})
    torch.manual_seed(0)
    model = EuiNet(preset.model, (1, 8, 8), 3).eval()
    gan_discriminator = GanDiscriminator(1, 8).eval()
    logit_range = fit_logit_range(raw_scores(model, split.validation.images, preset.scoring), preset.scoring)
    decision = euinet_decision(model, split.test.images, preset.scoring, logit_range)
    return decision, compare_detectors(model, gan_discriminator, split, preset.scoring, logit_range, decision)


def test_every_detector_judges_every_test_image(
    compared: tuple[Decision, tuple[DetectorResult, ...]], split: Split
) -> None:
    decision, detectors = compared
    names = [detector.name for detector in detectors]
    assert names[0] == "EuiNet"
    assert {"maximum logit", "model discriminator", "vanilla ODIN", "GAN discriminator"} <= set(names)
    labels = split.test.labels
    for detector in detectors:
        assert detector.description
        assert detector.ood_score.shape == (24,)
        rejected = detector.ood_score > detector.threshold
        assert detector.ood_accuracy == rejected[labels < 0].mean(), detector.name
        right = ~rejected & (decision.classifier_labels == labels)
        assert detector.id_accuracy == pytest.approx(right[labels >= 0].mean()), detector.name
    np.testing.assert_array_equal(detectors[0].ood_score > 0, decision.labels < 0)


def test_the_detectors_measures_go_to_metrics_json(
    compared: tuple[Decision, tuple[DetectorResult, ...]],
) -> None:
    table = detector_table(compared[1])
    assert list(table) == [detector.name for detector in compared[1]]
    assert table["vanilla ODIN"]["auroc"] == {d.name: d.auroc for d in compared[1]}["vanilla ODIN"]
    assert all(type(value) is float for row in table.values() for value in row.values())


def test_thresholds_come_from_validation_images_alone(
    split: Split, make_preset: Callable[..., Preset], compared: tuple[Decision, tuple[DetectorResult, ...]]
) -> None:
    preset = make_preset({"scoring.known_rejected": 0.25})
    torch.manual_seed(0)
    model = EuiNet(preset.model, (1, 8, 8), 3).eval()
    plain = preset.scoring.model_copy(update={"epsilon": 0.0})
    known = raw_scores(model, split.validation.images, plain)
    by_name = {detector.name: detector for detector in compared[1]}
    # 9 images, at least ⌈0.75·9⌉ = 7 accepted
    for name, scores in (
        ("maximum logit", -known.class_logits.amax(dim=1)),
        ("model discriminator", known.disc_score),
    ):
        assert by_name[name].threshold == float(scores.sort().values[6])
