"""What was answered for each image, as a table for people or as CSV (`sinks` writes files)."""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import Any, TextIO

from euinet.images.sources import Read
from euinet.system.class_names import NONE_OF_THESE
from euinet.system.words import aligned

Row = dict[str, Any]
"""One image: path, label, rejected, ood_score, p_value, probabilities …; or path and error."""

_COLUMNS = ("path", "label", "rejected", "best_class", "ood_score", "p_value", "reject_probability")
LAST = ("remark", "error")


def rows_of(reads: Iterable[Read], found: Iterable[Row]) -> list[Row]:
    """Return a row for each image: what was found of it, be it an error, or why it could not be read.

    `found` are those of the images that could be read, in their order.
    """
    rows: list[Row] = []
    left = iter(found)
    for read in reads:
        if read.pixels is None:
            rows.append({"path": read.path, "error": read.error})
            continue
        row: Row = {"path": read.path, **next(left)}
        if read.remark:
            row["remark"] = read.remark
        rows.append(row)
    return rows


def as_csv(rows: Sequence[Row], class_names: Sequence[str]) -> str:
    """Return rows as CSV with a header; what a row lacks is empty."""
    text = io.StringIO(header(class_names), newline="")
    text.seek(0, io.SEEK_END)
    write_csv(text, rows, class_names)
    return text.getvalue()


def write_csv(file: TextIO, rows: Iterable[Row], class_names: Sequence[str]) -> None:
    """Write rows as CSV's lines."""
    lines = ({key: cell(value) for key, value in flat(row).items()} for row in rows)
    csv.DictWriter(_Lines(file), columns_of(class_names)).writerows(lines)


class _Lines:
    r"""Takes lines that end in \r\n, so that csv quotes cells with either sign, and ends them in \n."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def write(self, line: str) -> None:
        """Write a line."""
        self._file.write(line.removesuffix("\r\n") + "\n")


def header(class_names: Sequence[str]) -> str:
    """Return CSV's first line."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(columns_of(class_names))
    return text.getvalue()


def as_table(rows: Sequence[Row]) -> str:
    """Return rows as text for a terminal; hostile names cannot steer it."""
    return aligned([("image", "answer", "p-value", "score", ""), *map(_table_row, rows)], numbers=(2, 3))


def _table_row(row: Row) -> tuple[str, str, str, str, str]:
    path = row["path"]
    if "error" in row:
        return path, "ERROR", "", "", row["error"]
    more = f"nearest: {row['best_class']}" if row["rejected"] else ""
    remark = row.get("remark") or ""
    return (
        path,
        NONE_OF_THESE if row["rejected"] else row["label"],
        "–" if row["p_value"] is None else p_text(row["p_value"]),
        f"{row['ood_score']:.3g}",
        "; ".join(part for part in (more, remark) if part),
    )


def p_text(p_value: float) -> str:
    """Write a p-value with four places, or as 2.3e-05 where these would be 0: it never is."""
    return f"{p_value:.4f}" if p_value >= 0.0001 else f"{p_value:.1e}"


def flat(row: Row) -> Row:
    """Return a row with a column for each probability."""
    flat = {key: value for key, value in row.items() if key != "probabilities"}
    return flat | {f"p({name})": value for name, value in row.get("probabilities", {}).items()}


def cell(value: Any) -> Any:
    """Return a value as CSV has it."""
    if isinstance(value, bool):
        return str(value).lower()
    # A spreadsheet would run a cell that begins so as a formula; with ' too, the first ' is always ours.
    if isinstance(value, str) and value.startswith(("=", "+", "@", "\t", "\r", "'")):
        return "'" + value
    return value


def columns_of(class_names: Sequence[str]) -> list[str]:
    """Return the columns of a table of rows."""
    return [*_COLUMNS, *(f"p({name})" for name in class_names), *LAST]
