"""Images stored several times, planted: by their pixels they are one image, whatever they are called."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from euinet.data.sets.folders import load_folder
from euinet.data.split.fingerprint import image_digests
from euinet.data.split.holdout import hold_out_classes
from euinet.data.split.leaks import verify_split
from euinet.errors import DataError, SplitLeakError, UsageError
from euinet.records import Dataset, LabelledImages, LeftOut

PARTS = ("train", "validation", "calibration", "test")


def joined(part: LabelledImages, images: np.ndarray, labels: object) -> LabelledImages:
    return LabelledImages(
        np.concatenate([part.images, images]), np.concatenate([part.labels, np.asarray(labels, np.int64)])
    )


def thrice(dataset: Dataset) -> Dataset:
    """Every training image stored three times."""
    train = dataset.train
    return dataclasses.replace(dataset, train=joined(joined(train, *astuple(train)), *astuple(train)))


def astuple(part: LabelledImages) -> tuple[np.ndarray, np.ndarray]:
    return part.images, part.labels


def test_a_digest_is_of_the_pixels_alone() -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 3, 4, 4), np.uint8)
    digests = image_digests(images)
    assert digests.shape == (5,)
    assert len(set(digests.tolist())) == 5
    turned_back = np.ascontiguousarray(images[::-1])[::-1]
    assert np.array_equal(image_digests(turned_back), digests)
    changed = images.copy()
    changed[2, 1, 3, 0] ^= 1
    assert (image_digests(changed) != digests).tolist() == [False, False, True, False, False]
    assert len(image_digests(images[:0])) == 0


def test_what_is_stored_thrice_is_parted_once_and_counted(four_classes: Dataset) -> None:
    plain, copied = hold_out_classes(four_classes, [0]), hold_out_classes(thrice(four_classes), [0])
    for part in PARTS:
        assert np.array_equal(getattr(plain, part).images, getattr(copied, part).images)
    known = int((four_classes.train.labels != 0).sum())
    assert copied.left_out == LeftOut(copies=2 * known)
    assert copied.left_out.sentence() == (
        f"Left out by their pixels, for each image is used once: {2 * known} copies of other images."
    )
    assert plain.left_out == LeftOut()
    assert plain.left_out.sentence() == ""


def test_a_training_image_that_the_test_has_is_left_to_the_test(four_classes: Dataset) -> None:
    known = np.flatnonzero(four_classes.test.labels == 1)[:2]
    test = four_classes.test.where(known)
    split = hold_out_classes(
        dataclasses.replace(four_classes, train=joined(four_classes.train, test.images, test.labels)), [0]
    )
    assert split.left_out == LeftOut(in_test=2)
    learned = np.concatenate([image_digests(getattr(split, part).images) for part in PARTS[:3]])
    assert not np.isin(image_digests(test.images), learned).any()


def test_an_image_in_two_known_classes_teaches_neither(four_classes: Dataset) -> None:
    twice = four_classes.train.where(np.flatnonzero(four_classes.train.labels == 1)[:3])
    split = hold_out_classes(
        dataclasses.replace(four_classes, train=joined(four_classes.train, twice.images, [2] * 3)), [0]
    )
    assert split.left_out == LeftOut(two_classes=6)
    learned = np.concatenate([image_digests(getattr(split, part).images) for part in PARTS[:3]])
    assert not np.isin(image_digests(twice.images), learned).any()


@pytest.mark.parametrize("part", ["train", "test"])
@pytest.mark.parametrize("into", ["train", "test"])
def test_a_held_out_image_inside_a_known_class_is_refused(
    four_classes: Dataset, part: str, into: str
) -> None:
    unknown = getattr(four_classes, part)
    unknown = unknown.where(np.flatnonzero(unknown.labels == 0)[:2])
    planted = dataclasses.replace(
        four_classes, **{into: joined(getattr(four_classes, into), unknown.images, [3, 3])}
    )
    with pytest.raises(
        DataError, match="2 images of '3' have the same pixels as images of '0', which is held out"
    ):
        hold_out_classes(planted, [0])


def test_copies_of_unknown_images_are_no_leak(four_classes: Dataset) -> None:
    unknown = four_classes.train.where(four_classes.train.labels == 0)
    more = dataclasses.replace(
        four_classes,
        train=joined(four_classes.train, *astuple(unknown)),
        test=joined(four_classes.test, *astuple(unknown)),
    )
    assert hold_out_classes(more, [0]).left_out == LeftOut()


@pytest.mark.parametrize(
    ("first", "second"), [("train", "calibration"), ("train", "test"), ("validation", "test")]
)
def test_a_copy_at_another_position_is_caught(four_classes: Dataset, first: str, second: str) -> None:
    """What positions cannot show: the same pixels stand twice in the data set, once in each part."""
    split = hold_out_classes(four_classes, [0])
    taken = getattr(split, first).where(np.array([0]))
    source = "test" if second == "test" else "train"
    own = [split.known_classes[taken.labels[0]]]
    planted = dataclasses.replace(
        four_classes, **{source: joined(getattr(four_classes, source), taken.images, own)}
    )
    positions = getattr(split.positions, second)
    leaked = dataclasses.replace(
        split,
        positions=dataclasses.replace(
            split.positions, **{second: np.append(positions, len(getattr(four_classes, source)))}
        ),
        **{second: joined(getattr(split, second), taken.images, taken.labels)},
    )
    with pytest.raises(
        SplitLeakError, match=f"{first} and {second} share 1 image of class '.', by their pixels"
    ):
        verify_split(leaked, planted)


def test_a_calibration_image_that_counts_twice_is_caught(four_classes: Dataset) -> None:
    split = hold_out_classes(four_classes, [0], calibration_fraction=0.2)
    again = np.append(np.arange(len(split.calibration)), 0)
    leaked = dataclasses.replace(
        split,
        calibration=split.calibration.where(again),
        positions=dataclasses.replace(split.positions, calibration=split.positions.calibration[again]),
    )
    with pytest.raises(SplitLeakError, match="calibration counts 1 image twice"):
        verify_split(leaked, four_classes)


def test_of_a_folder_each_image_is_read_into_one_part(tmp_path: Path) -> None:
    """Three copies under other names, formats and folders: never one in training, one in the test."""
    generator = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (tmp_path / name / "more").mkdir(parents=True)
        for number in range(10):
            image = Image.fromarray(generator.integers(0, 256, (16, 16), np.uint8))
            image.save(tmp_path / name / f"{number}.png")
            image.save(tmp_path / name / f"again-{number}.bmp")
            image.save(tmp_path / name / "more" / f"{9 - number}.pgm")
    said: list[str] = []
    dataset = load_folder(tmp_path, 16, notify=said.append)
    assert (len(dataset.train), len(dataset.test)) == (16, 4)
    assert said == ["40 images are copies of others in their class and were left out."]
    assert not np.isin(image_digests(dataset.test.images), image_digests(dataset.train.images)).any()


def test_the_test_part_counts_an_image_once_and_none_of_two_classes(four_classes: Dataset) -> None:
    """Planted: each test image four times, and two of class 1 as class 2 as well."""
    test = four_classes.test
    two = test.where(np.flatnonzero(test.labels == 1)[:2])
    planted = joined(test.where(np.tile(np.arange(len(test)), 4)), two.images, [2, 2])
    split = hold_out_classes(dataclasses.replace(four_classes, test=planted), [0])
    assert len(split.test) == len(test) - 2
    # 2 images stand 4 times as class 1 and once as class 2; of the others 3 of 4 are copies
    assert split.left_out == LeftOut(copies=3 * (len(test) - 2), two_classes=2 * 5)
    assert not np.isin(image_digests(two.images), image_digests(split.test.images)).any()


def test_where_copies_leave_too_few_images_it_is_said(four_classes: Dataset) -> None:
    ones = np.flatnonzero(four_classes.train.labels == 1)
    same = four_classes.train.images.copy()
    same[ones] = same[ones[0]]
    planted = dataclasses.replace(four_classes, train=LabelledImages(same, four_classes.train.labels))
    with pytest.raises(DataError, match=r"Class '1' has 1 training image, but .* 24 copies of other images"):
        hold_out_classes(planted, [0])


def test_classes_of_any_kind_are_held_out_by_their_names(four_classes: Dataset) -> None:
    floats = dataclasses.replace(four_classes, class_names=("0.0", "1.0", "2.0", "3.5"))
    assert hold_out_classes(floats, [3.5]).unknown_names == ("3.5",)  # type: ignore[list-item]
    with pytest.raises(UsageError, match=r"There is no class '4\.5' to hold out"):
        hold_out_classes(floats, [4.5])  # type: ignore[list-item]
