"""Tables of words, and how they are written in Markdown."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Table:
    """A table of words; the first column is the rows' names."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str


def markdown_rows(table: Table) -> str:
    """Return the rows as GitHub's Markdown."""
    lines = [table.columns, ("---", *("---:" for _ in table.columns[1:])), *table.rows]
    return "\n".join("| " + " | ".join(escaped(cell) for cell in line) + " |" for line in lines)


def escaped(text: str) -> str:
    """Return text that Markdown leaves as it is inside a table."""
    return text.replace("|", "\\|")
