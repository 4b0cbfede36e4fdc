"""Where rows go as they come: a list, or a CSV, JSON or Parquet file in constant memory."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, Protocol, Self

from euinet.errors import UsageError
from euinet.files import write_atomically
from euinet.predict.rows import LAST, Row, columns_of, csv_row, flat

FORMATS = (".csv", ".json", ".parquet")
GROUP = 20_000  # rows that Parquet writes at a time


class Sink(Protocol):
    """Where rows go as they come."""

    def write(self, rows: Sequence[Row]) -> None:
        """Take in rows."""


class RowList:
    """Keeps all rows, for what is printed."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def write(self, rows: Sequence[Row]) -> None:
        """Keep the rows."""
        self.rows += rows


@contextmanager
def file_sink(path: Path, class_names: Sequence[str]) -> Iterator[Sink]:
    """Write rows to a .csv, .json or .parquet file as they come, in constant memory; whole or not at all.

    In CSV and Parquet each class's probability is a column of its own, `p(NAME)`. Raises UsageError for
    another ending, or for Parquet without pyarrow; StorageError when the file cannot be written.
    """
    kinds: dict[str, Callable[[Path, Sequence[str]], AbstractContextManager[Sink]]] = {
        ".csv": _CsvSink,
        ".json": _JsonSink,
        ".parquet": _ParquetSink,
    }
    kind = kinds[check_format(path)]
    with write_atomically(path) as temporary, kind(temporary, class_names) as sink:
        yield sink


def check_format(path: Path) -> str:
    """Return the ending of `path`. Raises UsageError unless it is one of FORMATS and can be written."""
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise UsageError(f"{path} ends in '{suffix}', but results are written as {', '.join(FORMATS)}.")
    if suffix == ".parquet":
        _pyarrow()
    return suffix


class _CsvSink:
    def __init__(self, path: Path, class_names: Sequence[str]) -> None:
        self.file = path.open("w", encoding="utf-8", newline="")
        self.writer = csv.DictWriter(self.file, columns_of(class_names), lineterminator="\n")
        self.writer.writeheader()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()

    def write(self, rows: Sequence[Row]) -> None:
        self.writer.writerows(csv_row(row) for row in rows)


class _JsonSink:
    def __init__(self, path: Path, _class_names: Sequence[str]) -> None:
        self.file = path.open("w", encoding="utf-8")
        self.file.write('{"predictions": [')
        self.between = "\n"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.write("\n]}\n")
        self.file.close()

    def write(self, rows: Sequence[Row]) -> None:
        for row in rows:
            self.file.write(self.between + json.dumps(row, allow_nan=False))
            self.between = ",\n"


class _ParquetSink:
    def __init__(self, path: Path, class_names: Sequence[str]) -> None:
        self.arrow, parquet = _pyarrow()
        kinds = dict.fromkeys(("path", "label", "best_class", *LAST), self.arrow.string())
        kinds["rejected"] = self.arrow.bool_()
        columns = [(column, kinds.get(column, self.arrow.float64())) for column in columns_of(class_names)]
        self.schema = self.arrow.schema(columns)
        self.writer = parquet.ParquetWriter(path, self.schema)
        self.waiting: list[Row] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._flush()
        self.writer.close()

    def write(self, rows: Sequence[Row]) -> None:
        self.waiting += (flat(row) for row in rows)
        if len(self.waiting) >= GROUP:
            self._flush()

    def _flush(self) -> None:
        self.writer.write_table(self.arrow.Table.from_pylist(self.waiting, schema=self.schema))
        self.waiting = []


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow as arrow
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise UsageError(
            "Parquet needs pyarrow, which is not installed: pip install 'euinet[parquet]', or write .csv."
        ) from error
    return arrow, parquet
