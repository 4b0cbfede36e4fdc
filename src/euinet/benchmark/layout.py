"""Tables of words, aligned for a terminal or as Markdown."""

from __future__ import annotations

from dataclasses import dataclass

from rich.cells import cell_len


@dataclass(frozen=True)
class Table:
    """A table of words; the first column is the rows' names."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str


def aligned(table: Table) -> str:
    """Return the rows for a terminal: the first column to the left, the others to the right."""
    lines = (table.columns, *table.rows)
    widths = [max(cell_len(line[at]) for line in lines) for at in range(len(table.columns))]

    def padded(text: str, at: int) -> str:
        space = " " * (widths[at] - cell_len(text))
        return text + space if at == 0 else space + text

    return "\n".join("  ".join(padded(cell, at) for at, cell in enumerate(line)).rstrip() for line in lines)


def markdown_rows(table: Table) -> str:
    """Return the rows as GitHub's Markdown."""
    lines = [table.columns, ("---", *("---:" for _ in table.columns[1:])), *table.rows]
    return "\n".join("| " + " | ".join(escaped(cell) for cell in line) + " |" for line in lines)


def escaped(text: str) -> str:
    """Return text that Markdown leaves as it is inside a table."""
    return text.replace("|", "\\|")
