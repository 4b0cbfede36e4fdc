"""Records that are made: while a model is evaluated, and those of the models that come with the package."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from euinet.answers import PixelArray
from euinet.errors import UsageError
from euinet.export.save import runtime_model
from euinet.judging import record_make as making
from euinet.judging import saved
from euinet.judging.operating import operating_point
from euinet.judging.record_store import RECORD_FILE, load_record
from euinet.model.bundled import bundled_folder, pretrained_names
from euinet.model.card import LogitRange, ModelCard
from euinet.model.model import Model
from euinet.model.opening import load
from euinet.networks.euinet import EuiNet
from euinet.presets import Preset
from euinet.records import Decision
from euinet.trained.model import TrainedModel

MOST_BYTES = 120_000


def decision_of(scores: np.ndarray, best: np.ndarray, classes: int) -> Decision:
    logits = np.zeros((len(scores), classes + 1), np.float32)
    logits[np.arange(len(scores)), best + 1] = 1
    return Decision(best, scores, logits, logits, logits[:, 0], np.zeros_like(scores))


def test_evaluate_keeps_every_score_once(
    make_preset: Callable[..., Preset], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The digits without 0 and 7, a far set, and a model whose score is an image's brightness."""
    known = (1, 2, 3, 4, 5, 6, 8, 9)
    torch.manual_seed(0)
    preset = make_preset()
    card = ModelCard(
        *("digits", tuple(map(str, known)), known, (0, 7), 1, 28, 0),
        *(LogitRange((1.0,) * 8, (0.0,) * 8), preset, {}),
    )
    model = runtime_model(TrainedModel(EuiNet(preset.model, (1, 28, 28), 8).eval(), card), "model")
    passes: list[int] = []

    def decide(model: Model, images: PixelArray) -> Decision:
        passes.append(len(images))
        brightness = images.mean(axis=(1, 2, 3), dtype=np.float32)
        return decision_of(brightness, (brightness.astype(np.int64)) % 8, 8)

    monkeypatch.setattr(Model, "decide", decide)
    far = tmp_path / "known"  # a far set whose name is that of the first group
    np.save(far.with_suffix(".npy"), np.full((5, 28, 28), 200, np.uint8))
    metrics = saved.evaluate_saved(
        model, "digits", (str(far.with_suffix(".npy")),), None, lambda _: None, record=tmp_path / RECORD_FILE
    )
    assert passes == [metrics["n_id"] + metrics["n_ood"], 5]  # nothing is scored twice
    record = load_record(tmp_path / RECORD_FILE, model.description.network)
    assert record is not None
    assert [(g.name, g.kind) for g in record.groups[:3]] == [
        *(("known", "known"), ("held-out 0", "near"), ("held-out 7", "near")),
    ]
    assert record.groups[0].images == metrics["n_id"]
    assert sum(g.images for g in record.groups[1:3]) == metrics["n_ood"]
    assert record.groups[3].kind == "far"
    np.testing.assert_array_equal(record.ood_score[record.of_group(record.groups[3].name)], 200)
    own = record.best_class == record.true_class
    assert own[record.known].mean() == pytest.approx(metrics["closed_set_accuracy"])


def test_of_many_images_each_class_keeps_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(making, "MOST_IMAGES", 100)
    monkeypatch.setattr(making, "MOST_FAR", 30)
    labels = np.repeat([0, 1, -3, -6], [400, 200, 300, 100])
    scores = np.arange(1000, dtype=np.float32)
    decision = decision_of(scores, np.zeros(1000, np.int64), 2)
    far = making.FarScores("far\x1b[2J", decision_of(scores[:90], np.ones(90, np.int64), 2))
    twice = [far, far]
    record = making.make_record("d", ("a", "b"), decision, labels, {2: "c", 5: "e"}, twice, "0" * 64)
    assert [(g.name, g.images, g.available) for g in record.groups] == [
        *(("known", 60, 600), ("held-out c", 30, 300), ("held-out e", 10, 100)),
        *(("far�[2J", 30, 90), ("far set far�[2J", 30, 90)),
    ]
    assert np.bincount(record.true_class[record.known]).tolist() == [40, 20]
    assert (record.ood_score[record.of_group("held-out e")] >= 900).all()


def test_a_bundled_models_record_is_not_written_over() -> None:
    with pytest.raises(UsageError, match="copy its folder first"):
        saved.own_record("mnist", bundled_folder("mnist"))


@pytest.mark.parametrize("name", pretrained_names())
def test_a_bundled_models_record_says_what_its_card_says(name: str) -> None:
    folder = bundled_folder(name)
    assert (folder / RECORD_FILE).stat().st_size < MOST_BYTES
    model = load(folder)
    record = load_record(folder / RECORD_FILE, model.description.network)
    assert record is not None
    assert record.class_names == model.card.class_names
    assert model.calibration is not None
    alpha = model.calibration.alpha
    if alpha is None:  # the report's own threshold, 0
        rejected = record.at(np.zeros(len(record.class_names), np.float32))
    else:
        rejected = record.at(operating_point(record, model.calibration, alpha).thresholds)
    own = (record.best_class == record.true_class)[record.known]
    metrics = model.card.metrics
    assert own.mean() == pytest.approx(metrics["closed_set_accuracy"], abs=2e-4)
    assert (own & ~rejected[record.known]).mean() == pytest.approx(metrics["id_accuracy"], abs=2e-3)
    near = [record.of_group(group.name) for group in record.groups if group.kind == "near"]
    assert len(near) == len(model.card.unknown_classes)
    for group in near:
        assert rejected[group].mean() == pytest.approx(metrics["ood_accuracy"], abs=2e-3)
    far = rejected[record.of_group("fashion-mnist")].mean()
    assert far == pytest.approx(metrics["far"]["fashion-mnist"]["ood_accuracy"], abs=0.03)  # 2,000 of 10,000
