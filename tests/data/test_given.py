"""Labels and images that a Python caller holds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from euinet.data.sets.given import labelled_dataset
from euinet.errors import UsageError

IMAGES = np.zeros((4, 8, 8), np.uint8)


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["b", "a", "b", "a"], ("a", "b")),
        (np.array(["b", "a", "b", "a"], object), ("a", "b")),
        (np.array([10, 9, 10, 9], ">i8"), ("9", "10")),
        (np.array([0.1, 0.2, 0.1, 0.2], np.float32), ("0.1", "0.2")),  # as written
        ([True, False, True, False], ("False", "True")),
        (np.array([1, "a", 1, "a"], object), ("1", "a")),
        (torch.tensor([0.0, 1.0, 0.0, 1.0], requires_grad=True), ("0.0", "1.0")),
    ],
)
def test_labels_are_text_or_numbers_of_any_type(labels: Any, names: tuple[str, ...]) -> None:
    assert labelled_dataset(IMAGES, labels).class_names == names


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        ([None, "a", "b", "a"], "Label 0 is None, but must be text or a number"),
        ([1.0, 2.0, float("nan"), 1.0], "Label 2 is nan, but"),
        ([b"a", b"b", b"a", b"b"], "Label 0 is b'a', but"),
        ([1j, 2j, 1j, 2j], "Label 0 is 1j, but"),
        (np.eye(4), r"The labels have the shape \(4, 4\)"),
        (iter("abab"), r"The labels have the shape \(\)"),
        ("abab", r"The labels have the shape \(\)"),
        ([[1], [1, 2], [1], [2]], "list is no array"),
        (np.ma.masked_array([1, 2, 1, 2], mask=[0, 0, 0, 1]), "is masked"),
        ([], "There is no label: at least 2 classes"),
    ],
)
def test_labels_of_odd_kinds_are_one_sentence(labels: Any, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence) as caught:
        labelled_dataset(IMAGES, labels)
    assert "\n" not in str(caught.value)


ROWS = np.random.default_rng(0).normal(size=(6, 5)).astype(np.float32)


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy, list, np.ndarray.tolist, np.asfortranarray])
def test_rows_of_fractions_are_embeddings(kind: Any) -> None:
    dataset = labelled_dataset(kind(ROWS), [10, 9, 10, 9, 10, 9])
    assert dataset.train.are_vectors
    np.testing.assert_array_equal(dataset.train.images, ROWS)
    assert dataset.class_names == ("9", "10")
    assert dataset.train.labels.tolist() == [1, 0, 1, 0, 1, 0]


def test_rows_of_whole_numbers_are_asked_back_and_broken_rows_are_counted() -> None:
    labels = [0, 1] * 3
    for kind in (np.uint8, np.int64, np.bool_):
        with pytest.raises(
            UsageError, match=r"of shape \(6, 5\): give embeddings as float32, and images as \(N, H"
        ):
            labelled_dataset(ROWS.astype(kind), labels)
    with pytest.raises(UsageError, match="There are 6 rows and 2 labels: give one for each row"):
        labelled_dataset(ROWS, [0, 1])
    broken = ROWS.copy()
    broken[2, 1], broken[4, 0] = np.nan, np.inf
    with pytest.raises(UsageError, match="2 of 6 rows hold NaN or infinite numbers: take them out"):
        labelled_dataset(broken, labels)
    with pytest.raises(UsageError, match="1 of 6 rows hold NaN or infinite"):  # too large for float32
        labelled_dataset(np.where(np.arange(30).reshape(6, 5) == 7, 1e300, ROWS.astype(float)), labels)


def test_images_may_be_read_only_or_run_backwards() -> None:
    values = np.arange(256, dtype=np.uint8).reshape(4, 8, 8)
    backwards = np.broadcast_to(values[::-1, :, ::-1], values.shape)
    found = labelled_dataset(backwards, [0, 1, 0, 1]).train.images
    np.testing.assert_array_equal(found[:, 0], values[::-1, :, ::-1])
