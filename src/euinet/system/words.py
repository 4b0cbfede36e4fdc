"""Words for a terminal: tables, counts, and names of others that cannot steer it."""

import unicodedata
from collections.abc import Collection, Sequence

JOINERS = "\u200c\u200d"  # of Persian, of Hindi and of emoji: not seen themselves, but in what stands beside
_STEERING = frozenset(
    {"Cc", "Cf", "Cs", "Zl", "Zp"}
)  # controls, directions, halves of signs, breaks of lines


def aligned(rows: Sequence[Sequence[str]], numbers: Collection[int] = ()) -> str:
    """Return rows of equally many cells in columns; those at `numbers` are set flush right.

    Cells are made `printable`: names of others stand in them.
    """
    from rich.cells import cell_len  # how wide a terminal shows a text

    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]

    def padded(at: int, cell: str) -> str:
        space = " " * (widths[at] - cell_len(cell))
        return space + cell if at in numbers else cell + space

    return "\n".join("  ".join(padded(at, cell) for at, cell in enumerate(row)).rstrip() for row in rows)


def is_shown(character: str) -> bool:
    """Return whether a terminal may have this character: spaces of all kinds, but nothing that steers it.

    Signs that this version of Python does not know count as shown, so that versions agree.
    """
    return character.isprintable() or character in JOINERS or unicodedata.category(character) not in _STEERING


def printable(text: str, keep: str = "") -> str:
    """Return text without anything that steers a terminal, but for the characters to `keep`."""
    if text.isprintable():
        return text
    return "".join(c if is_shown(c) or c in keep else "�" for c in text)


def counted(count: int, what: str) -> str:
    """Return "1 cell", "2 cells"."""
    return f"{count} {what}{'' if count == 1 else 's'}"


def quoted(error: Exception) -> str:
    """Return an error's kind and words on one line that steers no terminal: a file's text may be in them."""
    return printable(" ".join(f"{type(error).__name__}: {error}".split())[:200])
