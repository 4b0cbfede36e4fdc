"""The images of Parquet files: labels are read at once, contents when they are asked for."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from euinet.data.embedded.contents import CellContent, Content
from euinet.data.embedded.file_parts import file_parts, part_named
from euinet.data.embedded.labels import LabelColumn
from euinet.data.embedded.listing import PARTS, Listing
from euinet.data.embedded.parquet_columns import Columns, find_columns
from euinet.errors import DataError
from euinet.images.names import PassedOver
from euinet.images.parquet_source import checked_rows, damaged_parquet, read_cells, shown_row
from euinet.system.extras import pyarrow_for
from euinet.system.words import counted, printable

_LABELS_AT_A_TIME = 2**16
_EMPTY = "It has no content: fill the cell or take the row out."


@dataclass(frozen=True)
class ParquetFile:
    """A file, how many images it has, and where in it they are."""

    path: Path
    rows: int
    columns: Columns


@dataclass(frozen=True)
class ParquetContents:
    """The contents of files' rows, one after another; a damaged file has the rows before the damage."""

    files: Sequence[ParquetFile]

    def __len__(self) -> int:
        return sum(file.rows for file in self.files)

    def __iter__(self) -> Iterator[Content]:
        for file in self.files:
            row, why = 0, f"{file.path} ends before it should: write it anew."
            try:
                for content, *path in read_cells(file.path, 0, file.rows, file.columns.cells):
                    name = shown_row(file.path, row, path[0] if path else None)
                    yield CellContent(name, content, f"{printable(name)}: {_EMPTY}")
                    row += 1
            except DataError as error:
                why = str(error)
            for missing in range(row, file.rows):
                yield CellContent(f"{file.path}[{missing}]", None, why)


def list_parquet(place: Path, paths: Sequence[Path]) -> Listing:
    """Return the images of Parquet files: each row one, with a label (parquet_columns.py).

    Parts are a column's, `split` or `part`, or the files' own (file_parts.py). Raises DataError, one
    sentence, for columns, labels or parts that cannot be used.
    """
    files = [_open(path) for path in paths]
    _check_alike(files)
    labels, parts = LabelColumn(str(place)), []
    by_name = file_parts(place, paths) if files[0].columns.split is None else []
    for number, file in enumerate(files):
        named = np.full(file.rows, PARTS.index(by_name[number]), np.int8) if by_name else None
        read = _read_labels(file, labels)
        parts.append(read if named is None else named)
    names, numbers = labels.classes(files[0].columns.class_names)
    return Listing(place, names, numbers, np.concatenate(parts), ParquetContents(files), PassedOver())


def _open(path: Path) -> ParquetFile:
    _, parquet = pyarrow_for(f"Reading {path}")
    try:
        with parquet.ParquetFile(path) as file:
            rows = checked_rows(file.metadata, path.stat().st_size)
            schema = file.schema_arrow
    except Exception as error:  # pyarrow has a kind for each way in which a file can lie
        raise damaged_parquet(path, error) from error
    return ParquetFile(path, rows, find_columns(path, schema))


def _check_alike(files: Sequence[ParquetFile]) -> None:
    first = files[0]
    for file in files:
        if (file.columns.split is None) != (first.columns.split is None):
            with_split, without = (file, first) if first.columns.split is None else (first, file)
            raise DataError(
                f"{with_split.path} has the column '{with_split.columns.split}', but {without.path} has "
                "none: write all files with it, or none."
            )
        if file.columns.class_names != first.columns.class_names:
            raise DataError(f"{first.path} and {file.path} name their classes differently: write both anew.")


def _read_labels(file: ParquetFile, labels: LabelColumn) -> np.ndarray:
    """Append a file's labels; return the parts that its split column says, (rows,) int8, else WHOLE."""
    _, parquet = pyarrow_for(f"Reading {file.path}")
    columns, parts = file.columns, []
    wanted = [columns.label] + ([columns.split] if columns.split else [])
    row = 0
    try:
        with parquet.ParquetFile(file.path, pre_buffer=False) as opened:
            for batch in opened.iter_batches(_LABELS_AT_A_TIME, columns=wanted, use_threads=False):
                _append_labels(file, batch[columns.label].to_pylist(), row, labels)
                if columns.split:
                    parts.append(_parts_of(file, batch[columns.split].to_pylist()))
                row += len(batch)
    except DataError:
        raise
    except Exception as error:
        raise damaged_parquet(file.path, error) from error
    return np.concatenate(parts) if parts else np.zeros(file.rows, np.int8)


def _append_labels(file: ParquetFile, values: Sequence[object], row: int, labels: LabelColumn) -> None:
    if lacking := values.count(None):
        raise DataError(
            f"{file.path} has {counted(lacking, 'row')} without a label, the first is row "
            f"{row + values.index(None)}: fill the cell or take the row out."
        )
    for value in values:
        labels.append(value if isinstance(value, int) and not isinstance(value, bool) else str(value))


def _parts_of(file: ParquetFile, values: Sequence[str | None]) -> np.ndarray:
    place = {}
    for value in set(values):
        part = None if value is None else part_named(value)
        if part is None:
            found = "an empty cell" if value is None else f"'{printable(value)[:60]}'"
            raise DataError(
                f"The column '{file.columns.split}' of {file.path} has {found}, but must be train, "
                "validation or test in each row."
            )
        place[value] = PARTS.index(part)
    return np.array([place[value] for value in values], np.int8)
