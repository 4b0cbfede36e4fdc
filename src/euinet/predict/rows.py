"""What was answered for each image, written as a table for people, or JSON, CSV or Parquet for programs."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from euinet.errors import UsageError
from euinet.files import write_atomically, write_text

Row = dict[str, Any]
"""One image: path, label, rejected, ood_score, p_value, probabilities …; or path and error."""

FORMATS = (".csv", ".json", ".parquet")
_COLUMNS = ("path", "label", "rejected", "best_class", "ood_score", "p_value", "reject_probability")
_LAST = ("remark", "error")
NONE_OF_THESE = "none of these"


def write_rows(rows: Sequence[Row], class_names: Sequence[str], path: Path) -> None:
    """Write rows to a .csv, .json or .parquet file, whole or not at all.

    In CSV and Parquet each class's probability is a column of its own, `p(NAME)`. Raises UsageError for
    another ending, or for Parquet without pyarrow; StorageError when the file cannot be written.
    """
    suffix = check_format(path)
    if suffix == ".json":
        write_text(path, json.dumps({"predictions": list(rows)}, indent=2, allow_nan=False) + "\n")
    elif suffix == ".csv":
        write_text(path, as_csv(rows, class_names))
    else:
        _write_parquet(rows, class_names, path)


def check_format(path: Path) -> str:
    """Return the ending of `path`. Raises UsageError unless it is one of FORMATS and can be written."""
    suffix = path.suffix.lower()
    if suffix not in FORMATS:
        raise UsageError(f"{path} ends in '{suffix}', but results are written as {', '.join(FORMATS)}.")
    if suffix == ".parquet":
        _pyarrow()
    return suffix


def as_csv(rows: Sequence[Row], class_names: Sequence[str]) -> str:
    """Return rows as CSV with a header; what a row lacks is empty."""
    text = io.StringIO()
    columns = [*_COLUMNS, *(f"p({name})" for name in class_names), *_LAST]
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    for row in rows:
        writer.writerow({key: _cell(value) for key, value in _flat(row).items()})
    return text.getvalue()


def as_table(rows: Sequence[Row]) -> str:
    """Return rows as text for a terminal; hostile names cannot steer it."""
    cells = [("image", "answer", "p-value", "score", "")]
    cells += [_table_row(row) for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(4)]
    return "\n".join(
        f"{path:<{widths[0]}}  {answer:<{widths[1]}}  {p:>{widths[2]}}  {score:>{widths[3]}}  {more}".rstrip()
        for path, answer, p, score, more in cells
    )


def printable(text: str) -> str:
    """Return text without anything that steers a terminal."""
    return "".join(character if character.isprintable() else "�" for character in text)


def _table_row(row: Row) -> tuple[str, str, str, str, str]:
    path = printable(row["path"])
    if "error" in row:
        return path, "ERROR", "", "", printable(row["error"])
    more = f"nearest: {printable(row['best_class'])}" if row["rejected"] else ""
    remark = printable(row.get("remark") or "")
    return (
        path,
        NONE_OF_THESE if row["rejected"] else printable(row["label"]),
        "–" if row["p_value"] is None else f"{row['p_value']:.4f}",
        f"{row['ood_score']:.3g}",
        "; ".join(part for part in (more, remark) if part),
    )


def _flat(row: Row) -> Row:
    flat = {key: value for key, value in row.items() if key != "probabilities"}
    return flat | {f"p({name})": value for name, value in row.get("probabilities", {}).items()}


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    # a spreadsheet would run a cell that begins so as a formula
    if isinstance(value, str) and value.startswith(("=", "+", "@", "\t", "\r")):
        return "'" + value
    return value


def _write_parquet(rows: Sequence[Row], class_names: Sequence[str], path: Path) -> None:
    arrow, parquet = _pyarrow()
    kinds = {
        "rejected": arrow.bool_(),
        **dict.fromkeys(("path", "label", "best_class", *_LAST), arrow.string()),
    }
    columns = [*_COLUMNS, *(f"p({name})" for name in class_names), *_LAST]
    schema = arrow.schema([(column, kinds.get(column, arrow.float64())) for column in columns])
    table = arrow.Table.from_pylist([_flat(row) for row in rows], schema=schema)
    with write_atomically(path) as temporary:
        parquet.write_table(table, temporary)


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow as arrow
        import pyarrow.parquet as parquet
    except ImportError as error:
        raise UsageError(
            "Parquet needs pyarrow, which is not installed: pip install 'euinet[parquet]', or write .csv."
        ) from error
    return arrow, parquet
