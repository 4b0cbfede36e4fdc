"""Images in a Parquet file: a column `path` of text, a column `bytes` of image files' content."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from euinet.errors import DataError
from euinet.images.preprocessing import Preprocessing
from euinet.images.sources import FileRange, Read, read_one
from euinet.images.sources import shown as as_text
from euinet.system.extras import pyarrow_for

PATH, BYTES = "path", "bytes"
PARQUET_MAGIC = b"PAR1"
_READ_ROWS = 64  # images decoded from the file at a time
_READ_BYTES = 2**20


class ParquetSource(FileRange):
    """Images of a Parquet file, read in their order; a part begins to read at its row group's first row."""

    def read(self, preprocessing: Preprocessing) -> Iterator[Read]:
        """Read the images, some at a time. Raises DataError where the file is damaged."""
        for place, (name, content) in enumerate(self._cells(), self.start):
            shown = f"{as_text(self.path)}[{place}]" if name is None else name
            if content is None:
                yield Read(shown, None, error=f"It has no {BYTES}: fill the cell or take the row out.")
            else:
                yield read_one(shown, io.BytesIO(content), preprocessing)

    def _cells(self) -> Iterator[tuple[str | None, bytes | None]]:
        arrow, parquet = pyarrow_for(f"Reading {self.path}")
        try:
            with parquet.ParquetFile(self.path, pre_buffer=False, buffer_size=_READ_BYTES) as file:
                groups, before = _groups_of(file.metadata, self.start, self.stop)
                batches = file.iter_batches(_READ_ROWS, groups, [PATH, BYTES], use_threads=False)
                for batch in batches:
                    first, last = max(self.start - before, 0), min(self.stop - before, len(batch))
                    before += len(batch)
                    part = batch.slice(first, max(last - first, 0))
                    yield from zip(part[PATH].to_pylist(), part[BYTES].to_pylist(), strict=True)
                    if before >= self.stop:
                        break
        except (OSError, arrow.ArrowException) as error:
            raise _damaged(self.path, error) from error


def parquet_source(path: Path) -> ParquetSource:
    """Return the images of a Parquet file, of which only the description is read.

    Raises DataError when it is damaged or lacks a column, UsageError without pyarrow.
    """
    arrow, parquet = pyarrow_for(f"Reading {path}")
    try:
        with parquet.ParquetFile(path) as file:
            rows, schema = file.metadata.num_rows, file.schema_arrow
    except (OSError, arrow.ArrowException) as error:
        raise _damaged(path, error) from error
    kinds = {name: str(schema.field(name).type) for name in schema.names}
    if not (kinds.get(PATH) in ("string", "large_string") and kinds.get(BYTES) in ("binary", "large_binary")):
        has = ", ".join(f"'{name}' ({kind})" for name, kind in kinds.items())
        raise DataError(
            f"{path} has the columns {has}, but images are read from a column '{PATH}' (string) and a column "
            f"'{BYTES}' (binary) with the content of an image file in each row: write it with these two."
        )
    return ParquetSource(path, 0, rows)


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


def _damaged(path: Path, error: Exception) -> DataError:
    what = " ".join(str(error).split())[:120]
    return DataError(f"{path} is damaged or no Parquet file ({what}): write it anew.")
