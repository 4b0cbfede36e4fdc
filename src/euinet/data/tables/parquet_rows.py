"""Embeddings in a Parquet file: a column of vectors, or numbered columns; read a few megabytes at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from euinet.answers import Float32Array, IntArray
from euinet.data.tables.columns import Columns, Kind
from euinet.data.tables.table import PIECE_BYTES, Piece, as_float32, filled
from euinet.errors import DataError
from euinet.images.parquet_source import checked_rows, damaged_parquet
from euinet.system.extras import pyarrow_for
from euinet.system.words import printable

_CELLS = 2**16  # of labels that are read at a time
_READ_BYTES = 2**20


@dataclass(frozen=True, eq=False)
class ParquetRows:
    """The rows of a Parquet file."""

    path: Path
    count: int
    columns: Columns
    widths: tuple[int, ...]  # of each of columns.vectors

    @property
    def width(self) -> int:
        """F."""
        return sum(self.widths)

    def __len__(self) -> int:
        return self.count

    def read(self, start: int, stop: int) -> Iterator[Piece]:
        """Read the rows, some at a time."""
        wanted = [*self.columns.vectors, *(() if self.columns.name is None else (self.columns.name,))]
        step = max(1, PIECE_BYTES // (4 * self.width))
        for batch in batches(self.path, wanted, start, stop, step):
            yield self._piece(batch)

    def whole(self) -> Float32Array:
        """Return all rows, read once."""
        try:
            return filled(self)
        except DataError as error:
            raise DataError(f"{self.path}: {error}") from error

    def _piece(self, batch: Any) -> Piece:
        vectors = np.empty((len(batch), self.width), np.float32)
        errors: dict[int, str] = {}
        at = 0
        for name, width in zip(self.columns.vectors, self.widths, strict=True):
            vectors[:, at : at + width] = _numbers(batch[name], width, errors)
            at += width
        vectors[list(errors)] = np.nan
        names = None
        if self.columns.name is not None:
            names = tuple("" if cell is None else str(cell) for cell in batch[self.columns.name].to_pylist())
        return Piece(vectors, names, errors)


def parquet_schema(path: Path) -> tuple[dict[str, Kind], int]:
    """Return a file's columns and how many rows it has; only its description is read.

    Raises DataError where it is damaged or two columns have one name, UsageError without pyarrow.
    """
    _, parquet = pyarrow_for(f"Reading {path}")
    try:
        with parquet.ParquetFile(path) as file:
            rows = checked_rows(file.metadata, path.stat().st_size)
            fields = [(field.name, _kind(field.type)) for field in file.schema_arrow]
    except Exception as error:
        raise damaged_parquet(path, error) from error
    kinds = dict(fields)
    if len(kinds) < len(fields):
        names = [name for name, _ in fields]
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{path} has two columns '{printable(twice)}': rename one.")
    return kinds, rows


def parquet_rows(path: Path, columns: Columns, rows: int) -> ParquetRows:
    """Return the embeddings of a file, of which the first row alone is read: how wide it is."""
    widths = tuple(_width(path, name) if rows else 0 for name in columns.vectors)
    if rows and 0 in widths:
        name = printable(columns.vectors[widths.index(0)])
        raise DataError(f"The column '{name}' of {path} has empty vectors: embeddings have numbers.")
    return ParquetRows(path, rows, columns, widths)


def parquet_cells(path: Path, column: str) -> list[object]:
    """Return all cells of a column as Python's values."""
    found: list[object] = []
    for batch in batches(path, [column], 0, None, _CELLS):
        found += batch[column].to_pylist()
    return found


def batches(path: Path, columns: Sequence[str], start: int, stop: int | None, rows: int) -> Iterator[Any]:
    """Yield batches of pyarrow's, of so many rows or fewer, from `start` up to `stop`.

    Row groups are read one by one, so that what lies before a damaged one is read.
    """
    _, parquet = pyarrow_for(f"Reading {path}")
    try:
        with parquet.ParquetFile(path, pre_buffer=False, buffer_size=_READ_BYTES) as file:
            before = 0
            for group in range(file.metadata.num_row_groups):
                held = file.metadata.row_group(group).num_rows
                if before + held > start and (stop is None or before < stop):
                    yield from _group(file, group, columns, before, start, stop, rows)
                before += held
    except DataError:
        raise
    except Exception as error:  # pyarrow has a kind for each way in which a file can lie
        raise damaged_parquet(path, error) from error


def _group(
    file: Any, group: int, columns: Sequence[str], before: int, start: int, stop: int | None, rows: int
) -> Iterator[Any]:
    for batch in file.iter_batches(rows, [group], list(columns), use_threads=False):
        first = max(start - before, 0)
        last = len(batch) if stop is None else min(stop - before, len(batch))
        before += len(batch)
        if first < last:
            yield batch.slice(first, last - first)


def _numbers(column: Any, width: int, errors: dict[int, str]) -> Float32Array:
    """Return a column as (n, width); rows that are no such vectors are NaN and told of in `errors`."""
    arrow, _ = pyarrow_for("Reading Parquet")
    if not _is_list(arrow, column.type):
        return as_float32(column.to_numpy(zero_copy_only=False))[:, None]
    lengths = _lengths(arrow, column)
    values = as_float32(column.flatten().to_numpy(zero_copy_only=False))
    good = lengths == width
    if good.all():
        return values.reshape(-1, width)
    found = np.full((len(column), width), np.nan, np.float32)
    ends = np.cumsum(np.maximum(lengths, 0))
    for row, (length, end) in enumerate(zip(lengths.tolist(), ends.tolist(), strict=True)):
        if length == width:
            found[row] = values[end - length : end]
        else:
            what = "an empty cell" if length < 0 else f"{length} numbers"
            errors[row] = f"has {what} in the place of a vector of {width}"
    return found


def _lengths(arrow: Any, column: Any) -> IntArray:
    """Return how many numbers each vector has, (n,); −1 for an empty cell."""
    import pyarrow.compute  # as in `pyarrow_for`

    lengths = pyarrow.compute.list_value_length(column)
    return np.asarray(pyarrow.compute.fill_null(lengths, -1).to_numpy(zero_copy_only=False), np.int64)


def _width(path: Path, name: str) -> int:
    """Return how many numbers a vector of a column has, that of its first row that is not empty."""
    arrow, _ = pyarrow_for(f"Reading {path}")
    for batch in batches(path, [name], 0, None, 1024):
        column = batch[name]
        if not _is_list(arrow, column.type):
            return 1
        lengths = _lengths(arrow, column)
        if (lengths >= 0).any():
            return int(lengths[lengths >= 0][0])
    return 0


def _kind(kind: Any) -> Kind:
    """Return what a type of pyarrow's holds."""
    arrow, _ = pyarrow_for("Reading Parquet")
    types = arrow.types
    if _is_list(arrow, kind):
        inner = _kind(kind.value_type)
        return {Kind.number: Kind.vectors, Kind.whole: Kind.whole_vectors}.get(inner, Kind.other)
    kind = kind.value_type if types.is_dictionary(kind) else kind
    if types.is_floating(kind):
        return Kind.number
    if types.is_integer(kind) or types.is_boolean(kind):
        return Kind.whole
    return Kind.text if types.is_string(kind) or types.is_large_string(kind) else Kind.other


def _is_list(arrow: Any, kind: Any) -> bool:
    types = arrow.types
    return bool(types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind))
