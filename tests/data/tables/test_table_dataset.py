"""A table becomes a data set by a folder's rules: parts, classes in order, no copies; a row is held once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from table_files import LABELS, ROWS, SPLITS, WIDTH, write_labels, write_table

from euinet.data.embedded.rows import FeatureRows
from euinet.data.split.fingerprint import dataset_fingerprint, image_digests
from euinet.data.split.holdout import hold_out_classes
from euinet.data.tables.dataset import load_table, unlabelled_table, whole_table
from euinet.data.tables.table import check_finite
from euinet.errors import DataError


def test_without_parts_a_fifth_of_each_class_is_the_test_and_always_the_same(tmp_path: Path) -> None:
    dataset = load_table(write_table(tmp_path / "t.parquet"))
    assert dataset.class_names == ("ant", "bee", "cow")
    assert np.bincount(dataset.test.labels).tolist() == [2, 2, 2]  # a fifth of eight, rounded
    assert (len(dataset.train), dataset.test_share) == (18, 0.2)
    rows = np.concatenate([np.asarray(dataset.train.images), np.asarray(dataset.test.images)])
    labels = np.concatenate([dataset.train.labels, dataset.test.labels])
    place = [int(np.flatnonzero((row == ROWS).all(axis=1))[0]) for row in rows]
    assert sorted(place) == list(range(24))
    assert [dataset.class_names[label] for label in labels] == LABELS[place].tolist()
    again = load_table(write_table(tmp_path / "t.npz"))
    assert dataset_fingerprint(again) == dataset_fingerprint(dataset)  # whichever kind of file it is


def test_a_split_column_decides(tmp_path: Path) -> None:
    splits = SPLITS.copy()
    splits[:6] = "VAL"
    dataset = load_table(write_table(tmp_path / "t.csv", splits=splits))
    np.testing.assert_array_equal(np.asarray(dataset.test.images), ROWS[18:])
    assert dataset.validation is not None
    np.testing.assert_array_equal(np.asarray(dataset.train.images)[dataset.validation], ROWS[:6])


@pytest.mark.parametrize("kind", [np.int64, np.str_])
def test_numbers_are_in_their_own_order_written_as_text_too(kind: type, tmp_path: Path) -> None:
    labels = (np.arange(24) % 12).astype(kind)
    dataset = load_table(write_table(tmp_path / "t.npz", labels=labels))
    assert dataset.class_names == tuple(map(str, range(12)))


def test_labels_in_a_file_are_those_of_a_column(tmp_path: Path) -> None:
    beside = load_table(write_table(tmp_path / "X.npy"), write_labels(tmp_path / "y.csv"))
    within = load_table(write_table(tmp_path / "t.parquet"))
    assert dataset_fingerprint(beside) == dataset_fingerprint(within)


def test_a_row_is_held_once_whatever_part_it_is_in(tmp_path: Path) -> None:
    dataset = load_table(write_table(tmp_path / "X.npy"), write_labels(tmp_path / "y.csv"))
    split = hold_out_classes(dataset, ["cow"], validation_fraction=0.3, calibration_fraction=0.2)
    held = [part.images for part in (split.train, split.validation, split.calibration, split.test)]
    assert all(isinstance(images, FeatureRows) for images in held)
    files = {id(images._mapped) for images in held}  # type: ignore[attr-defined]
    assert len(files) == 1
    assert isinstance(held[0]._mapped, np.memmap)  # type: ignore[attr-defined]


def test_copies_are_left_out_by_their_numbers(tmp_path: Path) -> None:
    rows = ROWS.copy()
    rows[3] = rows[0]  # both are ants
    told: list[str] = []
    dataset = load_table(write_table(tmp_path / "t.npz", rows), notify=told.append)
    assert len(dataset.train) + len(dataset.test) == 23
    assert told == ["1 images are copies of others in their class and were left out."]


def test_a_row_is_the_same_in_every_precision(tmp_path: Path) -> None:
    rows = np.arange(24 * WIDTH, dtype=np.float16).reshape(24, WIDTH)
    found = [unlabelled_table(write_table(tmp_path / f"{kind}.npy", rows.astype(kind))) for kind in "efd"]
    for one in found:
        np.testing.assert_array_equal(image_digests(one), image_digests(found[0]))


def test_all_rows_in_a_models_order_of_classes(tmp_path: Path) -> None:
    whole = whole_table(write_table(tmp_path / "t.parquet", splits=SPLITS), ("cow", "dog"))
    assert whole.class_names == ("cow", "dog", "ant", "bee")
    assert [whole.class_names[label] for label in whole.images.labels] == LABELS.tolist()
    np.testing.assert_array_equal(np.asarray(whole.images.images), ROWS)


def with_nan(*places: int) -> np.ndarray:
    rows = ROWS.copy()
    for place in places:
        rows[place, place % WIDTH] = np.nan if place % 2 else np.inf
    return rows


@pytest.mark.parametrize("ending", ["parquet", "npz", "npy", "csv"])
def test_numbers_that_are_not_finite_are_refused_with_their_count_and_the_first(
    ending: str, tmp_path: Path
) -> None:
    place = write_table(tmp_path / f"t.{ending}", with_nan(8, 13, 21))
    labels = write_labels(tmp_path / "y.csv")
    with pytest.raises(DataError, match=rf"t\.{ending} has 3 rows with NaN .* the first is row 8: correct"):
        load_table(place, labels)


def test_the_first_row_is_counted_through_all_pieces() -> None:
    rows = np.zeros((70_000, 40), np.float32)  # 11 MB: in several pieces
    rows[65_000, 3] = np.nan
    with pytest.raises(DataError, match=r"x has 1 row with NaN or infinite numbers, the first is row 65000"):
        check_finite(rows, "x")


@pytest.mark.parametrize(
    ("rows", "labels", "sentence"),
    [
        (ROWS, None, "has no labels: give it a column label, or a file of one label a row by --labels."),
        (ROWS[:0], LABELS[:0], "has no rows: give embeddings of several classes."),
        (ROWS[:3], LABELS[:3], "Class 'ant' has 1 image"),
        (ROWS, np.full(24, "ant"), "has one class, 'ant': at least 2 are needed."),
    ],
)
def test_what_cannot_be_learned_from_is_one_sentence(
    rows: np.ndarray, labels: np.ndarray | None, sentence: str, tmp_path: Path
) -> None:
    place = write_table(tmp_path / "t.npz", rows, labels)
    with pytest.raises(DataError) as caught:
        hold_out_classes(load_table(place), [])
    assert sentence in str(caught.value)


def test_vectors_of_another_width_in_between_are_refused_with_their_row(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    vectors = [row.tolist() for row in ROWS]
    vectors[9], vectors[11] = vectors[9][:3], None
    pq.write_table(pa.table({"features": vectors, "label": LABELS}), tmp_path / "t.parquet", row_group_size=7)
    with pytest.raises(DataError, match=r"Row 9 has 3 numbers in the place of a vector of 5: correct it"):
        load_table(tmp_path / "t.parquet")
