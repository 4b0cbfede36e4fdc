"""A model that rejects bright images, judged on far sets whose measures can be worked out by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.metrics import roc_auc_score

from euinet.answers import PixelArray
from euinet.data.far.sets import FarSet
from euinet.data.sets.datasets import load_dataset
from euinet.errors import UsageError
from euinet.export.save import runtime_model
from euinet.judging import saved
from euinet.judging.evaluate import far_decision_metrics
from euinet.model.card import LogitRange, ModelCard
from euinet.model.model import Model
from euinet.networks.euinet import EuiNet
from euinet.presets import Preset
from euinet.records import Decision
from euinet.report.console import console_table
from euinet.trained.model import TrainedModel


@pytest.fixture
def model(make_preset: Callable[..., Preset]) -> TrainedModel:
    """A model of the digits 1 … 9, untrained."""
    preset = make_preset()
    torch.manual_seed(0)
    names = tuple("123456789")
    known = tuple(range(1, 10))
    logit_range = LogitRange((1.0,) * 9, (0.0,) * 9)
    card = ModelCard("digits", names, known, (0,), 1, 28, 0, logit_range, preset, {})
    return TrainedModel(EuiNet(preset.model, (1, 28, 28), 9).eval(), card)


@pytest.fixture
def brightness_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    """`ood_score` = mean brightness, 0 … 255, minus 100; positive is rejected."""

    def decide(model: Model, images: PixelArray) -> Decision:
        score = images.mean(axis=(1, 2, 3), dtype=np.float32) - 100
        scores = np.zeros((len(images), 10), np.float32)
        labels = np.where(score > 0, -1, 0)
        return Decision(labels, score, scores, scores, scores[:, 0], np.zeros_like(score))

    monkeypatch.setattr(Model, "decide", decide)


def of_brightness(*values: int) -> PixelArray:
    return np.array(values, np.uint8).reshape(-1, 1, 1, 1) * np.ones((1, 28, 28), np.uint8)


@pytest.mark.usefixtures("brightness_decides")
def test_far_metrics_by_hand(model: TrainedModel) -> None:
    known = np.array([-80, -60, -40, 20], np.float32)  # brightness 20, 40, 60, 120
    far = FarSet("far", of_brightness(50, 110, 200), None)
    found = far_decision_metrics(runtime_model(model, "model").decide(far.images), known, far)
    # pairs in which the far image scores higher: 2 of 4 (50), 3 of 4 (110), 4 of 4 (200)
    assert found["auroc"] == pytest.approx(9 / 12)
    assert found["auroc"] == pytest.approx(roc_auc_score([0] * 4 + [1] * 3, [*known, -50, 10, 100]))
    assert found["fpr95"] == pytest.approx(2 / 4)  # all three are caught from −50 on, with 60 and 120
    assert found["ood_accuracy"] == pytest.approx(2 / 3)
    assert found["n_ood"] == 3
    assert "remark" not in found
    turned = FarSet("far", of_brightness(50), None, "turned")
    with_remark = far_decision_metrics(runtime_model(model, "model").decide(turned.images), known, turned)
    assert with_remark["remark"] == "turned"


def evaluate(model: TrainedModel, tmp_path: Path, *far_sets: object) -> tuple[dict[str, Any], list[str]]:
    said: list[str] = []
    made = runtime_model(model, "model")
    metrics = saved.evaluate_saved(made, "digits", tuple(map(str, far_sets)), None, said.append)
    return metrics["far"], said


def test_known_classes_are_left_out_of_far_sets_and_it_is_said_once(
    model: TrainedModel, tmp_path: Path
) -> None:
    test = load_dataset("digits").test
    zeros = int((test.labels == 0).sum())
    copies = tmp_path / "copies"  # the test images as somebody's folder of PNGs, without their classes
    copies.mkdir()
    for number, image in enumerate(test.images):
        Image.fromarray(image[0]).save(copies / f"{number}.png")
    found, said = evaluate(model, tmp_path, "digits", copies)
    assert list(found) == ["digits", str(copies)]
    assert found["digits"]["n_ood"] == found[str(copies)]["n_ood"] == zeros == 36
    assert found["digits"]["auroc"] == found[str(copies)]["auroc"]
    assert "323 images of classes that the model knows: 1 (36), 2 (35)" in found["digits"]["remark"]
    assert found[str(copies)]["remark"] == "left out 323 copies of known images of digits"
    for name, measures in found.items():
        assert said.count(f"{name}: {measures['remark']}.") == 1


def test_nothing_left_or_nothing_there_is_found_before_anything_is_scored(
    model: TrainedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def scored(*arguments: object) -> None:
        raise AssertionError("something was scored")

    monkeypatch.setattr(Model, "decide", scored)
    np.save(tmp_path / "known.npy", load_dataset("digits").test.where(np.array([1])).images[:, 0])
    first = load_dataset("digits").test.labels[1]
    assert first > 0
    with pytest.raises(UsageError, match=r"Nothing is left of the far set .*known\.npy, which has 1 copies"):
        evaluate(model, tmp_path, "letters", tmp_path / "known.npy")
    with pytest.raises(UsageError, match="There is no far set"):
        evaluate(model, tmp_path, "letters", "no-such-set")


def test_a_far_set_of_another_geometry_is_brought_to_the_models(model: TrainedModel, tmp_path: Path) -> None:
    np.save(tmp_path / "wide.npy", np.random.default_rng(0).integers(0, 256, (7, 20, 40, 3), dtype=np.uint8))
    found, _ = evaluate(model, tmp_path, tmp_path / "wide.npy")
    (measures,) = found.values()
    assert measures["n_ood"] == 7
    assert measures["remark"] == (
        "brought from 3 × 20 × 40 to 1 × 28 × 28 (channels, height, width), after cropping the middle square"
    )


@pytest.mark.usefixtures("brightness_decides")
def test_brightness_tells_no_digit_and_the_verdict_says_so(model: TrainedModel) -> None:
    found = saved.evaluate_saved(
        runtime_model(model, "m"), "digits", ("noise-uniform",), None, lambda _: None
    )
    (name, near), *others = found["near"].items()
    assert (name, others, near["n_ood"]) == ("0", [], found["n_ood"])
    assert {key: near[key] for key in ("auroc", "fpr95", "ood_accuracy")} == {
        key: found[key] for key in ("auroc", "fpr95", "ood_accuracy")
    }
    guessing, *said = found["verdict"]["shortcomings"]
    assert guessing.startswith("This model tells its own classes hardly better than guessing: ")
    assert any("these unknowns" in sentence and " 0 (AUROC " in sentence for sentence in said)
    assert not any("noise-uniform" in sentence for sentence in said)  # twice as bright: told, and rejected
    assert found["verdict"]["sentence"] == " ".join([guessing, *said])
    shown = console_table(found)
    assert all(f"- {sentence}" in shown for sentence in [guessing, *said])
