"""Images in a Parquet file: a column `path` of text, a column `bytes` of image files' content.

A cell that is repeated is held once, and one cell at a time is taken out. A row group may unpack to
_MOST_GROUP bytes, or to MOST_TIMES of what the whole file takes: images are packed already.
"""

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from euinet.errors import DataError
from euinet.images.preprocessing import Preprocessing
from euinet.images.sources import FileRange, Read, read_one
from euinet.images.sources import shown as as_text
from euinet.system.extras import pyarrow_for

PATH, BYTES = "path", "bytes"
PARQUET_MAGIC = b"PAR1"
_MOST_GROUP, MOST_TIMES = 2**26, 50
MOST_ROWS_A_BYTE = 1000  # that a file can promise: even of one image, over and over
_READ_ROWS, _READ_CELLS = 64, 2**24  # images, and bytes of them, decoded from the file at a time
_READ_BYTES = 2**20
_LONGEST_PATH = 2**15  # bytes


class ParquetSource(FileRange):
    """Images of a Parquet file, read in their order; a part begins to read at its row group's first row."""

    def intact(self, preprocessing: Preprocessing) -> Iterator[Read]:
        """Read the images, some at a time. Raises DataError where the file is damaged."""
        cells = read_cells(self.path, self.start, self.stop, (PATH, BYTES))
        for place, (name, content) in enumerate(cells, self.start):
            shown = shown_row(self.path, place, name)
            if content is None:
                yield Read(shown, None, error=f"It has no {BYTES}: fill the cell or take the row out.")
            else:
                yield read_one(shown, io.BytesIO(content), preprocessing)


def shown_row(path: Path, row: int, name: bytes | None) -> str:
    """Return what a row is called: the text that it has as its path, else FILE[row]."""
    if name is not None and len(name) <= _LONGEST_PATH:
        return name.decode("utf-8", "backslashreplace")
    return f"{as_text(path)}[{row}]"


def read_cells(
    path: Path, start: int, stop: int, columns: Sequence[str]
) -> Iterator[tuple[bytes | None, ...]]:
    """Yield the cells of columns of text or bytes, row by row from `start` up to `stop`; None: empty.

    A column within a column is OUTER.INNER. Raises DataError where the file is damaged.
    """
    _, parquet = pyarrow_for(f"Reading {path}")
    try:
        with parquet.ParquetFile(
            path, pre_buffer=False, buffer_size=_READ_BYTES, read_dictionary=list(columns)
        ) as file:
            groups, before = _groups_of(file.metadata, start, stop)
            for group in groups:  # one by one, so that those before a damaged one are read
                rows = _rows_at_a_time(file.metadata.row_group(group))
                for batch in file.iter_batches(rows, [group], list(columns), use_threads=False):
                    first, last = max(start - before, 0), min(stop - before, len(batch))
                    before += len(batch)
                    part = batch.slice(first, max(last - first, 0))
                    yield from zip(*(map(_cell, _column(part, name)) for name in columns), strict=True)
    except DataError:
        raise
    except Exception as error:  # pyarrow has a kind for each way in which a file can lie
        raise damaged_parquet(path, error) from error


def parquet_source(path: Path) -> ParquetSource:
    """Return the images of a Parquet file, of which only the description is read.

    Raises DataError when it is damaged or lacks a column, UsageError without pyarrow.
    """
    _, parquet = pyarrow_for(f"Reading {path}")
    try:
        with parquet.ParquetFile(path) as file:
            rows = checked_rows(file.metadata, path.stat().st_size)
            kinds = [(field.name, str(field.type)) for field in file.schema_arrow]
    except Exception as error:
        raise damaged_parquet(path, error) from error
    allowed = {PATH: ("string", "large_string"), BYTES: ("binary", "large_binary")}
    found = [(name, kind) for name, kind in kinds if name in allowed]
    if sorted(name for name, _ in found) != sorted(allowed) or any(k not in allowed[n] for n, k in found):
        has = ", ".join(f"'{name}' ({kind})" for name, kind in kinds)[:400]
        raise DataError(
            f"{path} has the columns {has}, but images are read from a column '{PATH}' (string) and a column "
            f"'{BYTES}' (binary) with the content of an image file in each row: write it with these two."
        )
    return ParquetSource(path, 0, rows)


def checked_rows(metadata: Any, file_bytes: int) -> int:
    """Return how many rows there are. Raises ValueError where a file's description cannot be true."""
    rows: int = metadata.num_rows
    groups = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
    if min([rows, *(group.num_rows for group in groups)]) < 0 or rows != sum(g.num_rows for g in groups):
        raise ValueError("its row groups do not add up")
    if rows > MOST_ROWS_A_BYTE * file_bytes:
        raise ValueError(f"it promises {rows} rows in {file_bytes} bytes")
    # asked for a column's own description, pyarrow ends the process where that is damaged
    largest = max((group.total_byte_size for group in groups), default=0)
    if largest > max(_MOST_GROUP, MOST_TIMES * file_bytes):
        raise ValueError(f"its {file_bytes} bytes unpack to {largest} at a time")
    return rows


def _rows_at_a_time(group: Any) -> int:
    each: int = group.total_byte_size // max(group.num_rows, 1)
    return max(1, min(_READ_ROWS, _READ_CELLS // max(each, 1)))


def _column(batch: Any, name: str) -> Any:
    """Return a column, or one within a column, of a batch of rows."""
    outer, _, inner = name.partition(".")
    if name in batch.schema.names:
        return batch[name]
    import pyarrow.compute  # as in `pyarrow_for`

    return pyarrow.compute.struct_field(batch[outer], inner)


def _cell(scalar: Any) -> bytes | None:
    """Return a cell's bytes as they are: what should be text may be none."""
    if not scalar.is_valid:
        return None
    within = getattr(scalar, "value", scalar)  # a dictionary's cell has it inside, or nothing
    buffer = None if within is None else within.as_buffer()
    return None if buffer is None else bytes(buffer)


def _groups_of(metadata: Any, start: int, stop: int) -> tuple[list[int], int]:
    """Return the row groups that hold the rows from `start` up to `stop`, and how many rows lie before."""
    groups: list[int] = []
    before = passed = 0
    for group in range(metadata.num_row_groups):
        rows = metadata.row_group(group).num_rows
        if passed + rows > start and passed < stop:
            if not groups:
                before = passed
            groups.append(group)
        passed += rows
    return groups, before


def damaged_parquet(path: Path, error: Exception) -> DataError:
    """Return the error for a file that pyarrow cannot read."""
    what = " ".join(str(error).split())[:120]
    return DataError(f"{path} is damaged or no Parquet file ({what}): write it anew.")
