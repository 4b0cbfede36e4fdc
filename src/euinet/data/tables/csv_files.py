"""A CSV file of numbered columns, with its labels: read once, into one float32 array."""

import csv
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from euinet.data.tables.columns import Kind, choose_columns
from euinet.data.tables.labelled import label_column, part_column
from euinet.data.tables.table import ArrayRows, Table
from euinet.errors import DataError
from euinet.system.words import printable

_LONGEST = 2**20  # characters of a cell


def read_csv(path: Path) -> Table:
    """Return the table of a CSV file whose first line names the columns. Raises DataError."""
    head = header(path)
    if len(set(head)) < len(head):
        twice = next(name for name in head if head.count(name) > 1)
        raise DataError(f"{path} has two columns '{printable(twice)}': rename one.")
    columns = choose_columns(path, dict.fromkeys(head, Kind.any))
    places = [head.index(name) for name in columns.vectors]
    beside = {name: head.index(name) for name in columns.beside}
    numbers, told = array("f"), {name: list[str]() for name in beside}
    count = 0
    for line in _rows(path, len(head)):
        try:
            # an empty cell is a number that is missing, as in any table: NaN
            numbers.extend([float(line[place] or "nan") for place in places])
        except (OverflowError, ValueError) as error:
            raise DataError(
                f"Row {count} of {path} has a cell that is no number ({error}): correct it."
            ) from error
        for name, place in beside.items():
            told[name].append(line[place])
        count += 1
    vectors = (
        np.frombuffer(numbers, np.float32).reshape(count, len(places)) if count else np.empty((0, 0), "f4")
    )
    label, split = columns.label, columns.split
    return Table(
        path,
        ArrayRows(vectors, tuple(told[columns.name]) if columns.name else None),
        label_column(f"The column '{label}' of {path}", told[label]) if label else None,
        part_column(f"The column '{split}' of {path}", told[split]) if split else None,
        columns.logits or 0,
    )


def cells(path: Path, place: int) -> list[str]:
    """Return a column's cells, without its name."""
    return [line[place] for line in _rows(path, len(header(path)))]


def header(path: Path) -> list[str]:
    """Return the names of the columns. Raises DataError for an empty file."""
    head = [name.strip() for name in next(_lines(path), [])]
    if not head:
        raise DataError(f"{path} is empty: give a table with a header.")
    return head


def _rows(path: Path, width: int) -> Iterator[Sequence[str]]:
    lines = _lines(path)
    next(lines, None)
    for number, line in enumerate(lines):
        if len(line) != width:
            raise DataError(f"Row {number} of {path} has {len(line)} cells, but the header {width}: mend it.")
        yield line


def _lines(path: Path) -> Iterator[list[str]]:
    try:
        csv.field_size_limit(_LONGEST)
        with path.open(encoding="utf-8-sig", newline="") as file:
            yield from (line for line in csv.reader(file) if line)
    except (OSError, UnicodeError, csv.Error) as error:
        raise DataError(f"{path} cannot be read as CSV ({error}): save it anew, as UTF-8.") from error
