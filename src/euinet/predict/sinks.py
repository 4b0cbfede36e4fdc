"""Where batches go as they come: a list, or a part of a CSV, JSON or Parquet file in constant memory."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol, Self

from euinet.errors import UsageError
from euinet.predict.blocks import Block
from euinet.predict.rows import LAST, Row, columns_of, flat, header, write_csv
from euinet.system.extras import pyarrow_for
from euinet.system.files import write_atomically

GROUP = 20_000  # rows of a Parquet file that can be read by themselves, at least


class Sink(Protocol):
    """Where batches go as they come."""

    def write(self, block: Block) -> None:
        """Take in a batch."""


class PartSink(Sink, Protocol):
    """A file with some of the rows; whole when its block has ended."""

    def __enter__(self) -> PartSink: ...

    def __exit__(self, kind: object, *rest: object) -> None: ...


class Format(Protocol):
    """A kind of file that can be written in parts."""

    def part(self, path: Path, class_names: Sequence[str]) -> PartSink:
        """Open a part to be written at `path`."""

    def join(self, parts: Sequence[Path], path: Path, class_names: Sequence[str]) -> None:
        """Write the whole file to `path` from its parts, in their order, in constant memory."""


class RowList:
    """Keeps all rows, for what is printed."""

    def __init__(self) -> None:
        self.rows: list[Row] = []

    def write(self, block: Block) -> None:
        """Keep the rows."""
        self.rows += block.rows()


class _Text:
    """A part of a text file."""

    def __init__(self, path: Path, class_names: Sequence[str]) -> None:
        self.file = path.open("w", encoding="utf-8", newline="")
        self.class_names = class_names

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()


class _CsvPart(_Text):
    def write(self, block: Block) -> None:
        write_csv(self.file, block.rows(), self.class_names)


class _JsonPart(_Text):
    between = ""

    def write(self, block: Block) -> None:
        for row in block.rows():
            self.file.write(self.between + json.dumps(row, allow_nan=False))
            self.between = ",\n"


class Csv:
    """A header and a line for each row; each class's probability is a column, `p(NAME)`."""

    part = _CsvPart

    def join(self, parts: Sequence[Path], path: Path, class_names: Sequence[str]) -> None:
        """Write the header and the parts."""
        with write_atomically(path) as temporary, temporary.open("wb") as file:
            file.write(header(class_names).encode())
            for part in parts:
                _copy(part, file)


class Json:
    """One document, {"predictions": [a row a line]}."""

    part = _JsonPart

    def join(self, parts: Sequence[Path], path: Path, class_names: Sequence[str]) -> None:
        """Write the parts with commas between."""
        with write_atomically(path) as temporary, temporary.open("wb") as file:
            file.write(b'{"predictions": [')
            for number, part in enumerate(parts):
                file.write(b",\n" if number else b"\n")
                _copy(part, file)
            file.write(b"\n]}\n")


class _ParquetPart:
    def __init__(self, path: Path, class_names: Sequence[str]) -> None:
        self.arrow, parquet = pyarrow_for("Parquet")
        self.schema = _schema(self.arrow, class_names)
        self.writer = parquet.ParquetWriter(path, self.schema)
        self.waiting: list[Any] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is None and self.waiting:
            self.writer.write_table(self.arrow.Table.from_batches(self.waiting, self.schema))
        self.writer.close()

    def write(self, block: Block) -> None:
        self.waiting.append(self.arrow.RecordBatch.from_pylist([*map(flat, block.rows())], self.schema))


class Parquet:
    """Columns as in CSV, with their types."""

    part = _ParquetPart

    def join(self, parts: Sequence[Path], path: Path, class_names: Sequence[str]) -> None:
        """Write the parts' rows, GROUP and more at a time."""
        arrow, parquet = pyarrow_for("Parquet")
        schema = _schema(arrow, class_names)
        with write_atomically(path) as temporary, parquet.ParquetWriter(temporary, schema) as writer:
            waiting: list[Any] = []
            for number, part in enumerate(parts, 1):
                waiting.append(parquet.read_table(part, schema=schema, use_threads=False))
                if sum(map(len, waiting)) >= GROUP or number == len(parts):
                    writer.write_table(arrow.concat_tables(waiting))
                    waiting = []


def _schema(arrow: Any, class_names: Sequence[str]) -> Any:
    kinds = dict.fromkeys(("path", "label", "best_class", *LAST), arrow.string())
    kinds["rejected"] = arrow.bool_()
    return arrow.schema([(name, kinds.get(name, arrow.float64())) for name in columns_of(class_names)])


def _copy(part: Path, file: Any) -> None:
    with part.open("rb") as content:
        shutil.copyfileobj(content, file, 2**20)


FORMATS: dict[str, Format] = {".csv": Csv(), ".json": Json(), ".parquet": Parquet()}


def check_format(path: Path) -> str:
    """Return the ending of `path`. Raises UsageError unless it is one of FORMATS and can be written."""
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise UsageError(f"{path} ends in '{suffix}', but results are written as {', '.join(FORMATS)}.")
    if suffix == ".parquet":
        pyarrow_for(f"Writing {path}")
    return suffix
