"""Which classes a user means: by name, or by number where no class is named by one."""

import operator
import unicodedata
from collections.abc import Sequence

from euinet.errors import UsageError
from euinet.system.close import did_you_mean


def class_numbers(held_out: Sequence[int | str], names: tuple[str, ...]) -> tuple[int, ...]:
    """Return the numbers of the classes named, ascending.

    A text is a name first, then names separated by commas (a class whose name has commas is found too), then
    a number; not the latter where all classes are named by numbers, of which it is none. Raises UsageError
    for what is no class, and for a class that is named twice.
    """
    if held_out is None or isinstance(held_out, str):
        raise UsageError(f"Held-out classes must be a list, not {held_out!r}: give ['{held_out}'], or [].")
    values = [
        one
        for value in held_out
        for one in (split_names(value, names) if isinstance(value, str) else [value])
    ]
    numbers = [_class_number(value, names) for value in values]
    for number in numbers:
        if numbers.count(number) > 1:
            raise UsageError(f"Class '{names[number]}' is held out twice: give each class once.")
    return tuple(sorted(numbers))


def split_names(text: str, names: Sequence[str]) -> list[str]:
    """Return the class names that a text has, separated by commas; at each place the longest that there is.

    What is no name stays as it is, without spaces around it; nothing between two commas falls away.
    """
    words, found = text.split(","), []
    longest = 1 + max(name.count(",") for name in names)
    while words:
        tried = [",".join(words[:count]) for count in range(min(longest, len(words)), 0, -1)]
        spelt = [
            (joined.count(",") + 1, name)
            for joined in tried
            for name in (joined, joined.strip(), unicodedata.normalize("NFC", joined.strip()))
            if name in names
        ]
        count, name = spelt[0] if spelt else (1, words[0].strip())
        found.append(name)
        words = words[count:]
    return [name for name in found if name] or [text]


def check_numbers(held_out: Sequence[int | str], names: tuple[str, ...]) -> None:
    """Raise UsageError for a number where classes are named by numbers, but not in their order."""
    for value in held_out:
        if isinstance(value, str) or not 0 <= value < len(names):
            continue
        if _numbered_otherwise(names) and names[value] != str(value):
            raise UsageError(
                f"Class number {value} is called '{names[value]}', so {value} may mean either: hold classes "
                f"out by their names, as text, such as '{names[value]}'."
            )


def _class_number(value: int | str, names: tuple[str, ...]) -> int:
    number = -1
    if str(value) in names and (isinstance(value, str) or not hasattr(value, "__index__")):
        return names.index(str(value))  # labels may be of any kind, 1.0 or a date: their names are texts
    if hasattr(value, "__index__"):
        number = operator.index(value)
    elif isinstance(value, str) and value.isdecimal() and len(value) < 10 and not _numbered_otherwise(names):
        number = int(value)
    if 0 <= number < len(names):
        return number
    by_number = (
        "" if isinstance(value, str) and _numbered_otherwise(names) else f"a number 0 … {len(names) - 1} or "
    )
    raise UsageError(
        f"There is no class '{value}' to hold out.{did_you_mean(str(value), names)} Give {by_number}one of "
        f"{', '.join(names)}."
    )


def _numbered_otherwise(names: Sequence[str]) -> bool:
    """Return whether all names are numbers, but not each class's own."""
    return all(name.isdecimal() for name in names) and list(names) != [str(n) for n in range(len(names))]
