"""Words for a terminal: tables, counts, and names of others that cannot steer it."""

from collections.abc import Collection, Sequence


def aligned(rows: Sequence[Sequence[str]], numbers: Collection[int] = ()) -> str:
    """Return rows of equally many cells in columns; those at `numbers` are set flush right."""
    from rich.cells import cell_len  # how wide a terminal shows a text

    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]

    def padded(at: int, cell: str) -> str:
        space = " " * (widths[at] - cell_len(cell))
        return space + cell if at in numbers else cell + space

    return "\n".join("  ".join(padded(at, cell) for at, cell in enumerate(row)).rstrip() for row in rows)


def printable(text: str) -> str:
    """Return text without anything that steers a terminal."""
    return "".join(character if character.isprintable() else "�" for character in text)


def counted(count: int, what: str) -> str:
    """Return "1 cell", "2 cells"."""
    return f"{count} {what}{'' if count == 1 else 's'}"
