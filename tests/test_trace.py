"""One batch's way through every stage, as experiment.py runs them; a newcomer's test to read."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from lightning_fabric import Fabric
from PIL import Image
from torch import Tensor

from euinet import experiment
from euinet.data.split.holdout import hold_out_classes
from euinet.data.split.leaks import verify_split
from euinet.experiment import Experiment, Result, evaluate, run_experiment
from euinet.fitting import achievable_alpha, calibrated_model
from euinet.presets import Preset, get_preset
from euinet.records import Dataset, LabelledImages, Split
from euinet.report.write import write_report
from euinet.scoring.comparison import euinet_decision
from euinet.scoring.inference import raw_scores
from euinet.scoring.threshold import fit_logit_range
from euinet.system.notify import Notify
from euinet.training import loop
from euinet.training.loop import train
from euinet.training.run import TrainingRun

# DESIGN's contract for metrics.json
PROMISED = {
    *("data", "held_out", "preset", "seed", "n_id", "n_ood", "id_accuracy", "ood_accuracy"),
    *("closed_set_accuracy", "auroc", "fpr95", "aupr_in", "aupr_out", "oscr", "train_seconds"),
    *("device", "versions", "far"),
}


@pytest.fixture
def preset(make_preset: Callable[..., Preset]) -> Preset:
    return make_preset(
        {
            "training.epochs": 25,
            "training.optimizer.learning_rate": 0.01,
            "scoring.known_rejected": 0.11,  # ⌊0.11·(9 + 1)⌋: one of 9 validation images
        }
    )


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """The labels that every training step was given."""
    labels: list[Tensor] = []
    original = loop.train_step

    def spy(run: TrainingRun, chosen: Tensor) -> dict[str, Tensor]:
        labels.append(run.labels[chosen])
        return original(run, chosen)

    monkeypatch.setattr(loop, "train_step", spy)
    return labels


def test_64_images_through_all_stages(
    dataset: Dataset, preset: Preset, fabric: Fabric, seen: list[Tensor], tmp_path: Path
) -> None:
    assert len(dataset.train) + len(dataset.test) == 64
    assert dataset.train.images.shape == (40, 1, 8, 8)

    # Hold out class 0: 30 known images are parted, the 10 unknown ones are used nowhere.
    split = hold_out_classes(dataset, [0], validation_fraction=0.3, calibration_fraction=0.1)
    verify_split(split, dataset)
    assert split.class_names == ("north-east", "south-west", "south-east")
    assert [len(part) for part in (split.train, split.calibration, split.validation)] == [18, 3, 9]
    assert np.unique(split.test.labels).tolist() == [-1, 0, 1, 2]

    # Train: 25 epochs of two steps, each a GAN step and a joint step.
    trained = train(split, preset, 0, tmp_path / "training", fabric, quiet=True)
    assert len(seen) == 50
    assert torch.cat(seen).unique().tolist() == [0, 1, 2]  # no unknown label
    assert len(trained.history) == 25
    assert trained.history[-1]["class_loss"] < trained.history[0]["class_loss"]

    # Set ranges: one of the 9 known validation images falls under the active threshold.
    validation = raw_scores(trained.model, split.validation.images, preset.scoring)
    assert validation.class_logits.shape == (9, 3)
    assert validation.disc_score.shape == (9,)
    logit_range = fit_logit_range(validation, preset.scoring)
    on_validation = euinet_decision(trained.model, split.validation.images, preset.scoring, logit_range)
    assert (on_validation.labels < 0).sum() == 1

    # Calibrate: 3 known images that decided nothing else. Without an alpha the threshold stays at 0.
    model = calibrated_model(trained.model, split, preset, 0, None)
    assert model.card.logit_range == logit_range
    assert model.calibration is not None
    assert len(model.calibration) == 3

    # Decide: a class or "none of these" for each of the 24 test images.
    decision = model.decide(split.test.images)
    assert decision.scores.shape == decision.probabilities.shape == (24, 4)
    assert decision.ood_score.shape == decision.disc_score.shape == decision.labels.shape == (24,)
    np.testing.assert_allclose(decision.probabilities.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_array_equal(decision.labels < 0, decision.ood_score > 0)
    # eq. 4 with the report's α and γ
    np.testing.assert_allclose(decision.scores[:, 0], 0.004 * decision.disc_score + 0.008, rtol=1e-5)

    # Evaluate.
    record, metrics = evaluate(trained, model, split, (), fabric)
    assert record is not None
    assert metrics.keys() >= PROMISED
    assert (metrics["n_id"], metrics["n_ood"], metrics["held_out"]) == (18, 6, [0])
    assert metrics["closed_set_accuracy"] > 0.9  # quadrants are easy
    known = split.test.labels >= 0
    assert metrics["ood_accuracy"] == (decision.labels[~known] == -1).mean()
    assert record.fakes.shape[1:] == (1, 8, 8)
    assert np.abs(record.fakes).max() <= 1
    assert record.detectors[0].name == "EuiNet"
    np.testing.assert_array_equal(record.detectors[0].ood_score, decision.ood_score)

    # Report.
    files = write_report(record, tmp_path / "out", reported=None)
    assert files[0].name == "report.html"
    assert all(path.stat().st_size > 0 for path in files)


def run(
    dataset: Dataset,
    preset: Preset,
    fabric: Fabric,
    out: Path,
    monkeypatch: pytest.MonkeyPatch,
    held_out: tuple[int | str, ...] = ("north-west",),
    notify: Notify | None = None,
) -> Result:
    monkeypatch.setattr(experiment, "load_dataset", lambda *arguments, **options: dataset)
    plan = Experiment("quadrants", held_out, preset, 3)
    return run_experiment(plan, out, fabric, quiet=True, report=False, notify=notify)


def test_run_experiment_does_the_same_and_keeps_it(
    dataset: Dataset, preset: Preset, fabric: Fabric, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    result = run(dataset, preset, fabric, tmp_path, monkeypatch, notify=said.append)
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics == result.metrics
    assert metrics.keys() >= PROMISED
    assert metrics["seed"] == 3
    assert metrics["device"] == "cpu"
    assert metrics["far"] == {}
    fractions = (
        *("id_accuracy", "ood_accuracy", "closed_set_accuracy", "auroc"),
        "fpr95",
        "aupr_in",
        "aupr_out",
    )
    assert all(0 <= metrics[name] <= 1 for name in fractions)
    assert {".lock", "model", "training", "metrics.json"} == {path.name for path in tmp_path.iterdir()}
    assert said[0] == (
        "quadrants: known north-east, south-west, south-east; unknown north-west. 18 images to train on, "
        "9 to set ranges by, 3 to calibrate the threshold, and for the test 18 known + 6 unknown."
    )
    assert result.model.card.metrics == metrics


def test_near_copies_and_copies_are_counted_said_and_shown(
    dataset: Dataset, preset: Preset, fabric: Fabric, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted: two training images a bit brighter among the test images, each training image twice."""
    at = np.flatnonzero(dataset.train.labels == 2)[:2]
    brighter = LabelledImages(dataset.train.images[at] + 1, dataset.train.labels[at])
    twice = np.tile(np.arange(len(dataset.train)), 2)
    planted = replace(
        dataset,
        train=dataset.train.where(twice),
        test=LabelledImages(
            np.concatenate([dataset.test.images, brighter.images]),
            np.concatenate([dataset.test.labels, brighter.labels]),
        ),
    )
    quick = preset.model_copy(update={"training": preset.training.model_copy(update={"epochs": 1})})
    said: list[str] = []
    result = run(planted, quick, fabric, tmp_path, monkeypatch, notify=said.append)
    assert said[0].endswith(
        "Left out by their pixels, for each image is used once: 30 copies of other images."
    )
    assert result.metrics["near_copies"]["test"] >= 1
    (told,) = [sentence for sentence in said if "near copies" in sentence]
    assert f"{result.metrics['near_copies']['test']} of 20 known and 0 of 6 unknown test images" in told
    with Image.open(tmp_path / "near-copies.png") as shown:
        assert shown.height == 2 * (8 * 3 + 4)


