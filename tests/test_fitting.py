"""`euinet.fit`: from images and labels that a caller holds to a model, by the one way that all share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import euinet
from euinet.answers import PixelArray
from euinet.errors import UsageError
from euinet.fitting import fit
from tiny import TINY, quadrants
from vectors import NAMES as VECTOR_NAMES
from vectors import vector_dataset

NAMES = np.array(["north-west", "north-east", "south-west", "south-east"])
FAST: dict[str, Any] = {"preset": "report", "settings": TINY | {"scoring.epsilon": "0"}, "device": "cpu"}


@pytest.fixture(scope="module")
def given() -> tuple[PixelArray, list[str]]:
    known = quadrants(20, torch.Generator().manual_seed(3))
    return known.images, NAMES[known.labels].tolist()


def test_arrays_and_names_become_a_model(given: tuple[PixelArray, list[str]], tmp_path: Path) -> None:
    images, labels = given
    said: list[str] = []
    model = fit(images, labels, notify=said.append, **FAST)
    assert model.class_names == tuple(sorted(NAMES))
    assert (model.card.channels, model.card.image_size) == (1, 8)
    # of each class's 20 images a tenth may calibrate: 8, and the least alpha that they can promise is 1/9
    assert (model.calibration_images, model.alpha) == (8, 0.112)
    assert said[0].startswith("alpha 0.01 needs 99 calibration images, but there are 8: it is 0.112 here.")
    assert len(model.predict(images[:5])) == 5
    assert model.card.command is not None
    assert model.card.command.startswith(
        "euinet.fit(images, labels, alpha=0.01, hold_out=[], preset='report', "
    )

    model.save_pretrained(tmp_path)
    loaded = euinet.load(tmp_path)
    np.testing.assert_array_equal(loaded.predict(images).ood_score, model.predict(images).ood_score)
    assert loaded.torch().card == model.card


def test_the_layout_of_an_array_and_a_list_of_files_make_no_difference(
    given: tuple[PixelArray, list[str]], tmp_path: Path
) -> None:
    images, labels = given
    paths = [tmp_path / f"{number:03}.png" for number in range(len(images))]
    for path, image in zip(paths, images, strict=True):
        Image.fromarray(image[0]).save(path)
    expected = fit(images, labels, **FAST).predict(images).ood_score
    for other in (images[:, 0], images.transpose(0, 2, 3, 1)):
        np.testing.assert_array_equal(fit(other, labels, **FAST).predict(images).ood_score, expected)
    coloured = fit(paths, labels, image_size=16, **FAST)
    assert (coloured.card.channels, coloured.card.image_size) == (3, 16)


def test_a_class_that_is_left_out_is_never_seen(given: tuple[PixelArray, list[str]]) -> None:
    images, labels = given
    without = np.array(labels) != "south-west"  # the last: the others keep their numbers
    model = fit(images, labels, hold_out=["south-west"], **FAST)
    assert "south-west" not in model.class_names
    alone = fit(images[without], np.array(labels)[without], **FAST)
    np.testing.assert_array_equal(model.predict(images).ood_score, alone.predict(images).ood_score)


def test_a_folder_goes_on_where_it_stopped_and_global_randomness_stays(
    given: tuple[PixelArray, list[str]], tmp_path: Path
) -> None:
    images, labels = given
    for name in NAMES:
        (tmp_path / "photos" / name).mkdir(parents=True)
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        Image.fromarray(image[0]).resize((16, 16)).save(tmp_path / "photos" / label / f"{number}.png")
    torch.manual_seed(7)
    before = torch.get_rng_state()
    first = fit(tmp_path / "photos", image_size=16, out=tmp_path / "run", **FAST)
    assert torch.equal(torch.get_rng_state(), before)
    again = fit(tmp_path / "photos", image_size=16, out=tmp_path / "run", **FAST)
    assert again.fingerprint == first.fingerprint
    assert euinet.load(tmp_path / "run" / "model").fingerprint == first.fingerprint


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        (["a", "b"], "There are 80 images and 2 labels: give one for each image."),
        (["a"] * 80, "All images have one label, a: at least 2 classes are needed."),
    ],
)
def test_labels_that_do_not_fit_are_one_sentence(
    given: tuple[PixelArray, list[str]], labels: list[str], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        fit(given[0], labels, **FAST)


ROWS = {
    "alpha": 0.1,
    "settings": {
        "training.min_steps": 100,
        "training.epochs": 1,
        "training.optimizer.learning_rate": 0.03,  # six numbers a row need larger weights than hundreds
        "model.disc_hidden": 8,
    },
}


def test_embeddings_are_the_same_model_from_an_array_and_a_table(tmp_path: Path) -> None:
    rows = vector_dataset(each=60).train
    names = np.array(VECTOR_NAMES)[rows.labels]
    np.save(tmp_path / "X.npy", rows.images)
    (tmp_path / "y.csv").write_text("\n".join(["label", *names]))
    np.savez(tmp_path / "t.npz", features=rows.images, label=names, split=["train"] * 200 + ["test"] * 40)
    model = fit(tmp_path / "X.npy", tmp_path / "y.csv", **ROWS)
    assert (model.class_names, model.card.width) == (VECTOR_NAMES, rows.images.shape[1])
    assert model.card.command.startswith("euinet.fit('")
    assert (np.array(model.predict(rows.images).best_classes) == rows.labels).mean() > 0.9
    by_table, by_array = fit(tmp_path / "t.npz", **ROWS), fit(rows.images[:200], names[:200], **ROWS)
    found = by_table.predict(rows.images).ood_score
    np.testing.assert_allclose(found, by_array.predict(rows.images).ood_score, atol=1e-5)
    with pytest.raises(UsageError, match=r"t\.npz holds embeddings, which have no image_size: leave it out"):
        fit(tmp_path / "t.npz", image_size=32, **ROWS)


def test_logits_of_a_table_are_the_answers(tmp_path: Path) -> None:
    rows = vector_dataset(each=60).train
    logits = np.random.default_rng(3).normal(size=(240, 4)).astype(np.float32)  # of a bad classifier
    names = np.array(VECTOR_NAMES)[rows.labels]
    np.savez(tmp_path / "both.npz", features=rows.images, logits=logits, label=names)
    model = fit(tmp_path / "both.npz", **ROWS)
    answers = model.predict(np.hstack([rows.images, logits]))
    assert answers.best_classes.tolist() == logits.argmax(axis=1).tolist()
    with pytest.raises(UsageError, match="no class can be held out"):
        fit(tmp_path / "both.npz", hold_out=["sock"], **ROWS)


def test_what_is_neither_data_nor_folder_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="There is no data set"):
        fit(tmp_path / "nowhere", **FAST)
    with pytest.raises(UsageError, match=r"training\.epoch"):
        fit("digits", settings={"training.epoch": 3})
