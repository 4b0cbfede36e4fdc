"""A model that reads rows, and one whose backbone makes them: answers, both parts, calibration, folders."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import euinet
from backbones import (
    COLOURS,
    backbone_graph,
    draw_images,
    embedded,
    image_folder,
    save_backed,
    toy_backbone,
    write_images,
)
from euinet.data.embedded.rows import FeatureRows
from euinet.data.split.fingerprint import image_digests
from euinet.errors import ExportError, StorageError, UsageError
from euinet.export import save
from euinet.export.save import runtime_model, save_model, whole_file
from euinet.model.backbone import OnnxEmbedder
from euinet.model.decision_file import OUTPUTS
from euinet.model.model import Model
from euinet.records import LabelledImages
from vectors import WIDTH, vector_dataset, vector_model, vector_split, vector_trained


@pytest.fixture(scope="module")
def backed(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model of birds, cats and dogs with a backbone, in a folder."""
    root = tmp_path_factory.mktemp("backed")
    return save_backed(image_folder(root / "data", 60, 0), root / "cache", root / "model")


def images(each: int = 10, seed: int = 7) -> LabelledImages:
    """New birds, cats and dogs."""
    drawn = [draw_images(each, COLOURS[name], 100 * seed + at) for at, name in enumerate(COLOURS)][:3]
    return LabelledImages(np.concatenate(drawn), np.repeat(np.arange(3), each))


class TestRows:
    def test_rows_are_answered_as_the_network_of_torch_does(self) -> None:
        rows = vector_dataset(each=10, seed=5).train.images
        found, wanted = vector_model().decide(rows), vector_trained().decide(rows)
        np.testing.assert_array_equal(found.labels, wanted.labels)
        np.testing.assert_allclose(found.scores, wanted.scores, rtol=1e-4, atol=1e-4)

    def test_their_own_middles_are_answered_and_the_class_names_with_them(self) -> None:
        split = vector_split()
        middles = np.stack([split.train.images[split.train.labels == k].mean(axis=0) for k in range(3)])
        assert vector_model().decide(middles).classifier_labels.tolist() == [0, 1, 2]
        assert vector_model().class_names == ("coat", "hat", "shoe")

    def test_halves_and_rows_in_a_file_are_read(self) -> None:
        """Both are the float32 of the same halves; 600 rows are more than a batch."""
        halves = vector_dataset(each=150).train.images.astype(np.float16)
        lazy = FeatureRows(halves, np.arange(len(halves)))
        model = vector_model()
        wanted = model.run(halves.astype(np.float32), ("ood_score",))["ood_score"]
        assert len(wanted) == 600
        for rows in (halves, lazy):
            found = model.run(rows, ("ood_score",))["ood_score"]  # type: ignore[arg-type]
            np.testing.assert_array_equal(found, wanted)

    @pytest.mark.parametrize(
        ("rows", "told"),
        [
            (np.zeros((2, WIDTH + 1), np.float32), rf"float32 of shape \(2, {WIDTH + 1}\)"),
            (np.zeros((2, 3, 8, 8), np.uint8), r"uint8 of shape \(2, 3, 8, 8\)"),
            (np.zeros((2, WIDTH), np.float64), "float64"),
            (np.zeros((2, WIDTH), np.int64), "int64"),
            (np.zeros(WIDTH, np.float32), rf"float32 of shape \({WIDTH},\)"),
            ([[0.0] * WIDTH], "list of shape unknown"),
        ],
    )
    def test_rows_of_another_width_or_kind_are_one_sentence(self, rows: np.ndarray, told: str) -> None:
        wanted = rf"^The embeddings are {told}.*, but the model reads float32 of shape \(N, {WIDTH}\)"
        with pytest.raises(UsageError, match=wanted):
            vector_model().run(rows, ("label",))

    def test_a_row_that_is_no_number_is_an_error_and_not_a_class(self) -> None:
        rows = vector_dataset(each=2).train.images[:5].copy()
        good = vector_model().answer(rows[::2])
        rows[1, 2], rows[3, 0] = np.nan, np.inf
        found = vector_model().answer(rows)
        assert [error is None for error in found.errors or ()] == [True, False, True, False, True]
        assert "a number in it is not finite" in str((found.errors or ())[1])
        assert found.labels[::2].tolist() == good.labels.tolist()
        with pytest.raises(StorageError, match="no answer for 2 of 5"):
            vector_model().decide(rows)

    def test_no_rows_give_no_answers(self) -> None:
        assert len(vector_model().answer(np.empty((0, WIDTH), np.float32))) == 0

    def test_images_are_refused_with_what_it_reads(self, tmp_path: Path) -> None:
        write_images(tmp_path, images(1).images)
        with pytest.raises(UsageError, match=rf"reads embeddings, rows of {WIDTH} numbers, and no images"):
            vector_model().predict(tmp_path)

    def test_it_is_its_own_part_behind_no_backbone(self) -> None:
        assert vector_model().on_embeddings is vector_model()
        assert vector_model().backbone is None
        assert vector_model().backbone_graph is None

    def test_rows_it_learned_from_do_not_calibrate(self) -> None:
        split = vector_split()
        fresh = vector_dataset(each=40, seed=11).train
        fresh = fresh.where(fresh.labels < 3)
        calibrated = vector_model().calibrated_by(fresh, 0.05)
        assert (calibrated.calibration_images, calibrated.alpha) == (120, 0.05)
        np.testing.assert_array_equal(
            np.sort(calibrated.calibration.scores),  # type: ignore[union-attr]
            np.sort(vector_model().decide(fresh.images).ood_score),
        )
        twice = LabelledImages(np.concatenate([fresh.images] * 2), np.concatenate([fresh.labels] * 2))
        assert vector_model().calibrated_by(twice, 0.05).calibration_images == 120  # copies count once
        for part in (split.train, split.validation):
            with pytest.raises(UsageError, match=r"was trained on \d+ of these"):
                vector_model().calibrated_by(part, 0.1)

    def test_folder_and_file_keep_all(self, tmp_path: Path) -> None:
        rows = vector_dataset(each=20, seed=5).train.images
        saved = save_model(vector_trained(), tmp_path / "model")
        wanted = saved.decide(rows)
        loaded = euinet.load(tmp_path / "model")
        assert loaded.card == saved.card == vector_trained().card
        np.testing.assert_array_equal(loaded.decide(rows).scores, wanted.scores)
        np.testing.assert_allclose(loaded.torch().decide(rows).scores, wanted.scores, rtol=1e-4, atol=1e-4)

        loaded.save_onnx(tmp_path / "one.onnx")
        alone = euinet.load(tmp_path / "one.onnx")
        np.testing.assert_array_equal(alone.decide(rows).scores, wanted.scores)
        assert alone.seen is not None
        with pytest.raises(UsageError, match="holds no network of torch"):
            alone.torch()


