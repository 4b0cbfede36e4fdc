"""Names that strangers chose: of files, to be shown; of classes, to become the names of folders."""

import re
import unicodedata
from collections.abc import Iterable

from euinet.data.sets.layout import PART_NAMES
from euinet.errors import UsageError
from euinet.system.words import is_shown, printable

LONGEST_NAME = 120  # characters of a file's name that are kept
LONGEST_CLASS = 60  # characters, of at most 4 bytes each: file systems take 255 bytes
_FORBIDDEN = re.compile(r'[/\\:*?"<>|]')
_RESERVED = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)  # on Windows


def shown_name(name: str) -> str:
    """Return a file's name as it is kept: its last part, printable, not too long."""
    last = re.split(r"[/\\]", name[-4096:])[-1]
    return printable(last)[:LONGEST_NAME]


def class_name(text: str, existing: Iterable[str] = ()) -> str:
    """Return a class's name as it can be a folder's on any system.

    Unicode is brought to its composed form (NFC) and spaces around it fall away. Raises UsageError for what
    cannot be a folder's name, or differs from an existing one in upper and lower case alone.
    """
    name = unicodedata.normalize("NFC", text).strip()
    if problem := _problem(name):
        raise UsageError(f"{_quoted(text)} cannot be a class's name, for it {problem}: choose another.")
    for other in existing:
        if other != name and other.casefold() == name.casefold():
            raise UsageError(
                f"There is a class {_quoted(other)}, and {_quoted(name)} would be the same folder on some "
                "systems: write it the same way, or choose another name."
            )
    return name


def _problem(name: str) -> str | None:
    if not name:
        return "is empty"
    if len(name) > LONGEST_CLASS:
        return f"is longer than {LONGEST_CLASS} characters"
    if not all(map(is_shown, name)):
        return "has signs that cannot be printed"
    if found := _FORBIDDEN.search(name):
        return f"has the sign {found[0]}, which a folder's name may not have"
    if name.startswith(".") or name.endswith("."):
        return "begins or ends with a dot"
    if _RESERVED.fullmatch(name):
        return "is a name that Windows keeps for itself"
    if name.casefold() in PART_NAMES:
        return "would be taken for a part of the data instead of a class"
    return None


def _quoted(text: str) -> str:
    short = text if len(text) <= LONGEST_CLASS else text[:LONGEST_CLASS] + "…"
    return f"'{printable(short)}'"
