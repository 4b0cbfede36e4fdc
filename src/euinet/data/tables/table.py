"""A table of embeddings: rows that are read when they are asked for, and what is said of each."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from euinet.answers import BoolArray, Digests, Float32Array, StoredArray
from euinet.data.embedded.labels import LabelColumn
from euinet.data.split.fingerprint import image_digests, pieces
from euinet.errors import DataError, UsageError
from euinet.system.words import counted, printable

MAPPED = (np.dtype(np.float32), np.dtype(np.float16))  # what is learned on as it lies
PIECE_BYTES = 2**22  # of rows that are read at a time


class Piece(NamedTuple):
    """Some rows of a table, one after another."""

    vectors: Float32Array  # (n, F)
    names: tuple[str, ...] | None = None  # (n,) what the table calls them
    errors: Mapping[int, str] = {}  # place in the piece → why a row is none; its numbers are NaN


class Rows(Protocol):
    """The embeddings of a table, (N, F)."""

    @property
    def width(self) -> int:
        """F."""

    def __len__(self) -> int: ...

    def read(self, start: int, stop: int) -> Iterator[Piece]:
        """Read the rows from `start` up to `stop`, some megabytes at a time. Raises DataError for damage."""

    def whole(self) -> StoredArray:
        """Return all rows as one array, float16 or float32: mapped where the file allows, else read once.

        Raises DataError for a row that is none.
        """


@dataclass(frozen=True, eq=False)
class Table:
    """N rows of F numbers, and what is known of them."""

    path: Path  # what sentences call it
    rows: Rows
    labels: LabelColumn | None = None  # (N,)
    parts: np.ndarray | None = None  # (N,) int8, places in embedded.listing.PARTS
    logits: int = 0  # how many numbers of a row, the last, are another classifier's logits

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def width(self) -> int:
        """F."""
        return self.rows.width

    def vectors(self) -> StoredArray:
        """Return all rows (N, F), finite. Raises DataError, with their number, where some are not."""
        found = self.rows.whole()
        check_finite(found, str(self.path))
        return found


@dataclass(frozen=True, eq=False)
class ArrayRows:
    """Rows of an array, in memory or mapped."""

    array: StoredArray  # (N, F), any kind of real numbers
    names: tuple[str, ...] | None = None  # (N,)

    @property
    def width(self) -> int:
        """F."""
        return int(self.array.shape[1])

    def __len__(self) -> int:
        return len(self.array)

    def read(self, start: int, stop: int) -> Iterator[Piece]:
        """Read the rows, some at a time."""
        step = max(1, PIECE_BYTES // max(4 * self.width, 1))
        for first in range(start, stop, step):
            part = slice(first, min(first + step, stop))
            yield Piece(as_float32(self.array[part]), self.names and self.names[part])

    def whole(self) -> StoredArray:
        """Return the array, where it is of another kind of numbers a copy in float32."""
        if self.array.dtype in MAPPED:
            return self.array
        return filled(self)


def filled(rows: Rows) -> Float32Array:
    """Return all rows, (N, F), read one piece after another. Raises DataError for a row that is none."""
    try:
        whole = np.empty((len(rows), rows.width), np.float32)
    except (MemoryError, ValueError) as error:
        raise DataError(
            f"The table has {len(rows):,} rows of {rows.width:,} numbers, more than there is memory for: "
            "write it as a .npy file, which is read from where it lies."
        ) from error
    at = 0
    for piece in rows.read(0, len(rows)):
        for place, why in piece.errors.items():
            raise DataError(f"Row {at + place} {why}: correct it, or take it out.")
        whole[at : at + len(piece.vectors)] = piece.vectors
        at += len(piece.vectors)
    return whole


def as_float32(array: np.ndarray) -> Float32Array:
    """Return numbers as float32; what is too large for it becomes infinite."""
    with np.errstate(over="ignore"):
        return np.asarray(array, dtype=np.float32)


def finite_rows(vectors: np.ndarray) -> BoolArray:
    """Return which rows (n,) of (n, F) hold finite numbers alone."""
    finite: BoolArray = np.isfinite(vectors).all(axis=1)
    return finite


def check_finite(vectors: StoredArray, name: str) -> None:
    """Raise DataError, with their count and the first, where rows (N, F) hold NaN or infinite numbers."""
    count, first = 0, -1
    for piece in pieces(vectors):
        wrong = np.flatnonzero(~finite_rows(np.asarray(vectors[piece])))
        if len(wrong) and first < 0:
            first = piece.start + int(wrong[0])
        count += len(wrong)
    if count:
        raise DataError(
            f"{name} has {counted(count, 'row')} with NaN or infinite numbers, the first is row {first}: "
            "correct them, or take them out."
        )


def check_width(name: str | Path, found: int, wanted: int) -> None:
    """Raise UsageError where rows have another width than a model reads."""
    if found != wanted:
        raise UsageError(
            f"The rows of {printable(str(name))} have {found:,} numbers, but the model reads {wanted:,}: "
            "give embeddings of the network that made its training data."
        )


def row_digests(vectors: StoredArray) -> Digests:
    """Return a number (N,) for each row, that of its float32 numbers, whatever kind they are stored as."""
    found = [image_digests(as_float32(vectors[piece])) for piece in pieces(vectors)]
    return np.concatenate([np.empty(0, np.uint64), *found])
