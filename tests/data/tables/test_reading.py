"""A table is the same rows, labels and parts whichever kind of file it is; what is none is one sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from table_files import LABELS, ROWS, SPLITS, WIDTH, write_labels, write_table

from euinet.data.embedded.listing import PARTS
from euinet.data.tables.reading import given_logits, is_table, read_table
from euinet.errors import DataError, UsageError


@pytest.mark.parametrize("ending", ["parquet", "npz", "csv"])
def test_files_of_every_kind_are_the_same_table(ending: str, tmp_path: Path) -> None:
    table = read_table(write_table(tmp_path / f"t.{ending}", splits=SPLITS))
    assert (len(table), table.width, table.logits) == (24, WIDTH, 0)
    np.testing.assert_array_equal(np.asarray(table.vectors()), ROWS)
    assert table.labels is not None
    names, numbers = table.labels.classes()
    assert [names[number] for number in numbers] == LABELS.tolist()
    assert table.parts is not None
    test = PARTS.index("test")
    assert (table.parts == test).tolist() == [split == "test" for split in SPLITS]


def test_numbered_columns_and_vectors_of_every_list_are_the_same_rows(tmp_path: Path) -> None:
    numbered = write_table(tmp_path / "numbered.parquet", numbered=True)
    np.testing.assert_array_equal(read_table(numbered).vectors(), ROWS)
    for number, kind in enumerate(
        (pa.list_(pa.float64()), pa.large_list(pa.float32()), pa.list_(pa.float32(), WIDTH))
    ):
        place = tmp_path / f"{number}.parquet"
        pq.write_table(pa.table({"features": pa.array(ROWS.astype(float).tolist(), kind)}), place)
        np.testing.assert_array_equal(read_table(place).vectors(), ROWS)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_numbers_of_every_precision_are_read_and_what_is_learned_on_is_not_float64(
    kind: type, tmp_path: Path
) -> None:
    rows = np.arange(20, dtype=kind).reshape(4, 5)
    for ending in ("npy", "npz"):
        found = read_table(write_table(tmp_path / f"t.{ending}", rows, LABELS[:4])).vectors()
        assert found.dtype == (np.float32 if kind is np.float64 else kind)
        np.testing.assert_array_equal(np.asarray(found), rows)


@pytest.mark.parametrize("ending", ["parquet", "npz", "npy", "csv"])
def test_a_table_without_rows_is_one(ending: str, tmp_path: Path) -> None:
    assert len(read_table(write_table(tmp_path / f"t.{ending}", ROWS[:0], LABELS[:0]))) == 0


def test_an_array_stays_in_its_file(tmp_path: Path) -> None:
    assert isinstance(read_table(write_table(tmp_path / "t.npy")).vectors(), np.memmap)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("y.csv", "label\nant\nbee\ncow\n"),
        ("y.csv", 'name,"Label"\n"a,b",ant\nc,bee\nd,cow\n'),  # quoted commas are no columns
        ("y.csv", "ant\nbee\ncow"),  # one a line, without a header
        ("y.csv", '\ufefflabel\r\n ant\r\nbee \r\n"cow"\r\n'),
        ("y.txt", "ant\nbee\ncow\n\n\n"),
    ],
)
def test_labels_in_a_file_of_their_own(name: str, text: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8", newline="")
    table = read_table(write_table(tmp_path / "X.npy", ROWS[:3]), tmp_path / name)
    assert table.labels is not None
    assert table.labels.classes()[0] == ("ant", "bee", "cow")


@pytest.mark.parametrize(
    "labels", [np.array([3, 1, 2]), np.array([b"3", b"1", b"2"]), np.array([3.0, 1.0, 2.0])]
)
def test_labels_in_an_array(labels: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "y.npy", labels)
    table = read_table(write_table(tmp_path / "X.npy", ROWS[:3]), tmp_path / "y.npy")
    assert table.labels is not None
    assert [found if isinstance(found, tuple) else found.tolist() for found in table.labels.classes()] == [
        ("1", "2", "3"),
        [2, 0, 1],
    ]


def test_logits_come_after_the_embedding(tmp_path: Path) -> None:
    logits = np.arange(72, dtype=np.float32).reshape(24, 3)
    np.savez(tmp_path / "both.npz", logits=logits, features=ROWS, labels=LABELS)
    np.savez(tmp_path / "alone.npz", logits=logits, labels=LABELS)
    assert (given_logits(tmp_path / "both.npz"), given_logits(tmp_path / "alone.npz")) == (3, 3)
    np.testing.assert_array_equal(read_table(tmp_path / "both.npz").vectors(), np.hstack([ROWS, logits]))
    np.testing.assert_array_equal(read_table(tmp_path / "alone.npz").vectors(), logits)
    assert given_logits(write_table(tmp_path / "t.parquet")) == 0


def test_a_table_is_known_by_its_ending_and_a_parquet_file_by_its_columns(tmp_path: Path) -> None:
    for ending in ("parquet", "npz", "npy", "csv"):
        assert is_table(write_table(tmp_path / f"t.{ending}"))
    assert is_table((tmp_path / "t.npz").rename(tmp_path / "T.NPZ"))
    assert not is_table(tmp_path)
    assert not is_table("mnist")
    photos = tmp_path / "photos.parquet"
    pq.write_table(pa.table({"image": [b"png"], "label": ["a"]}), photos)
    assert not is_table(photos)
    both = tmp_path / "both.parquet"
    pq.write_table(pa.table({"embedding": [[0.5, 1.0]], "taken": [b"when"], "label": ["a"]}), both)
    assert is_table(both)


def broken(place: Path, content: bytes) -> Path:
    place.write_bytes(content)
    return place


def object_array(place: Path) -> Path:
    np.save(place, np.array([{"run": "me"}], object), allow_pickle=True)
    return place


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda at: broken(at / "t.npy", b"\x93NUMPY"), "t.npy is damaged or holds no plain arrays"),
        (lambda at: broken(at / "t.npy", b""), "t.npy is damaged or holds no plain arrays"),
        (
            lambda at: broken(at / "t.npy", b"PK\x03\x04 cut"),
            "is an archive of arrays: give it the ending .npz.",
        ),
        (lambda at: broken(at / "t.npz", b""), "t.npz is damaged or holds no plain arrays"),
        (lambda at: write_table(at / "X.npy").rename(at / "t.npz"), "t.npz is damaged or holds no plain"),
        (lambda at: broken(at / "t.npz", b"PK\x03\x04 cut"), "t.npz is damaged or holds no plain arrays"),
        (lambda at: broken(at / "t.parquet", b"PAR1 cut"), "t.parquet"),
        (lambda at: broken(at / "t.csv", b""), "t.csv is empty: give a table with a header."),
        (lambda at: broken(at / "t.csv", b"f0,f1\n1,2\n3\n"), "Row 1 of"),
        (lambda at: broken(at / "t.csv", b"f0,f1\n1,2\n3,x\n"), "Row 1 of"),
        (lambda at: broken(at / "t.csv", b"f0,f0\n1,2\n"), "has two columns 'f0': rename one."),
        (lambda at: broken(at / "t.csv", b"f0,f1\n\xff,2\n"), "cannot be read as CSV"),
        (lambda at: object_array(at / "t.npy"), "t.npy is damaged or holds no plain arrays"),
        (lambda at: write_table(at / "t.npy", np.zeros((4, 4), np.uint8)), "holds uint8 of the shape (4, 4)"),
        (lambda at: write_table(at / "t.npy", np.zeros((4, 4, 4))), "holds float64 of the shape (4, 4, 4)"),
        (
            lambda at: write_table(at / "t.npz", ROWS, LABELS[:5]),
            "have different lengths (features 24, label 5)",
        ),
        (
            lambda at: write_table(at / "t.csv", splits=np.array(["train", "later"] * 12)),
            "has 'later', but must",
        ),
        (lambda at: write_table(at / "t.csv", labels=np.array(["ant", ""] * 12)), "has no label in row 1"),
        (lambda at: write_table(at / "t.npz", labels=np.full(24, np.nan)), "has no label in row 0"),
        (lambda at: write_table(at / "t.npz", labels=np.full(24, 0.5)), "has the label 0.5 in row 0, but"),
        (
            lambda at: write_table(at / "t.npz", labels=np.array([b"\xff"] * 24)),
            "bytes that are no text in UTF-8",
        ),
    ],
)
def test_what_is_no_table_is_one_sentence(make: object, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        read_table(make(tmp_path))  # type: ignore[operator]
    assert sentence in str(caught.value)


def test_files_that_are_not_there_or_do_not_fit_are_one_sentence(tmp_path: Path) -> None:
    rows = write_table(tmp_path / "X.npy")
    with pytest.raises(UsageError, match=r"There is no table .*none\.npz: give a \.parquet, "):
        read_table(tmp_path / "none.npz")
    with pytest.raises(UsageError, match=r"There is no file of labels .*none\.csv"):
        read_table(rows, tmp_path / "none.csv")
    with pytest.raises(DataError, match=r"has 24 rows, and .* 23 labels: give one for each\."):
        read_table(rows, write_labels(tmp_path / "y.csv", LABELS[:23]))
    with pytest.raises(DataError, match=r"25 labels \(a header must be called label\): give one for each\."):
        read_table(rows, write_labels(tmp_path / "y.csv", head="species"))
    (tmp_path / "y.csv").write_text("name,colour\na,red\n")
    with pytest.raises(DataError, match=r"has the columns name, colour, but none of labels: call it label\."):
        read_table(rows, tmp_path / "y.csv")
    np.save(tmp_path / "y.npy", np.zeros((24, 3)))
    with pytest.raises(DataError, match=r"has the shape \(24, 3\), but labels are one a row"):
        read_table(rows, tmp_path / "y.npy")
