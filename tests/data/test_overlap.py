from __future__ import annotations

import numpy as np
import pytest

from euinet.data.far.overlap import leave_out_known
from euinet.data.far.sets import FarSet
from euinet.errors import UsageError
from euinet.records import Dataset, LabelledImages

KNOWN = ("1", "2", "3")  # class "0" of `four_classes` is unknown to the model


def fresh(count: int, **record: object) -> FarSet:
    images = np.random.default_rng(99).integers(0, 256, (count, 1, 16, 16), dtype=np.uint8)
    return FarSet("far", images, **({"labels": None} | record))  # type: ignore[arg-type]


def test_a_set_without_known_classes_or_images_stays_as_it_is(four_classes: Dataset) -> None:
    for far in (fresh(4), fresh(4, labels=("A", "10", "", "Three"))):
        assert leave_out_known(far, four_classes, KNOWN) is far


def test_images_of_known_classes_are_left_out_by_name(four_classes: Dataset) -> None:
    far = fresh(5, labels=("0", "3", "1", "3", "A"), remark="every image transposed")
    left = leave_out_known(far, four_classes, KNOWN)
    assert left.labels == ("0", "A")
    assert np.array_equal(left.images, far.images[[0, 4]])
    assert left.remark == (
        "every image transposed; left out 3 images of classes that the model knows: 1 (1), 3 (2)"
    )


def test_every_folder_on_the_way_is_a_class_name(four_classes: Dataset) -> None:
    far = fresh(4, labels=("test/3", "2/writer-1", "Greek/alpha", "13"))
    assert leave_out_known(far, four_classes, KNOWN).labels == ("Greek/alpha", "13")


def test_a_class_name_with_a_slash_is_one_name(four_classes: Dataset) -> None:
    names = ("T-shirt/top", "1", "2", "3")
    clothes = Dataset("clothes", names, four_classes.train, four_classes.test)
    far = fresh(2, labels=("T-shirt/top", "Bag"))
    assert leave_out_known(far, clothes, ("T-shirt/top",)).labels == ("Bag",)


@pytest.mark.parametrize("part", ["train", "test"])
def test_known_images_are_recognised_by_their_bytes(four_classes: Dataset, part: str) -> None:
    source: LabelledImages = getattr(four_classes, part)
    far = fresh(2)
    images = np.concatenate([far.images, source.where(source.labels == 2).images[:3]])
    left = leave_out_known(FarSet("copies", images, None), four_classes, KNOWN)
    assert np.array_equal(left.images, far.images)
    assert left.remark == "left out 3 copies of known images of four"


def test_unknown_images_of_the_same_data_set_stay(four_classes: Dataset) -> None:
    test = four_classes.test
    left = leave_out_known(FarSet("four", test.images, None), four_classes, KNOWN)
    assert np.array_equal(left.images, test.images[test.labels == 0])


def test_one_changed_pixel_makes_another_image(four_classes: Dataset) -> None:
    images = four_classes.test.images[four_classes.test.labels == 1].copy()
    images[:, 0, 8, 8] += 1
    far = FarSet("changed", images, None)
    assert leave_out_known(far, four_classes, KNOWN) is far


def test_nothing_left_is_a_usage_error_that_counts_each_image_once(four_classes: Dataset) -> None:
    test = four_classes.test
    known = test.where(test.labels > 0)
    labels = tuple("3" if label == 3 else "" for label in known.labels.tolist())
    with pytest.raises(UsageError, match="Nothing is left of the far set all") as caught:
        leave_out_known(FarSet("all", known.images, labels), four_classes, KNOWN)
    reason = "5 images of classes that the model knows: 3 (5) and 10 copies of known images of four"
    assert f"which has {reason}; give" in str(caught.value)
