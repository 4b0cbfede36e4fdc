"""Which part of the data a file of many images is for, as its name or its folder says."""

import re
from collections.abc import Sequence
from pathlib import Path

from euinet.data.sets.layout import PART_NAMES, WHOLE
from euinet.errors import DataError

_WORD = re.compile(r"[^\W\d_]+")  # letters: "train" of train-00000-of-00002.parquet


def file_parts(place: Path, files: Sequence[Path]) -> list[str]:
    """Return the part of each file: its folder's below `place`, else its name's first word; WHOLE: none.

    A file that was named alone is not for a part, whatever it is called. Raises DataError where only some of
    the files say one.
    """
    if list(files) == [place]:
        return [WHOLE]
    words = [_word(file, place) for file in files]
    parts = [PART_NAMES.get(word, WHOLE) for word in words]
    if WHOLE in parts and any(parts):
        unnamed = files[parts.index(WHOLE)]
        named, part = next((file, part) for file, part in zip(files, parts, strict=True) if part)
        raise DataError(
            f"{named.name} is by its name for the part {part}, but {unnamed.name} beside it for none: call "
            "all files after train, validation or test, or none."
        )
    return parts


def part_named(text: str) -> str | None:
    """Return the part that a text names, None where it names none."""
    return PART_NAMES.get(text.strip().casefold())


def _word(file: Path, place: Path) -> str:
    """Return the word by which a file is for a part, empty where it is for none."""
    inside = file.relative_to(place).parts if file.is_relative_to(place) else (file.name,)
    first = _WORD.match(file.name)
    words = [part.casefold() for part in inside[:-1]] + ([first[0].casefold()] if first else [])
    return next((word for word in words if word in PART_NAMES), "")
