"""What a user names for a table: a Parquet, .npz, .npy or .csv file, and labels in a file of their own."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from euinet.data.tables.columns import Columns, Kind, choose_columns
from euinet.data.tables.csv_files import read_csv
from euinet.data.tables.label_files import read_labels
from euinet.data.tables.labelled import label_column, part_column, plain_values
from euinet.data.tables.numpy_files import arrays_of, whole_array
from euinet.data.tables.parquet_rows import parquet_cells, parquet_rows, parquet_schema
from euinet.data.tables.table import ArrayRows, Table, as_float32
from euinet.errors import DataError, UsageError
from euinet.images.parquet_source import PARQUET_MAGIC
from euinet.system.files import expanded, is_file
from euinet.system.words import printable

PARQUET, NPZ, NPY, CSV = ".parquet", ".npz", ".npy", ".csv"
SUFFIXES = (PARQUET, NPZ, NPY, CSV)


def is_table(place: str | Path) -> bool:
    """Return whether a file may be a table of embeddings, by its ending.

    A Parquet file of images is none: its columns hold neither vectors nor, alone, numbers and text.
    """
    path = expanded(place)
    if path.suffix.lower() not in SUFFIXES or not is_file(path):
        return False
    if path.suffix.lower() != PARQUET:
        return True
    with path.open("rb") as file:
        if file.read(len(PARQUET_MAGIC)) != PARQUET_MAGIC:
            return True  # reading it says what is wrong
    kinds, _ = parquet_schema(path)
    found = set(kinds.values())
    return Kind.vectors in found or Kind.other not in found  # the content of images is something else


def read_table(place: str | Path, labels: str | Path | None = None) -> Table:
    """Return a table; its rows are read when they are asked for.

    `labels`: a file of one label a row, .npy, .txt or .csv, where the table has none. Raises UsageError for
    what is no table, DataError for one that is damaged or whose columns cannot be told apart.
    """
    path = expanded(place)
    if not is_file(path):
        raise UsageError(f"There is no table {path}: give a {', '.join(SUFFIXES)} file of embeddings.")
    table = _read(path)
    if labels is not None:
        column = read_labels(expanded(labels))
        if len(column) != len(table):
            one_more = len(column) == len(table) + 1
            told = " (a header must be called label)" if one_more else ""
            raise DataError(
                f"{path} has {len(table):,} rows, and {labels} {len(column):,} labels{told}: give one "
                "for each."
            )
        table = Table(table.path, table.rows, column, table.parts, table.logits)
    return table


def given_logits(place: str | Path) -> int:
    """Return how many numbers of a table's rows, the last, are another classifier's logits; 0: none."""
    return _read(expanded(place)).logits


def _read(path: Path) -> Table:
    suffix = path.suffix.lower()
    if suffix == PARQUET:
        kinds, count = parquet_schema(path)
        columns = choose_columns(path, kinds)
        rows = parquet_rows(path, columns, count)
        logits = sum(rows.widths[-columns.logits :]) if columns.logits else 0
        labels = None if columns.label is None else parquet_cells(path, columns.label)
        parts = None if columns.split is None else parquet_cells(path, columns.split)
        return _table(path, rows, columns, labels, parts, logits)
    if suffix == NPZ:
        return _from_arrays(path, arrays_of(path))
    if suffix == CSV:
        return read_csv(path)
    array = whole_array(path)
    _check_rows(path, array)
    return Table(path, ArrayRows(array))


def _from_arrays(path: Path, arrays: dict[str, np.ndarray]) -> Table:
    """Return the table that the arrays of a .npz file are, a column each."""
    columns = choose_columns(path, {name: _kind(array) for name, array in arrays.items()})
    lengths = {name: len(arrays[name]) for name in (*columns.vectors, *columns.beside)}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} {length:,}" for name, length in lengths.items())
        raise DataError(f"The arrays of {path} have different lengths ({printable(told)}): give one a row.")
    found = [arrays[name] for name in columns.vectors]
    vectors = found[0] if len(found) == 1 else np.concatenate([as_float32(one) for one in found], axis=1)
    logits = (
        sum(arrays[name].shape[1] for name in columns.vectors[-columns.logits :]) if columns.logits else 0
    )
    labels, parts = (
        None if name is None else plain_values(f"The array '{name}' of {path}", arrays[name])
        for name in (columns.label, columns.split)
    )
    return _table(path, ArrayRows(vectors), columns, labels, parts, logits)


def _table(
    path: Path,
    rows: Any,
    columns: Columns,
    labels: Sequence[object] | None,
    parts: Sequence[object] | None,
    logits: int,
) -> Table:
    return Table(
        path,
        rows,
        None if labels is None else label_column(f"The column '{columns.label}' of {path}", labels),
        None if parts is None else part_column(f"The column '{columns.split}' of {path}", parts),
        logits,
    )


def _check_rows(path: Path, array: np.ndarray) -> None:
    if array.ndim != 2 or array.dtype.kind != "f":
        raise DataError(
            f"{path} holds {array.dtype} of the shape {array.shape}, but embeddings are rows of fractions, "
            "(N, F) float32: convert it, or give images."
        )


def _kind(array: np.ndarray) -> Kind:
    vectors, kind = array.ndim == 2, array.dtype.kind
    if kind == "f":
        return Kind.vectors if vectors else Kind.number
    if kind in "iub":
        return Kind.whole_vectors if vectors else Kind.whole
    return Kind.text if kind in "US" and array.ndim == 1 else Kind.other
