"""From what a user names to embeddings, one after another, as `images/inputs.py` does for images."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from euinet.data.tables.reading import SUFFIXES, read_table
from euinet.data.tables.table import ArrayRows, Rows, Table, check_width, finite_rows
from euinet.errors import DataError, UsageError
from euinet.images.inputs import Found
from euinet.images.names import PassedOver
from euinet.images.sources import STANDARD_INPUT, Read, file_identity
from euinet.system.files import expanded
from euinet.system.words import printable

NOT_FINITE = "has NaN or infinite numbers: correct them, or take the row out."


@dataclass(frozen=True, eq=False)
class TableSource:
    """Rows of a table from `start` up to `stop`."""

    path: Path
    rows: Rows
    start: int
    stop: int

    def __len__(self) -> int:
        return self.stop - self.start

    def part(self, start: int, stop: int) -> TableSource:
        """Return the rows from `start` up to `stop`."""
        return replace(self, start=self.start + start, stop=self.start + stop)

    def read(self, preprocessing: Any = None) -> Iterator[Read]:
        """Read the rows; one that is none is an error. Nothing is done to them."""
        place = self.start
        for piece in self.rows.read(self.start, self.stop):
            good = finite_rows(piece.vectors)
            for at, row in enumerate(piece.vectors):
                name = f"{self.path}[{place}]" if piece.names is None else piece.names[at]
                why = piece.errors.get(at, None if good[at] else NOT_FINITE)
                yield Read(name, None, error=f"{name} {why}") if why else Read(name, row)
                place += 1

    def identity(self) -> Iterator[str]:
        """Return path, size and time of the file, and which of its rows."""
        yield f"{file_identity(self.path)} {self.start} {self.stop}"


def find_rows(paths: Sequence[str], width: int, standard_input: BinaryIO | None = None) -> Found:
    """Return the tables that `paths` name, whose rows must have `width` numbers.

    A path is a .parquet, .npz, .npy or .csv file, or "-": a .npy array on standard input. Raises UsageError
    for what is none, DataError for a damaged one.
    """
    tables = []
    for path in paths:
        if path != STANDARD_INPUT and expanded(path).suffix.lower() not in SUFFIXES:
            raise UsageError(
                f"The model reads embeddings, rows of {width:,} numbers, and no images: {printable(path)} is "
                f"no table of them ({', '.join(SUFFIXES)}), made by the network that made its training data."
            )
        tables.append(_from_stream(standard_input) if path == STANDARD_INPUT else read_table(path))
        if len(tables[-1]):
            check_width(tables[-1].path, tables[-1].width, width)
    return Found(tuple(TableSource(t.path, t.rows, 0, len(t)) for t in tables), PassedOver())


def _from_stream(stream: BinaryIO | None) -> Table:
    content = b"" if stream is None else stream.read()
    try:
        array = np.load(io.BytesIO(content), allow_pickle=False)
    except Exception as error:  # NumPy has a kind for each way in which bytes can lie
        raise DataError("Standard input is no .npy array of embeddings, (N, F) float32: send one.") from error
    if not isinstance(array, np.ndarray) or array.ndim != 2 or array.dtype.kind != "f":
        raise DataError("Standard input is no array of rows of fractions, (N, F) float32: send one.")
    return Table(Path(STANDARD_INPUT), ArrayRows(array))
