from __future__ import annotations

import dataclasses
import itertools

import numpy as np
import pytest

from euinet.data.split.classes import check_numbers, class_numbers
from euinet.data.split.holdout import hold_out_classes, pseudo_dataset, split_dataset
from euinet.data.split.leaks import verify_split
from euinet.errors import DataError, SplitLeakError, UsageError
from euinet.presets import DataSettings
from euinet.records import Dataset, LabelledImages

TRAINING_SIDE = ("train", "validation", "calibration")


def with_part(split, part, images=None, labels=None, positions=None):
    """Return the split with one part tampered with."""
    old = getattr(split, part)
    new = LabelledImages(old.images if images is None else images, old.labels if labels is None else labels)
    kept = getattr(split.positions, part) if positions is None else positions
    return dataclasses.replace(
        split, positions=dataclasses.replace(split.positions, **{part: kept}), **{part: new}
    )


def every_image(part):
    return {image.tobytes() for image in part.images}


def test_parts_hold_what_they_promise(four_classes):
    split = hold_out_classes(four_classes, [0], validation_fraction=0.2, calibration_fraction=0.4)
    assert (split.known_classes, split.unknown_classes) == ((1, 2, 3), (0,))
    assert (split.class_names, split.unknown_names) == (("1", "2", "3"), ("0",))
    # Of 25 images a known class: a fifth, two fifths, the rest.
    assert np.bincount(split.validation.labels).tolist() == [5, 5, 5]
    assert np.bincount(split.calibration.labels).tolist() == [10, 10, 10]
    assert np.bincount(split.train.labels).tolist() == [10, 10, 10]
    # Known label k is class k + 1 here; digit 0 held out is −1, never 0.
    assert split.test.labels.tolist() == [-1, 0, 1, 2] * 5
    assert np.array_equal(split.test.images, four_classes.test.images)


def test_no_image_is_in_two_parts_and_no_unknown_one_in_any(four_classes):
    split = hold_out_classes(four_classes, [2])
    unknown = every_image(four_classes.train.where(four_classes.train.labels == 2))
    parts = [every_image(getattr(split, part)) for part in TRAINING_SIDE]
    assert sum(map(len, parts)) == 75
    for first, second in itertools.combinations([*parts, unknown], 2):
        assert not first & second


def test_the_seed_decides(four_classes):
    first, again, other = (hold_out_classes(four_classes, [0], seed=seed) for seed in (5, 5, 6))
    for part in TRAINING_SIDE:
        assert np.array_equal(getattr(first.positions, part), getattr(again.positions, part))
        assert not np.array_equal(getattr(first.positions, part), getattr(other.positions, part))


def test_other_held_out_classes_do_not_move_an_image(four_classes):
    first, second = (hold_out_classes(four_classes, held_out) for held_out in ([0], [1]))
    labels = four_classes.train.labels
    for part in TRAINING_SIDE:
        ours, theirs = (getattr(split.positions, part) for split in (first, second))
        assert ours[labels[ours] == 3].tolist() == theirs[labels[theirs] == 3].tolist()


def test_nothing_held_out_leaves_every_class_known(four_classes):
    split = hold_out_classes(four_classes, [])
    assert split.unknown_classes == ()
    assert np.array_equal(split.test.labels, four_classes.test.labels)


def test_several_unknown_classes_have_labels_of_their_own(four_classes):
    split = hold_out_classes(four_classes, ["3", 0])
    assert split.unknown_classes == (0, 3)
    assert split.test.labels.tolist() == [-1, 0, 1, -4] * 5


def test_a_string_is_a_name_first_and_then_a_number(four_classes):
    renamed = dataclasses.replace(four_classes, class_names=("3", "cat", "dog", "emu"))
    assert hold_out_classes(renamed, ["3"]).unknown_classes == (0,)
    assert hold_out_classes(renamed, ["2"]).unknown_classes == (2,)
    assert hold_out_classes(renamed, ["emu"]).unknown_classes == (3,)
    assert hold_out_classes(renamed, [3]).unknown_classes == (3,)


@pytest.mark.parametrize(
    ("names", "text", "meant"),
    [
        (("0", "1", "10", "2"), "2", ["2"]),
        (("0", "1", "10", "2"), "0,10", ["0", "10"]),
        (("10", "11", "0"), "0", ["0"]),
        (("a, b", "a", "b", "c"), "a, b", ["a, b"]),
        (("a, b", "a", "b", "c"), "c,a, b", ["a, b", "c"]),
        (("a, b", "a", "b", "c"), "b,a", ["a", "b"]),
        (("x y", "  x", "z", "w"), "  x, x y ,", ["x y", "  x"]),
        (("caf\u00e9", "b", "c"), "cafe\u0301", ["caf\u00e9"]),
        (("cat", "dog", "emu", "fox"), "1, fox", ["dog", "fox"]),
    ],
)
def test_what_a_text_holds_out(names: tuple[str, ...], text: str, meant: list[str]) -> None:
    assert [names[number] for number in class_numbers([text], names)] == meant


