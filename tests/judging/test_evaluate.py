from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from euinet.judging.evaluate import compare_detectors, decision_metrics, detector_table, euinet_decision
from euinet.networks.discriminators import GanDiscriminator
from euinet.networks.euinet import EuiNet
from euinet.presets import Preset
from euinet.records import Decision, DetectorResult, Split
from euinet.scoring.inference import raw_scores
from euinet.scoring.joint import decide
from euinet.scoring.threshold import fit_logit_range


@pytest.fixture
def compared(split: Split, make_preset: Callable[..., Preset]) -> tuple[Decision, tuple[DetectorResult, ...]]:
    preset = make_preset({"scoring.known_rejected": 0.25})
    torch.manual_seed(0)
    model = EuiNet(preset.model, 1, 8, 3).eval()
    gan_discriminator = GanDiscriminator(1, 8).eval()
    logit_range = fit_logit_range(raw_scores(model, split.validation.images, preset.scoring), preset.scoring)
    decision = euinet_decision(model, split.test.images, preset.scoring, logit_range)
    return decision, compare_detectors(model, gan_discriminator, split, preset.scoring, logit_range, decision)


def test_metrics_of_a_decision_by_hand() -> None:
    # rows: reject, class 0, class 1
    scores = torch.tensor([[0.0, 2, 1], [3, 2, 1], [0, 1, 2], [1, 0, 0.5], [0, 1, 0]])
    metrics = decision_metrics(decide(scores, torch.zeros(5)), np.array([0, 0, 0, -1, -3]))
    assert (metrics["n_id"], metrics["n_ood"]) == (3, 2)
    assert metrics["id_accuracy"] == pytest.approx(1 / 3)  # the second is rejected, the third mistaken
    assert metrics["closed_set_accuracy"] == pytest.approx(2 / 3)
    assert metrics["ood_accuracy"] == 1 / 2
    # ood_score: −2, 1, −2 known; 0.5, −1 unknown. Of 6 pairs the unknown is higher in 4.
    assert metrics["auroc"] == pytest.approx(4 / 6)


def test_every_detector_judges_every_test_image(
    compared: tuple[Decision, tuple[DetectorResult, ...]], split: Split
) -> None:
    decision, detectors = compared
    names = [detector.name for detector in detectors]
    assert names[0] == "EuiNet"
    assert {"maximum logit", "model discriminator", "vanilla ODIN", "GAN discriminator"} <= set(names)
    labels = split.test.labels.numpy()
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
    model = EuiNet(preset.model, 1, 8, 3).eval()
    plain = preset.scoring.model_copy(update={"epsilon": 0.0})
    known = raw_scores(model, split.validation.images, plain)
    by_name = {detector.name: detector for detector in compared[1]}
    # 9 images, at least ⌈0.75·9⌉ = 7 accepted
    for name, scores in (
        ("maximum logit", -known.class_logits.amax(dim=1)),
        ("model discriminator", known.disc_score),
    ):
        assert by_name[name].threshold == float(scores.sort().values[6])
