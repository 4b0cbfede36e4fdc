from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from decision_files import CARD
from euinet.answers import PixelArray
from euinet.data.split.holdout import split_dataset
from euinet.errors import UsageError
from euinet.export.save import save_model
from euinet.fitting import calibrated_model
from euinet.judging import calibrate, material, reading
from euinet.judging.calibrate import calibrate_saved, known_images
from euinet.model.opening import load
from euinet.networks.euinet import EuiNet
from euinet.page.facts import model_facts
from euinet.presets import Preset
from euinet.records import Dataset, Split
from euinet.trained.model import TrainedModel, load_trained


@pytest.fixture
def preset(make_preset: Callable[..., Preset]) -> Preset:
    return make_preset({"scoring.known_rejected": 0.2})


@pytest.fixture
def parted(dataset: Dataset, preset: Preset) -> Split:
    return split_dataset(dataset, ["north-west"], preset.data, 5)


@pytest.fixture
def model(parted: Split, preset: Preset) -> TrainedModel:
    torch.manual_seed(0)
    network = EuiNet(preset.model, (1, 8, 8), 3)
    with torch.no_grad():
        network.train()(torch.randn(8, 1, 8, 8))
    return calibrated_model(network.eval(), parted, preset, 5, None)


@pytest.fixture(autouse=True)
def found_dataset(monkeypatch: pytest.MonkeyPatch, dataset: Dataset) -> None:
    monkeypatch.setattr(calibrate, "DATASETS", ("quadrants",))
    monkeypatch.setattr(material, "DATASETS", ("quadrants",))
    monkeypatch.setattr(reading, "load_for_model", lambda *_, **__: dataset)


def images_of(model: TrainedModel, data: str) -> PixelArray:
    return known_images(model, data, None, lambda _: None).images.images


def test_of_the_training_data_the_calibration_part_is_used(model: TrainedModel, parted: Split) -> None:
    np.testing.assert_array_equal(images_of(model, "quadrants"), parted.calibration.images)


