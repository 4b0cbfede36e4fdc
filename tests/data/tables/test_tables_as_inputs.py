"""Rows to be answered: each under its name; a broken one is an error of its own, and the others are read."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from table_files import LABELS, ROWS, WIDTH, write_table

from euinet.data.tables.given import as_rows, read_rows
from euinet.data.tables.inputs import find_rows
from euinet.errors import DataError, UsageError
from euinet.images.preprocessing import Preprocessing

ANY = Preprocessing(1, 8)  # rows come as they are


@pytest.mark.parametrize("ending", ["parquet", "npz", "npy", "csv"])
def test_rows_are_read_under_their_place(ending: str, tmp_path: Path) -> None:
    place = write_table(tmp_path / f"t.{ending}")
    reads = list(find_rows([str(place)], WIDTH).read(ANY))
    assert [read.path for read in reads] == [f"{place}[{row}]" for row in range(24)]
    np.testing.assert_array_equal([read.pixels for read in reads], ROWS)
    assert all(read.pixels is not None and read.pixels.dtype == np.float32 for read in reads)


def test_a_part_is_read_as_of_the_whole(tmp_path: Path) -> None:
    """Row groups of 7: the part lies in three of them."""
    found = find_rows([str(write_table(tmp_path / f"t.{ending}")) for ending in ("parquet", "npy")], WIDTH)
    assert found.images == 48
    whole = [(read.path, read.pixels) for read in found.read(ANY)]
    for start, stop in ((5, 16), (20, 30), (47, 48), (0, 0)):
        part = [(read.path, read.pixels) for read in found.part(start, stop).read(ANY)]
        assert [path for path, _ in part] == [path for path, _ in whole[start:stop]]
        for (_, one), (_, other) in zip(part, whole[start:stop], strict=True):
            np.testing.assert_array_equal(one, other)


def test_rows_have_the_names_that_the_table_has_for_them(tmp_path: Path) -> None:
    names = [f"photo {row}.jpg" for row in range(24)]
    table = pa.table({"features": list(ROWS), "label": LABELS, "path": names})
    pq.write_table(table, tmp_path / "t.parquet", row_group_size=7)
    assert [
        read.path for read in find_rows([str(tmp_path / "t.parquet")], WIDTH).part(6, 9).read(ANY)
    ] == names[6:9]


def test_what_is_no_row_is_an_error_and_the_others_are_read(tmp_path: Path) -> None:
    vectors = [row.tolist() for row in ROWS]
    vectors[2], vectors[8], vectors[9], vectors[10] = None, vectors[8][:4], [], [None, *vectors[10][1:]]
    vectors[23][0] = float("inf")
    pq.write_table(pa.table({"features": vectors}), tmp_path / "t.parquet", row_group_size=7)
    place = str(tmp_path / "t.parquet")
    reads = list(find_rows([place], WIDTH).read(ANY))
    errors = {row: read.error for row, read in enumerate(reads) if read.error}
    finite = "has NaN or infinite numbers: correct them, or take the row out."
    assert errors == {
        2: f"{place}[2] has an empty cell in the place of a vector of 5",
        8: f"{place}[8] has 4 numbers in the place of a vector of 5",
        9: f"{place}[9] has 0 numbers in the place of a vector of 5",
        10: f"{place}[10] {finite}",
        23: f"{place}[23] {finite}",
    }
    good = [row for row in range(24) if row not in errors]
    np.testing.assert_array_equal([reads[row].pixels for row in good], ROWS[good])
    assert all(reads[row].pixels is None for row in errors)


def test_an_empty_cell_of_a_numbered_column_is_an_error_of_its_row(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("f0,f1\n1,2\n3,\n5,6\n")
    csv = [bool(read.error) for read in find_rows([str(tmp_path / "t.csv")], 2).read(ANY)]
    table = pa.table({"f0": pa.array([1, 3, 5]), "f1": pa.array([2, None, 6])})
    pq.write_table(table, tmp_path / "t.parquet")
    parquet = [bool(read.error) for read in find_rows([str(tmp_path / "t.parquet")], 2).read(ANY)]
    assert csv == parquet == [False, True, False]


def test_an_array_on_standard_input(tmp_path: Path) -> None:
    stream = io.BytesIO()
    np.save(stream, ROWS)
    stream.seek(0)
    reads = list(find_rows(["-"], WIDTH, stream).read(ANY))
    np.testing.assert_array_equal([read.pixels for read in reads], ROWS)
    assert reads[3].path == "-[3]"
    with pytest.raises(DataError, match=r"Standard input is no \.npy array of embeddings"):
        find_rows(["-"], WIDTH, io.BytesIO(b"photo.jpg\n"))


def test_other_widths_and_images_are_one_sentence(tmp_path: Path) -> None:
    place = str(write_table(tmp_path / "t.npy"))
    with pytest.raises(
        UsageError, match=r"t\.npy have 5 numbers, but the model reads 1,280: give embeddings of"
    ):
        find_rows([place], 1280)
    (tmp_path / "cat.png").write_bytes(b"png")
    for other in (tmp_path / "cat.png", tmp_path):
        with pytest.raises(
            UsageError, match=r"reads embeddings, rows of 5 numbers, and no images: .* is no table"
        ):
            find_rows([str(other)], WIDTH)


def test_a_table_that_was_written_to_is_another(tmp_path: Path) -> None:
    place = write_table(tmp_path / "t.npy")
    before = find_rows([str(place)], WIDTH).identity()
    assert find_rows([str(place)], WIDTH).identity() == before
    write_table(place, ROWS[:-1])
    assert find_rows([str(place)], WIDTH).identity() != before


@pytest.mark.parametrize(
    "given",
    [
        ROWS,
        ROWS.astype(np.float64),
        np.asfortranarray(ROWS),
        torch.from_numpy(ROWS).requires_grad_(),
        list(ROWS),
        ROWS.tolist(),
        tuple(map(tuple, ROWS.tolist())),
    ],
)
def test_whatever_holds_rows_of_numbers_is_read(given: object) -> None:
    reads = list(read_rows(given, WIDTH))
    np.testing.assert_array_equal([read.pixels for read in reads], ROWS)
    assert [read.path for read in reads][:2] == ["embeddings[0]", "embeddings[1]"]
    np.testing.assert_array_equal(as_rows(given), ROWS)


def test_one_row_and_no_rows_are_read_too() -> None:
    (one,) = read_rows(ROWS[0], WIDTH)
    np.testing.assert_array_equal(one.pixels, ROWS[0])
    assert list(read_rows([], WIDTH)) == []
    assert list(read_rows(np.empty((0, WIDTH), np.float32), WIDTH)) == []


def test_a_table_by_its_path_is_read_too(tmp_path: Path) -> None:
    place = write_table(tmp_path / "t.parquet")
    np.testing.assert_array_equal([read.pixels for read in read_rows(place, WIDTH)], ROWS)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (
            ROWS[:, :3],
            r"are float32 of shape \(24, 3\), but the model reads rows of 5 numbers: give an array \(N, 5\)",
        ),
        (ROWS[0, :3], r"are float32 of shape \(1, 3\)"),
        (ROWS[None], r"of shape \(1, 24, 5\)"),
        (ROWS > 50, "are bool of shape"),
        ([["a"] * WIDTH], "are <U1 of shape"),
        ([[1.0], [1.0, 2.0]], "list is no array"),
        ({"a": 1}, "are object of shape"),
        (np.array(["x", None], object), "are object of shape"),
    ],
)
def test_what_holds_none_is_one_sentence(given: object, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        list(read_rows(given, WIDTH))


def test_rows_that_are_not_finite_are_errors_or_raised() -> None:
    rows = ROWS.copy()
    rows[1, 0] = np.nan
    reads = list(read_rows(rows, WIDTH, keep_going=True))
    assert [read.error for read in reads[:3]] == [
        None,
        "embeddings[1] has NaN or infinite numbers: correct them, or take the row out.",
        None,
    ]
    with pytest.raises(DataError, match=r"embeddings\[1\] has NaN"):
        list(read_rows(rows, WIDTH))


@pytest.mark.parametrize("given", [[], ["a.png"], [ROWS], ROWS[None], "a.png", 3, [None], [[]], [["a"]]])
def test_what_may_be_images_is_not_taken_for_rows(given: object) -> None:
    assert as_rows(given) is None
