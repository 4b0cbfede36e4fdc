"""How a folder of images lies: in parts or not, under which names, and what is asked back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from euinet.data.sets.datasets import load_dataset
from euinet.data.sets.folders import load_folder, load_whole_folder
from euinet.data.split.holdout import hold_out_classes
from euinet.data.split.leaks import verify_split
from euinet.errors import DataError, SplitLeakError
from euinet.records import LabelledImages, Split


def save(path: Path, value: int = 100, mode: str = "L") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    colour = (value, 0, 0) if mode == "RGB" else value
    Image.new(mode, (20, 20), colour).save(path)
    return path


def make(root: Path, *parts: str, classes: Sequence[str] = "ab", count: int = 6) -> Path:
    """Write `count` images of each class below each part; each image has a value of its own."""
    value = 0
    for part in parts:
        for name in classes:
            for number in range(count):
                save(root / part / name / f"{number}.png", value)
                value += 1
    return root


@pytest.mark.parametrize("parts", [("",), ("test",), ("train", "Val", "TEST"), ("valid",)])
def test_a_whole_folder_is_all_its_images(parts: tuple[str, ...], tmp_path: Path) -> None:
    make(tmp_path, *parts)
    found = load_whole_folder(tmp_path, 16)
    assert found.class_names == ("a", "b")
    assert np.bincount(found.images.labels).tolist() == [6 * len(parts)] * 2
    assert sorted(found.images.images[:, 0, 0, 0].tolist()) == list(range(12 * len(parts)))


def test_a_whole_folder_takes_the_models_order_and_channels_and_adds_what_it_lacks(tmp_path: Path) -> None:
    make(tmp_path, "test", classes="ba")
    found = load_whole_folder(tmp_path, 16, ("z", "b"), channels=3)
    assert found.class_names == ("z", "b", "a")
    assert found.images.labels.tolist() == [2] * 6 + [1] * 6
    assert found.images.images.shape == (12, 3, 16, 16)


def test_a_whole_folder_of_one_class_is_enough(tmp_path: Path) -> None:
    make(tmp_path, "", classes="a")
    assert load_whole_folder(tmp_path, 16).class_names == ("a",)


def seen(images: LabelledImages) -> set[int]:
    return set(images.images[:, 0, 0, 0].tolist())


def part_values(split: Split) -> list[set[int]]:
    return [seen(part) for part in (split.train, split.validation, split.calibration, split.test)]


@pytest.mark.parametrize(
    "parts", [("train", "val", "test"), ("Training", "valid", "TESTING"), ("TRAIN", "dev", "eval")]
)
def test_validation_images_set_ranges_and_calibrate_and_none_is_trained_on(
    parts: tuple[str, ...], tmp_path: Path
) -> None:
    dataset = load_folder(make(tmp_path, *parts), 16)
    split = hold_out_classes(dataset, [])
    train, validation, calibration, test = part_values(split)
    assert (train, test) == (set(range(12)), set(range(24, 36)))
    assert validation | calibration == set(range(12, 24))
    assert not validation & calibration
    # 0.08 to set ranges by and 0.04 to calibrate with: two to one, of each class
    assert np.bincount(split.validation.labels).tolist() == [4, 4]
    assert np.bincount(split.calibration.labels).tolist() == [2, 2]


def test_without_a_test_folder_a_third_of_the_validation_images_is_it(tmp_path: Path) -> None:
    told: list[str] = []
    dataset = load_folder(make(tmp_path, "train", "validation"), 16, told.append)
    train, validation, calibration, test = part_values(hold_out_classes(dataset, []))
    assert train == set(range(12))
    assert len(test) == 4
    assert validation | calibration | test == set(range(12, 24))
    assert told == ["There is no part for the test: a third of the validation images is it, 4."]


def test_the_proof_sees_validation_images_that_are_trained_on(tmp_path: Path) -> None:
    dataset = load_folder(make(tmp_path, "train", "val", "test"), 16)
    split = hold_out_classes(dataset, [])
    swapped = Split(
        **vars(split)
        | {
            "train": split.calibration,
            "calibration": split.train,
            "positions": type(split.positions)(
                split.positions.calibration,
                split.positions.validation,
                split.positions.train,
                split.positions.test,
            ),
        }
    )
    with pytest.raises(SplitLeakError, match="train has 4 images of the data set which are for validation"):
        verify_split(swapped, dataset)


def test_a_class_may_have_a_parts_name(tmp_path: Path) -> None:
    make(tmp_path, "", classes=["cat", "dog", "val"])
    assert load_folder(tmp_path, 16).class_names == ("cat", "dog", "val")


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (["train/a/1.png", "train/b/1.png"], "has train alone: images to train on are in train, beside it"),
        (["test/a/1.png", "test/b/1.png"], "has test alone: images to train on are in train"),
        (["val/a/1.png", "val/b/1.png", "test/a/1.png"], "has test and validation alone"),
        (
            ["train/a/1.png", "train/b/1.png", "extra/a/1.png"],
            "has train, by name a part of data, beside extra",
        ),
        (["train/1.png", "test/1.png"], "test has no class folders: make one folder of images a class in it"),
        (["train/1.png", "test/1.png", "cat/1.png"], "has test, train, by name a part of data, beside cat"),
        (["train/a/1.png", "Train/a/1.png"], "of which two are for the same: join them"),
        (["train/a/1.png", "train/b/1.png", "val/a/1.png", "valid/b/1.png"], "two are for the same"),
        (["train/a/1.png", "train/b/1.png", "val/a/1.png"], "same classes, but only one of them has b"),
        (["train/a/1.png", "train/b/1.png", "test/a/1.png", "test/c/1.png"], "only one of them has b, c"),
    ],
)
def test_what_can_be_understood_in_two_ways_is_asked_back(
    files: list[str], says: str, tmp_path: Path
) -> None:
    for file in files:
        save(tmp_path / file)
    with pytest.raises(DataError, match=says):
        load_folder(tmp_path, 16)


def test_a_folder_without_images_beside_the_parts_is_no_class(tmp_path: Path) -> None:
    make(tmp_path, "train", "test")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.json").write_text("{}")
    assert load_folder(tmp_path, 16).class_names == ("a", "b")


@pytest.mark.parametrize(("count", "needed"), [(1, 4), (2, 4), (3, 4)])
def test_a_small_class_is_told_how_many_images_its_folder_needs(
    count: int, needed: int, tmp_path: Path
) -> None:
    make(tmp_path, "", count=10)
    for number in range(count):
        save(tmp_path / "few" / f"{number}.png", 200 + number)
    plural = "image" if count == 1 else "images"
    with pytest.raises(
        DataError, match=f"'few' has {count} {plural}, but at least {needed} are needed to fill 4"
    ):
        hold_out_classes(load_folder(tmp_path, 16), [])
    assert hold_out_classes(load_folder(tmp_path, 16), ["few"]).unknown_names == ("few",)
    for number in range(count, needed):
        save(tmp_path / "few" / f"{number}.png", 200 + number)
    assert hold_out_classes(load_folder(tmp_path, 16), []).class_names == ("a", "b", "few")


@pytest.mark.parametrize(("count", "needed"), [(1, 3), (2, 3)])
def test_a_small_class_of_the_validation_images_is_told_likewise(
    count: int, needed: int, tmp_path: Path
) -> None:
    make(tmp_path, "train", "val", count=10)
    for name in ("train", "val"):
        for number in range(count):
            save(tmp_path / name / "few" / f"{number}.png", (200 if name == "val" else 220) + number)
    with pytest.raises(DataError, match=f"'few' has {count} validation images?, but at least {needed}"):
        hold_out_classes(load_folder(tmp_path, 16), [])


def test_linked_class_folders_and_linked_folders_in_them_are_read_once(tmp_path: Path) -> None:
    elsewhere = make(tmp_path / "elsewhere", "", classes="cd")
    for number in range(4):
        save(tmp_path / "data" / "a" / f"{number}.png", 100 + number)
    (tmp_path / "data" / "b").symlink_to(elsewhere / "c")
    (tmp_path / "data" / "a" / "more").symlink_to(elsewhere / "d")
    (tmp_path / "data" / "a" / "same").symlink_to(elsewhere / "d")
    (tmp_path / "data" / "a" / "up").symlink_to(tmp_path / "data")
    (tmp_path / "data" / "around").symlink_to(tmp_path / "data")
    (tmp_path / "data" / "dead").symlink_to(tmp_path / "nowhere")
    told: list[str] = []
    found = load_whole_folder(tmp_path / "data", 16, notify=told.append)
    assert found.class_names == ("a", "b")
    assert np.bincount(found.images.labels).tolist() == [10, 6]
    assert told == [
        "2 links to nowhere or to what is read anyway: passed over.",
        "2 images in no class, beside the class folders: passed over.",
    ]


def test_what_is_no_image_by_name_is_counted_by_its_ending(tmp_path: Path) -> None:
    make(tmp_path, "")
    for name in ("1.heic", "2.HEIC", "3.avif", "notes", "5.a-long-ending"):
        (tmp_path / "a" / name).touch()
    save(tmp_path / "a" / "x.png", 250).rename(tmp_path / "a" / "x.JPE")
    save(tmp_path / "lost.png")
    told: list[str] = []
    dataset = load_dataset(str(tmp_path), image_size=16, notify=told.append)
    assert len(dataset.train) + len(dataset.test) == 13
    assert told == [
        "5 files without an image's name (.heic: 2, no ending: 2, .avif: 1): passed over.",
        "1 image in no class, beside the class folders: passed over.",
    ]


def test_channels_can_be_asked_for_so_that_a_model_sees_what_prediction_sees(tmp_path: Path) -> None:
    make(tmp_path, "train", "test")
    assert load_folder(tmp_path, 16).test.images.shape[1] == 1
    assert load_folder(tmp_path, 16, channels=3).test.images.shape[1] == 3
    save(tmp_path / "test" / "a" / "red.png", 200, mode="RGB")
    coloured = load_folder(tmp_path, 16)
    assert (coloured.train.images.shape[1], coloured.test.images.shape[1]) == (3, 3)
    assert load_folder(tmp_path, 16, channels=1).train.images.shape[1] == 1


@pytest.mark.parametrize("names", [("train_set", "test_set"), ("train2017", "val2017"), ("ours", "theirs")])
def test_parts_under_names_of_their_own_are_asked_back(names: tuple[str, ...], tmp_path: Path) -> None:
    make(tmp_path, *names)
    with pytest.raises(DataError, match="hold the same folders, a, b: if they are parts of the data"):
        load_folder(tmp_path)


def test_classes_whose_images_lie_in_folders_alike_are_classes(tmp_path: Path) -> None:
    make(tmp_path, "cat/2023", "cat/2024", "dog/2023", "dog/2024", classes=[""])
    save(tmp_path / "cat" / "x.png", 250)
    assert load_folder(tmp_path).class_names == ("cat", "dog")