@pytest.mark.parametrize("text", ["3", "1", "9" * 5000, " ", ",", "10,3"])
def test_a_number_is_no_place_among_classes_that_are_numbers(text: str) -> None:
    with pytest.raises(UsageError, match=r"There is no class '.*' to hold out\..* Give one of 0, 10, 2, 20"):
        class_numbers([text], ("0", "10", "2", "20"))


def test_a_number_from_python_that_may_mean_two_classes_is_asked_back() -> None:
    with pytest.raises(UsageError, match="Class number 1 is called '10', so 1 may mean either"):
        check_numbers([1], ("0", "10", "2", "20"))
    check_numbers([0, "10"], ("0", "10", "2", "20"))
    check_numbers([1], ("cat", "dog"))


@pytest.mark.parametrize("value", [4, -1, "4", "-1", "emu", ""])
def test_a_wrong_class_is_named(four_classes, value):
    with pytest.raises(UsageError, match=rf"no class '{value}'.* 0 … 3 or one of 0, 1, 2, 3"):
        hold_out_classes(four_classes, [value])


def test_a_misspelt_class_gets_a_suggestion(four_classes):
    renamed = dataclasses.replace(four_classes, class_names=("truck", "cat", "dog", "emu"))
    with pytest.raises(UsageError, match="Did you mean 'truck'"):
        hold_out_classes(renamed, ["trukc"])


def test_contradictions_are_refused(four_classes):
    with pytest.raises(UsageError, match="'1' is held out twice"):
        hold_out_classes(four_classes, [1, "1"])
    with pytest.raises(UsageError, match="3 of 4 classes are held out, which leaves 1"):
        hold_out_classes(four_classes, [0, 1, 2])
    with pytest.raises(UsageError, match="must be a list, not '01'"):
        hold_out_classes(four_classes, "01")
    with pytest.raises(UsageError, match="must be a list, not None"):
        hold_out_classes(four_classes, None)
    with pytest.raises(UsageError, match=r"validation fraction is 0"):
        hold_out_classes(four_classes, [0], validation_fraction=0)
    with pytest.raises(UsageError, match=r"calibration fraction is nan"):
        hold_out_classes(four_classes, [0], calibration_fraction=float("nan"))
    with pytest.raises(UsageError, match=r"0\.5 and 0\.5, but must add up to less than 1"):
        hold_out_classes(four_classes, [0], validation_fraction=0.5, calibration_fraction=0.5)
    with pytest.raises(UsageError, match="seed is -1"):
        hold_out_classes(four_classes, [0], seed=-1)


def test_each_part_gets_an_image_of_each_known_class_or_says_how_many_it_needs(four_classes):
    def with_images_of_class_3(count):
        train = four_classes.train
        kept = (train.labels != 3) | (np.arange(len(train)) < 4 * count)
        return Dataset("few", four_classes.class_names, train.where(kept), four_classes.test)

    split = hold_out_classes(with_images_of_class_3(3), [0])
    assert [int((getattr(split, part).labels == 2).sum()) for part in TRAINING_SIDE] == [1, 1, 1]
    with pytest.raises(DataError, match="'3' has 2 training images, but at least 3 are needed"):
        hold_out_classes(with_images_of_class_3(2), [0])


# --- planted leaks -------------------------------------------------------------------------------


def test_an_unknown_image_under_a_known_label_is_caught(four_classes):
    split = hold_out_classes(four_classes, [0])
    unknown = np.flatnonzero(four_classes.train.labels == 0)[:2]
    leaked = with_part(
        split,
        "calibration",
        np.concatenate([split.calibration.images, four_classes.train.images[unknown]]),
        np.concatenate([split.calibration.labels, np.array([1, 1])]),
        np.concatenate([split.positions.calibration, unknown]),
    )
    with pytest.raises(SplitLeakError, match="calibration has 2 images of the unknown class '0'"):
        verify_split(leaked, four_classes)


@pytest.mark.parametrize("part", TRAINING_SIDE)
def test_an_unknown_image_under_a_false_position_is_caught(four_classes, part):
    split = hold_out_classes(four_classes, [0])
    images = getattr(split, part).images.copy()
    images[0] = four_classes.train.images[four_classes.train.labels == 0][0]
    with pytest.raises(SplitLeakError, match=f"{part} has 1 image in the place of class '.'"):
        verify_split(with_part(split, part, images=images), four_classes)


