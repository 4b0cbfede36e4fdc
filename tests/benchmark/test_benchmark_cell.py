"""One cell: what it keeps, what it may see, and that planted faults are found."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from euinet import fitting
from euinet.answers import PixelArray
from euinet.benchmark import cell as cell_module
from euinet.benchmark.cell import read_scores, split_of
from euinet.benchmark.plan import Cell, plan_cells
from euinet.benchmark.results import OWN, TEST, CellResult
from euinet.benchmark.store import cell_folder, read_result
from euinet.data.split.holdout import hold_out_classes, pseudo_dataset
from euinet.detectors import own
from euinet.export import onnx_file
from euinet.presets import Preset
from euinet.records import Dataset, LabelledImages, Split
from euinet.scoring import comparison, joint
from euinet.scoring.baselines import threshold_accepting
from euinet.scoring.comparison import euinet_decision
from euinet.scoring.inference import raw_scores
from euinet.trained.model import load_trained

if TYPE_CHECKING:
    from conftest import Bench


def only_result(bench: Bench, **changes: Any) -> CellResult:
    ended = bench.run(**{"hold_out": "0", "far": ("static",)} | changes)
    assert ended.failures == ()
    found = [read_result(bench.out, folder.name) for folder in (bench.out / "cells").iterdir()]
    assert len(found) == 1
    assert found[0] is not None
    return found[0]


def without_seconds(result: CellResult) -> CellResult:
    rows = tuple(dataclasses.replace(row, score_seconds=0) for row in result.rows)
    return dataclasses.replace(result, rows=rows, train_seconds=0)


def test_a_cells_numbers_are_those_of_its_saved_model(bench: Bench, dataset: Dataset, quick: Preset) -> None:
    result = only_result(bench)
    folder = cell_folder(bench.out, "without-0_seed-0")
    model = load_trained(folder / "model")
    split, _ = split_of(Cell("quadrants", (0,), 0, quick), dataset)
    labels = split.test.labels
    decision = euinet_decision(model.network, split.test.images, quick.scoring, model.card.logit_range)

    ood_score, stored_labels = read_scores(folder)
    assert ood_score.dtype == np.float32
    np.testing.assert_array_equal(stored_labels, labels)
    np.testing.assert_allclose(ood_score, decision.ood_score, atol=1e-6)
    own_row = result.row(OWN, TEST)
    assert own_row.auroc == pytest.approx(roc_auc_score(labels < 0, ood_score))
    assert own_row.ood_accuracy == (decision.labels[labels < 0] == -1).mean()
    assert own_row.id_accuracy == (decision.labels == labels)[labels >= 0].mean()

    images = {"validation": split.validation.images, "test": split.test.images}
    plain = {name: raw_scores(model.network, given, quick.scoring) for name, given in images.items()}
    scores = {name: -raw.class_logits.amax(dim=1) for name, raw in plain.items()}
    threshold = threshold_accepting(scores["validation"], 1 - quick.scoring.known_rejected)
    row = result.row("maximum logit", TEST)
    assert row.threshold == pytest.approx(threshold, abs=1e-5)
    assert row.auroc == pytest.approx(roc_auc_score(labels < 0, scores["test"]))
    rejected = scores["test"].numpy() > threshold
    assert row.ood_accuracy == pytest.approx(rejected[labels < 0].mean())
    answers = plain["test"].class_logits.argmax(dim=1).numpy()
    assert row.id_accuracy == pytest.approx(((answers == labels) & ~rejected)[labels >= 0].mean())
    assert (result.known_images, result.unknown_images) == (18, 6)
    assert result.closed_set_accuracy == (answers == labels)[labels >= 0].mean()


def test_a_far_set_is_judged_against_the_known_test_images(
    bench: Bench, dataset: Dataset, quick: Preset
) -> None:
    result = only_result(bench)
    folder = cell_folder(bench.out, result.cell)
    model = load_trained(folder / "model")
    far = bench_far_images(bench)
    decision = euinet_decision(model.network, far, quick.scoring, model.card.logit_range)
    ood_score, labels = read_scores(folder)
    both = np.concatenate([ood_score[labels >= 0], decision.ood_score])
    row = result.row(OWN, "static")
    assert row.auroc == pytest.approx(roc_auc_score([0] * 18 + [1] * 7, both))
    assert row.ood_accuracy == (decision.ood_score > 0).mean()
    assert row.id_accuracy == result.row(OWN, TEST).id_accuracy
    assert result.far_remarks == {"static": "as it came"}


def bench_far_images(bench: Bench) -> PixelArray:
    from euinet.benchmark import work

    return work.load_far("static", 1, 8).images


def test_an_easy_unknown_class_is_told_apart(bench: Bench, easy: Preset) -> None:
    bench.preset = easy
    result = only_result(bench)
    assert result.closed_set_accuracy > 0.9
    assert result.row(OWN, TEST).auroc > 0.8


def test_negated_scores_are_seen(bench: Bench, easy: Preset, monkeypatch: pytest.MonkeyPatch) -> None:
    bench.preset = easy
    original = joint.joint_ood_score
    for module in (joint, own):
        monkeypatch.setattr(module, "joint_ood_score", lambda scores: -original(scores))
    monkeypatch.setattr(onnx_file, "_graphs", {})  # none of a score that is not negated, none left behind
    ended = bench.run(hold_out="0")
    assert ended.summary is not None
    assert ended.summary.findings[0].startswith("WARNING: EuiNet's AUROC is below 0.5")


def test_a_detector_that_does_not_score_as_euinet_decides_is_found(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = joint.joint_ood_score
    monkeypatch.setattr(own, "joint_ood_score", lambda scores: -original(scores))
    ended = bench.run(hold_out="0")
    assert ended.summary is None
    assert "does not score the test images as EuiNet decides on them" in ended.failures[0].error


def test_an_unknown_image_in_calibration_stops_the_cell_before_training(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leaking(cell: Cell, dataset: Dataset) -> tuple[Split, Dataset]:
        split, source = split_of(cell, dataset)
        positions = split.positions.calibration.copy()
        positions[0] = int((dataset.train.labels == 0).nonzero()[0][0])
        images = split.calibration.images.copy()
        images[0] = dataset.train.images[positions[0]]
        leaked = dataclasses.replace(
            split,
            calibration=LabelledImages(images, split.calibration.labels),
            positions=dataclasses.replace(split.positions, calibration=positions),
        )
        return leaked, source

    monkeypatch.setattr(cell_module, "split_of", leaking)
    monkeypatch.setattr(fitting, "train", lambda *_: pytest.fail("trained on a leaking split"))
    (failure,) = bench.run(hold_out="0").failures
    assert failure.error.startswith(
        "SplitLeakError: calibration has 1 image of the unknown class 'north-west'"
    )


def test_with_a_pseudo_unknown_neither_test_images_nor_the_held_out_class_matter(
    bench: Bench, dataset: Dataset, dataset_used: list[Dataset], tmp_path: Any
) -> None:
    first = only_result(bench, hold_out="3", pseudo=True, far=())
    assert (first.held_out, first.pseudo_unknown) == (("south-east",), "north-west")
    assert first.cell == "without-3_pseudo-0_seed-0"
    assert first.split == "north-west (pseudo, without south-east)"

    generator = np.random.default_rng(0)
    garbled, test = (
        dataset.train.images.copy(),
        generator.integers(0, 256, dataset.test.images.shape, np.uint8),
    )
    hidden = dataset.train.labels == 3
    garbled[hidden] = generator.integers(0, 256, garbled[hidden].shape, np.uint8)
    dataset_used[0] = dataclasses.replace(
        dataset,
        train=LabelledImages(garbled, dataset.train.labels),
        test=LabelledImages(test, dataset.test.labels),
    )
    bench.out = tmp_path / "garbled"
    second = only_result(bench, hold_out="3", pseudo=True, far=())
    assert first.identity["data_fingerprint"] != second.identity["data_fingerprint"]
    assert without_seconds(first).rows == without_seconds(second).rows


def test_a_pseudo_split_holds_a_known_class_out_of_known_images(
    dataset: Dataset, make_preset: Callable[..., Preset]
) -> None:
    preset = make_preset({"data.validation_fraction": 0.08, "data.calibration_fraction": 0.04})
    (cell,) = plan_cells("quadrants", dataset, "3", 1, preset, pseudo=True)
    split, _ = split_of(cell, dataset)
    plain, _ = split_of(dataclasses.replace(cell, pseudo=None), dataset)
    expected = hold_out_classes(pseudo_dataset(plain, 0), [0], seed=0)
    for part in ("train", "validation", "calibration", "test"):
        assert np.array_equal(getattr(split.positions, part), getattr(expected.positions, part))


def test_classifiers_answers_of_others_are_of_the_image_as_it_is(
    bench: Bench, quick: Preset, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    original = comparison.euinet_decision

    def spy(model: Any, images: Any, settings: Any, logit_range: Any) -> Any:
        seen.append(settings.epsilon)
        return original(model, images, settings, logit_range)

    monkeypatch.setattr(cell_module, "euinet_decision", spy)
    scoring = quick.scoring.model_copy(update={"epsilon": 0.01})
    bench.preset = quick.model_copy(update={"scoring": scoring})
    only_result(bench, far=())
    assert seen == [0.01, 0.0]


def test_the_cells_folder_keeps_what_is_needed_and_no_checkpoint(bench: Bench) -> None:
    only_result(bench)
    folder = cell_folder(bench.out, "without-0_seed-0")
    assert {path.name for path in folder.iterdir()} == {
        *(".lock", "gan.safetensors", "model", "result.json", "scores.npz", "training"),
    }
    assert {path.name for path in (folder / "training").iterdir()} == {"metrics.jsonl"}