def test_of_other_data_all_known_images_are_used_and_no_unknown_one(
    model: TrainedModel, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = Dataset("others", dataset.class_names, dataset.train, dataset.test)
    monkeypatch.setattr(reading, "load_for_model", lambda *_, **__: other)
    found = known_images(model, "quadrants", None, lambda _: None)
    assert len(found.images) == 3 * (10 + 6)
    assert found.source == "all images of others, without north-west, which the model does not know"
    unknown = np.concatenate([part.images[part.labels == 0] for part in (other.train, other.test)])
    known = {image.tobytes() for image in found.images.images}
    assert not known & {image.tobytes() for image in unknown}


def test_without_digests_other_images_under_the_training_datas_name_are_refused(model: TrainedModel) -> None:
    elsewhere = replace(model, card=replace(model.card, data_fingerprint="0" * 16), seen=None)
    with pytest.raises(UsageError, match="has the name of the data that the model was trained on, but other"):
        images_of(elsewhere, "quadrants")


def test_a_plain_folder_holds_known_images_alone(model: TrainedModel, tmp_path: Path) -> None:
    for value in (10, 20, 30):
        Image.new("L", (8, 8), value).save(tmp_path / f"{value}.png")
    (tmp_path / "broken.png").write_bytes(b"x")
    said: list[str] = []
    found = known_images(model, str(tmp_path), None, said.append)
    assert found.images.images.mean(axis=(1, 2, 3)).tolist() == [10, 20, 30]
    assert said[0].startswith("1 of 4 files were left out")


def test_calibrating_changes_the_threshold_and_nothing_else(
    model: TrainedModel, parted: Split, dataset: Dataset, tmp_path: Path
) -> None:
    save_model(model, tmp_path / "model")
    said = calibrate_saved(
        str(tmp_path / "model"), "quadrants", 0.4, False, tmp_path / "new", "cpu", None, lambda _: None
    )
    new = load(tmp_path / "new")
    assert new.card == model.card
    assert new.calibration is not None
    scores = np.sort(new.calibration.scores)
    # 3 images, α = 0.4: the ⌈4 · 0.6⌉ = 3rd smallest
    assert said["threshold"] == pytest.approx(scores[2])
    assert (new.alpha, new.calibration_images) == (0.4, 3)
    for name in ("config.json", "model.safetensors"):
        assert (tmp_path / "new" / name).read_bytes() == (tmp_path / "model" / name).read_bytes()
    before, after = (load(tmp_path / n).decide(dataset.test.images) for n in ("model", "new"))
    np.testing.assert_array_equal(before.ood_score, after.ood_score)
    np.testing.assert_array_equal(after.labels < 0, after.ood_score > np.float32(scores[2]))
    # the softmax's top is "none of these" exactly where the image is rejected
    np.testing.assert_array_equal(after.labels < 0, after.probabilities.argmax(axis=1) == 0)


def test_alpha_changes_by_the_kept_scores_in_place(model: TrainedModel, tmp_path: Path) -> None:
    save_model(model, tmp_path)
    said = calibrate_saved(str(tmp_path), None, 0.3, False, None, "cpu", None, lambda _: None)
    assert said["source"] == "the scores that the model keeps"
    loaded = load(tmp_path)
    assert loaded.calibration is not None
    assert loaded.calibration.alpha == 0.3


MEASURED: dict[str, Any] = {
    **{"data": "quadrants", "alpha": 0.5, "n_id": 9, "id_accuracy": 0.5, "ood_accuracy": 0.6, "auroc": 0.9},
    **{"closed_set_accuracy": 0.8, "verdict": ["as it was"]},
    "far": {"noise": {"auroc": 0.95, "ood_accuracy": 0.4, "n_ood": 7}},
    "detectors": {"EuiNet": {"auroc": 0.9, "id_accuracy": 0.5, "ood_accuracy": 0.6, "threshold": 0.1}},
}
KEPT = {
    **{"data": "quadrants", "n_id": 9, "auroc": 0.9, "closed_set_accuracy": 0.8},
    **{"far": {"noise": {"auroc": 0.95, "n_ood": 7}}, "detectors": {"EuiNet": {"auroc": 0.9}}},
}


def test_measures_of_the_old_operating_point_go_with_it(model: TrainedModel, tmp_path: Path) -> None:
    old, new, file = tmp_path / "old", tmp_path / "new", tmp_path / "m.onnx"
    save_model(replace(model, card=replace(model.card, metrics=MEASURED)), old)
    load(old).save_onnx(file)
    assert load(old).card.metrics == load_trained(old).card.metrics == MEASURED
    # elsewhere, an exported file, and at last in place
    for source, out in ((old, new), (file, file), (old, None)):
        calibrate_saved(str(source), None, 0.3, False, out, "cpu", None, lambda _: None)
        written = out or source
        loaded = load(written)
        assert (loaded.alpha, loaded.card.metrics) == (0.3, KEPT)
        assert model_facts(loaded, "m")["metrics"] == KEPT
        if written.is_dir():
            assert loaded.torch().card.metrics == load_trained(written).card.metrics == KEPT
    in_memory = load(new).with_alpha(0.4, per_class=False)
    in_memory.save_pretrained(tmp_path / "again")
    assert load_trained(tmp_path / "again").card.metrics == KEPT
    assert model.with_alpha(0.4).card.metrics == {}


def test_metrics_of_any_form_are_no_fault() -> None:
    for metrics in ({"far": 3, "detectors": []}, {"far": {"a": None}}, {"far": {"a": {"alpha": 1}}}):
        assert "alpha" not in str(replace(CARD, metrics=metrics).recalibrated().metrics)


def test_a_threshold_for_each_class_is_another_sentence(tmp_path: Path) -> None:
    def said(per_class: bool) -> str:
        where = tmp_path / str(per_class)
        done = calibrate_saved("mnist-without-0", None, 0.05, per_class, where, "cpu", None, lambda _: None)
        return str(done["sentence"])

    assert said(False).startswith("At most 5 % of known images are rejected by mistake. ")
    assert said(True).startswith(
        "At most 5 % of known images are rejected by mistake, within those of each answer: a threshold for "
    )


def test_too_few_images_leave_the_model_as_it_was(model: TrainedModel, tmp_path: Path) -> None:
    save_model(model, tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(UsageError, match=r"alpha 0\.01 cannot be promised by 3 .* at least 99"):
        calibrate_saved(str(tmp_path), "quadrants", 0.01, False, None, "cpu", None, lambda _: None)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_bundled_model_stays_as_it_is() -> None:
    with pytest.raises(UsageError, match="mnist-without-4 comes with euinet and stays as it is: give --out"):
        calibrate_saved("mnist-without-4", None, 0.05, False, None, "cpu", None, lambda _: None)


def test_leaked_unknowns_would_raise_the_threshold(
    model: TrainedModel, parted: Split, dataset: Dataset
) -> None:
    """A planted fault: were unknown images among the calibration images, the threshold would show it."""
    known = model.calibrate(parted.calibration.images, 0.3).calibration
    far = np.full((30, 1, 8, 8), 255, np.uint8)
    leaked = model.calibrate(np.concatenate([parted.calibration.images, far]), 0.3).calibration
    assert known is not None
    assert leaked is not None
    assert leaked.thresholds(3)[0] >= known.thresholds(3)[0]