@pytest.mark.parametrize(("first", "second"), list(itertools.combinations(TRAINING_SIDE, 2)))
def test_a_shared_image_is_caught(four_classes, first, second):
    split = hold_out_classes(four_classes, [0])
    taken, old = getattr(split, first), getattr(split, second)
    leaked = with_part(
        split,
        second,
        np.concatenate([old.images, taken.images[:1]]),
        np.concatenate([old.labels, taken.labels[:1]]),
        np.concatenate([getattr(split.positions, second), getattr(split.positions, first)[:1]]),
    )
    its_class = split.class_names[taken.labels[0]]
    with pytest.raises(SplitLeakError, match=f"{first} and {second} share 1 image of class '{its_class}'"):
        verify_split(leaked, four_classes)


@pytest.mark.parametrize("part", [*TRAINING_SIDE, "test"])
def test_a_tampered_label_is_caught(four_classes, part):
    split = hold_out_classes(four_classes, [0])
    labels = getattr(split, part).labels.copy()
    # The first test image is of the unknown class "0"; it becomes known label 0.
    its_class = "0" if part == "test" else split.class_names[labels[0]]
    labels[0] = (labels[0] + 1) % 3
    complaint = f"{part} has 1 image of class '{its_class}' under another label"
    with pytest.raises(SplitLeakError, match=complaint):
        verify_split(with_part(split, part, labels=labels), four_classes)


def test_positions_must_fit_the_part_and_the_data_set(four_classes):
    split = hold_out_classes(four_classes, [0])
    with pytest.raises(SplitLeakError, match=r"train has \d+ images but \d+ positions"):
        verify_split(with_part(split, "train", positions=split.positions.train[1:]), four_classes)
    outside = split.positions.test.copy()
    outside[3] = 20
    with pytest.raises(SplitLeakError, match="test has 1 image from outside the data set"):
        verify_split(with_part(split, "test", positions=outside), four_classes)


def test_a_class_must_be_either_known_or_unknown(four_classes):
    split = hold_out_classes(four_classes, [0])
    with pytest.raises(SplitLeakError, match="either known or unknown"):
        verify_split(dataclasses.replace(split, unknown_classes=()), four_classes)


# --- a known class as the pseudo-unknown -----------------------------------------------------------


def test_the_pseudo_unknown_is_a_known_class_and_nothing_real_is_seen(four_classes):
    real = hold_out_classes(four_classes, [0], validation_fraction=0.2, calibration_fraction=0.2)
    pseudo = hold_out_classes(pseudo_dataset(real, 1), [1])  # real class "2"
    assert (pseudo.class_names, pseudo.unknown_names) == (("1", "3"), ("2",))
    used = set().union(*(every_image(getattr(pseudo, part)) for part in (*TRAINING_SIDE, "test")))
    assert used == every_image(real.train) | every_image(real.validation)
    assert not used & every_image(real.test)
    assert not used & every_image(real.calibration)
    assert not used & every_image(four_classes.train.where(four_classes.train.labels == 0))
    # Test: 5 validation images of each of the two other classes; all 5 + 15 of the pseudo-unknown.
    assert [int((pseudo.test.labels == label).sum()) for label in (0, 1, -2)] == [5, 5, 20]
    verify_split(pseudo, pseudo_dataset(real, 1))


def test_a_pseudo_unknown_must_be_a_known_label(four_classes):
    split = hold_out_classes(four_classes, [0])
    with pytest.raises(UsageError, match="no known label 3: give 0 … 2"):
        pseudo_dataset(split, 3)


def settings(**changes: float) -> DataSettings:
    return DataSettings(**{"validation_fraction": 0.08, "calibration_fraction": 0.04, **changes})


@pytest.mark.parametrize(
    ("images", "validation", "calibration"),
    [
        (54_000, 0.08, 0.04),  # enough of both
        (1_250, 0.08, 0.081),  # 100 of 1,250, a little more than 0.08, so that rounding does not lose one
        (500, 0.1, 0.2),
        (60, 0.2, 0.2),  # never more than a fifth each
        (0, 0.2, 0.2),
    ],
)
def test_small_data_gives_larger_shares(images: int, validation: float, calibration: float) -> None:
    fractions = settings().for_images(images).fractions
    assert fractions["validation_fraction"] == pytest.approx(validation, abs=0.0011)
    assert fractions["calibration_fraction"] == pytest.approx(calibration, abs=0.0011)


def test_asking_twice_changes_nothing() -> None:
    once = settings().for_images(700)
    assert once.for_images(700) == once


def test_a_preset_parts_a_data_set_by_the_images_that_are_known(four_classes: Dataset) -> None:
    split = split_dataset(four_classes, [0], settings(fewest_validation=6, fewest_calibration=9), 0)
    # 3 × 25 known images: 6/75 = 0.08 of each 25 are 2, 9/75 = 0.12 are 3
    assert np.bincount(split.validation.labels).tolist() == [2, 2, 2]
    assert np.bincount(split.calibration.labels).tolist() == [3, 3, 3]