class TestBackbone:
    def test_images_are_decided_on_as_what_the_backbone_makes_of_them(self, backed: Model) -> None:
        known = images()
        found = backed.run(known.images, ("embedding", *OUTPUTS))
        np.testing.assert_allclose(found["embedding"], embedded(known.images), rtol=1e-4, atol=1e-3)
        behind = backed.on_embeddings
        assert behind.card == backed.card.of_embeddings()
        assert behind.class_names == backed.class_names == ("bird", "cat", "dog")
        again = behind.run(found["embedding"], OUTPUTS)
        for name in OUTPUTS:
            np.testing.assert_array_equal(found[name], again[name], err_msg=name)
        assert (backed.decide(known.images).classifier_labels == known.labels).mean() > 0.9

    def test_its_backbone_is_the_graph_it_was_made_with(self, backed: Model) -> None:
        found = backed.backbone
        assert found is not None
        assert found.card == toy_backbone().card
        assert found.preprocessing == toy_backbone().preprocessing
        assert backed.backbone_graph == found.content

        embedder = OnnxEmbedder(found.content, found.preprocessing)
        np.testing.assert_allclose(
            embedder.embed(images().images), embedded(images().images), rtol=1e-4, atol=1e-3
        )

    def test_files_are_answered_as_their_pixels(self, backed: Model, tmp_path: Path) -> None:
        known = images(3)
        write_images(tmp_path, known.images)
        answers = backed.predict(tmp_path)
        np.testing.assert_array_equal(answers.ood_score, backed.answer(known.images).ood_score)

    @pytest.mark.parametrize("shape", [(2, WIDTH), (2, 3, 9, 9), (2, 1, 8, 8)])
    def test_images_of_another_shape_are_one_sentence(self, backed: Model, shape: tuple[int, ...]) -> None:
        with pytest.raises(UsageError, match=r"the model reads uint8 \(0 … 255\) of shape \(N, 3, 8, 8\)"):
            backed.run(np.zeros(shape, np.uint8), ("label",))

    def test_images_and_their_embeddings_calibrate_alike(self, backed: Model) -> None:
        known = images(40)
        by_images = backed.calibrated_by(known, 0.05)
        rows = backed.run(known.images, ("embedding",))["embedding"]
        by_rows = backed.calibrated_by(replace(known, images=rows, digests=image_digests(known.images)), 0.05)
        assert by_images.fingerprint == by_rows.fingerprint
        assert (by_images.alpha, by_images.calibration_images) == (0.05, 120)
        assert by_images.on_embeddings.calibration_images == 120
        assert by_images.backbone_graph == backed.backbone_graph

    def test_images_it_learned_from_do_not_calibrate_whatever_stands_for_them(self, backed: Model) -> None:
        drawn = draw_images(60, COLOURS["bird"], 0)  # most of them were trained on
        known = LabelledImages(drawn, np.zeros(60, np.int64))
        rows = replace(known, images=embedded(drawn), digests=image_digests(drawn))
        for given in (known, rows):
            with pytest.raises(UsageError, match=r"was trained on \d+ of these"):
                backed.calibrated_by(given, 0.1)

    def test_its_network_of_torch_reads_embeddings_and_makes_the_same_file(
        self, backed: Model, tmp_path: Path
    ) -> None:
        known = images()
        trained = backed.calibrated_by(images(40, 9), 0.05).torch()
        assert trained.backbone_graph == backed.backbone_graph
        assert trained.card.backbone == backed.card.backbone
        rows = backed.run(known.images, ("embedding",))["embedding"]
        again = runtime_model(trained, "again")
        np.testing.assert_allclose(
            again.decide(known.images).scores, trained.decide(rows).scores, rtol=1e-4, atol=1e-4
        )
        assert again.alpha == 0.05
        again.save_pretrained(tmp_path / "copy")
        loaded = euinet.load(tmp_path / "copy")
        np.testing.assert_array_equal(loaded.decide(known.images).scores, again.decide(known.images).scores)
        assert loaded.torch().backbone_graph == backed.backbone_graph

    def test_a_loaded_and_an_exported_one_answer_alike(self, backed: Model, tmp_path: Path) -> None:
        assert backed.folder is not None
        known = images()
        wanted = backed.decide(known.images).scores
        np.testing.assert_array_equal(euinet.load(backed.folder).decide(known.images).scores, wanted)
        backed.with_alpha(0.2).save_onnx(tmp_path / "one.onnx")
        alone = euinet.load(tmp_path / "one.onnx")
        assert (alone.alpha, alone.card.backbone) == (0.2, backed.card.backbone)
        assert alone.on_embeddings.alpha == 0.2
        np.testing.assert_array_equal(
            alone.decide(known.images).ood_score, backed.decide(known.images).ood_score
        )

    @pytest.mark.parametrize("device", ["cuda", "mps"])
    def test_it_computes_on_the_processor(self, backed: Model, device: str) -> None:
        assert backed.on("cpu") is backed
        with pytest.raises(UsageError, match=rf"computes on the processor, by onnxruntime, not on {device}"):
            backed.on(device)


class TestWholeFile:
    def test_a_backbone_of_another_width_is_not_kept(self, backed: Model) -> None:
        narrow = backbone_graph(weights=np.ones((192, WIDTH - 1), np.float32))
        with pytest.raises(ExportError, match="was not kept"):
            whole_file(replace(backed.torch(), backbone_graph=narrow))

    def test_a_file_that_decides_otherwise_than_its_parts_is_not_kept(
        self, backed: Model, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Planted: the joined file decides by another model's network."""
        trained = backed.torch()
        other = replace(trained, network=_moved(trained.network))

        wrong = save.decision_file(
            replace(other, card=other.card.of_embeddings(), backbone_graph=None), "0" * 64
        )
        join = save.with_backbone
        monkeypatch.setattr(save, "with_backbone", lambda _, graph, card: join(wrong, graph, card))
        with pytest.raises(ExportError, match=r"does not decide as its parts do \(scores differs by"):
            whole_file(trained)


def _moved(network: nn.Module) -> nn.Module:
    moved = copy.deepcopy(network)
    with torch.no_grad():
        moved.classifier.bias[0] += 1  # type: ignore[index, operator, union-attr]
    return moved
