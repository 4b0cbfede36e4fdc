from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from euinet.data.embedded.rows import FeatureRows
from euinet.data.split.fingerprint import fingerprint
from euinet.records import LabelledImages, joined

VALUES = np.arange(40, dtype=np.float16).reshape(10, 4)


@pytest.fixture
def mapped(tmp_path: Path) -> np.ndarray:
    VALUES.tofile(tmp_path / "rows")
    return np.memmap(tmp_path / "rows", np.float16, "r", shape=VALUES.shape)


@pytest.fixture
def rows(mapped: np.ndarray) -> FeatureRows:
    """The file's rows but for the first, backwards."""
    return FeatureRows(mapped, np.arange(9, 0, -1))


def test_it_has_the_shape_and_kind_of_an_array(rows: FeatureRows) -> None:
    assert (rows.shape, rows.dtype, rows.ndim, rows.size, len(rows)) == ((9, 4), np.float16, 2, 36, 9)
    assert [row.tolist() for row in rows] == VALUES[:0:-1].tolist()


@pytest.mark.parametrize(
    "index",
    [
        slice(2, 5),
        slice(None, None, -3),
        np.array([3, 3, 0]),
        np.arange(9) % 2 == 0,
        [1, 2],
        np.zeros(0, int),
    ],
    ids=str,
)
def test_what_is_chosen_stays_in_its_file_and_reads_as_arrays_do(rows: FeatureRows, index: object) -> None:
    chosen = rows[index]
    assert isinstance(chosen, FeatureRows)
    expected = VALUES[:0:-1][index]  # type: ignore[index]
    assert chosen.shape == expected.shape
    assert np.asarray(chosen).tolist() == expected.tolist()
    assert np.array_equal(chosen[:1], expected[:1])


def test_single_rows_and_columns_are_arrays(rows: FeatureRows) -> None:
    assert rows[0].tolist() == VALUES[9].tolist()
    assert rows[-1].tolist() == VALUES[1].tolist()
    assert rows[2:4, :2].tolist() == VALUES[[7, 6], :2].tolist()
    assert rows[0, :2].tolist() == VALUES[9, :2].tolist()
    assert rows[0, 1] == VALUES[9, 1]
    assert rows[:, 1].tolist() == VALUES[:0:-1, 1].tolist()
    with pytest.raises(IndexError):
        rows[9]


def test_what_was_read_is_a_copy_that_may_be_written(rows: FeatureRows) -> None:
    read = np.asarray(rows)
    read[0] = -1
    rows[0][:] = -1
    assert rows[0].tolist() == VALUES[9].tolist()
    with pytest.raises(TypeError):
        rows[0] = read[0]  # type: ignore[index]
    with pytest.raises(ValueError, match="without a copy"):
        np.array(rows, copy=False)


def test_joined_rows_of_one_file_stay_there_and_others_become_an_array(
    rows: FeatureRows, mapped: np.ndarray
) -> None:
    both = np.concatenate([rows[:2], rows[5:]])  # type: ignore[arg-type]
    assert isinstance(both, FeatureRows)
    assert np.asarray(both).tolist() == VALUES[[9, 8, 4, 3, 2, 1]].tolist()
    mixed = np.concatenate([rows[:1], VALUES[:1]])  # type: ignore[arg-type]
    assert mixed.tolist() == VALUES[[9, 0]].tolist()
    assert np.stack([rows[:1], rows[1:2]]).shape == (2, 1, 4)  # type: ignore[arg-type]
    assert isinstance(np.array_equal(rows, np.asarray(rows)), bool)  # type: ignore[arg-type]


def test_labelled_parts_and_their_fingerprint_are_those_of_an_array(rows: FeatureRows) -> None:
    labels, digests = np.arange(9), np.arange(9, dtype=np.uint64)
    lazy = LabelledImages(rows, labels, digests)  # type: ignore[arg-type]
    eager = LabelledImages(np.asarray(rows), labels, digests)
    mask = labels > 4
    again = joined(lazy.where(mask), lazy.where(~mask))
    assert isinstance(again.images, FeatureRows)
    assert (
        np.asarray(again.images).tolist()
        == np.asarray(joined(eager.where(mask), eager.where(~mask)).images).tolist()
    )
    assert fingerprint(lazy.images) == fingerprint(eager.images)