def test_with_nothing_held_out_what_needs_unknown_images_is_null(
    dataset: Dataset, preset: Preset, fabric: Fabric, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    short = preset.model_copy(update={"training": preset.training.model_copy(update={"epochs": 2})})
    result = run(dataset, short, fabric, tmp_path, monkeypatch, held_out=())
    assert result.record is None
    assert result.metrics.keys() >= PROMISED
    for name in ("ood_accuracy", "auroc", "fpr95", "aupr_in", "aupr_out", "oscr"):
        assert result.metrics[name] is None
    assert (result.metrics["n_id"], result.metrics["n_ood"]) == (24, 0)


def test_a_promise_that_few_images_cannot_make_grows_and_says_so(split: Split) -> None:
    said: list[str] = []
    settings = get_preset("default").scoring
    assert achievable_alpha(settings, split, said.append) == 0.25  # 3 images: 1/(3 + 1)
    assert said == [
        "alpha 0.01 needs 99 calibration images, but there are 3: it is 0.25 here. More images, or "
        "scoring.alpha, change that."
    ]
    assert achievable_alpha(settings.model_copy(update={"alpha": 0.4}), split, said.append) == 0.4
    assert achievable_alpha(get_preset("report").scoring, split, said.append) is None
    assert len(said) == 1
