"""What may be a class's name: one rule for what is trained, and what is read back of models and records."""

import unicodedata
from collections.abc import Sequence

from euinet.errors import DataError
from euinet.system.words import JOINERS, is_shown

MOST_CLASSES = 100_000
LONGEST_NAME = 200  # characters
# Joiners, fillers of Hangul, Khmer's inherent vowels, the empty Braille cell, selectors of a letter's form
_UNSEEN = frozenset(JOINERS + "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0") | {
    chr(code)
    for first, last in ((0x180B, 0x180F), (0xFE00, 0xFE0F), (0xE0100, 0xE01EF))
    for code in range(first, last + 1)
}
NONE_OF_THESE = "none of these"  # what is said of a rejected image


def check_class_names(names: Sequence[str]) -> None:
    """Raise DataError unless each name can be kept and shown, and none is there twice."""
    if len(names) > MOST_CLASSES:
        raise DataError(f"There are {len(names):,} classes, but at most {MOST_CLASSES:,} can be: join some.")
    for name in names:
        if wrong := wrong_in_name(name):
            raise DataError(f"The class {_quoted(name)} {wrong}: rename it (its folder, or its label).")
    if len(set(names)) < len(names):
        raise DataError("Two classes have the same name: rename one, or put their images into one class.")


def check_new_classes(names: Sequence[str]) -> None:
    """Raise DataError unless what is trained on these classes can be kept, and people can tell them apart."""
    check_class_names(names)
    seen: dict[str, str] = {}
    for name in names:
        looks = "".join(" " if letter.isspace() else letter for letter in _seen(name))
        looks = " ".join(unicodedata.normalize("NFC", looks).split())
        if looks.casefold() == NONE_OF_THESE:
            raise DataError(
                f"The class {_quoted(name)} is called what is said of an image of no class: rename it (its "
                "folder, or its label)."
            )
        if (other := seen.setdefault(looks, name)) != name:
            raise DataError(
                f"The classes {other!a} and {name!a} look the same: rename one, or put their images "
                "into one class."
            )


def wrong_in_name(name: str) -> str | None:
    """Return why this can be no class's name, to be read after the class; None where it can."""
    if not _seen(name).strip():
        return "has no name that can be seen"
    if len(name) > LONGEST_NAME:
        return f"has a name of more than {LONGEST_NAME} characters"
    if hidden := next((letter for letter in name if not is_shown(letter)), None):
        return f"has a sign in its name that is not printable, {ascii(hidden)[1:-1]}"
    return None


def _seen(name: str) -> str:
    """Return a name without the letters that no eye sees."""
    return "".join(letter for letter in name if letter not in _UNSEEN)


def _quoted(name: str) -> str:
    """Return a name as a terminal may have it, what cannot be seen in it escaped."""
    short = name if len(name) <= 60 else name[:60] + "…"
    return f"'{''.join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in short)}'"
