"""Labels as files have them, text or whole numbers, become classes: their names, and a place for each."""

from array import array
from collections.abc import Sequence

import numpy as np

from euinet.errors import DataError
from euinet.system.class_names import MOST_CLASSES
from euinet.system.words import printable


class LabelColumn:
    """Labels one after another, four bytes each; each different one is held once."""

    def __init__(self, where: str) -> None:
        self._where = where  # what sentences call the labels' place
        self._numbers: dict[str | int, int] = {}
        self._labels = array("i")

    def __len__(self) -> int:
        return len(self._labels)

    def append(self, label: str | int) -> None:
        """Put a label at the end. Raises DataError where there are more classes than can be."""
        number = self._numbers.setdefault(label, len(self._numbers))
        if number >= MOST_CLASSES:
            raise DataError(
                f"{self._where} has more than {MOST_CLASSES:,} different labels: give classes, not names or "
                "captions."
            )
        self._labels.append(number)

    def classes(
        self, names: Sequence[str] = (), *, read_numbers: bool = False
    ) -> tuple[tuple[str, ...], np.ndarray]:
        """Return the classes' names, and the place among them of each label (N,) int32.

        Text is sorted as text, numbers by their size, with `read_numbers` those that are written as text too;
        numbers are places in `names` where these are given.
        Raises DataError where some labels are text and others numbers, or a number is none of a class's.
        """
        found = list(self._numbers)
        if len({isinstance(label, str) for label in found}) > 1:
            text, number = (
                next(one for one in found if isinstance(one, str) is wanted) for wanted in (True, False)
            )
            raise DataError(
                f"{self._where} has labels of text ('{printable(str(text))[:60]}') and numbers ({number}): "
                "write all in one way."
            )
        if names and found and isinstance(found[0], int):
            wrong = [label for label in found if not 0 <= int(label) < len(names)]
            if wrong:
                raise DataError(
                    f"{self._where} has the label {wrong[0]}, but {len(names)} classes are named: labels "
                    f"must be 0 … {len(names) - 1}."
                )
            named = {label: names[int(label)] for label in found}
        else:
            named = {label: str(label) for label in found}
        numbers = not names and (
            all(isinstance(label, int) for label in found) or (read_numbers and all(map(_is_number, found)))
        )
        order = sorted(found, key=int if numbers else named.__getitem__)
        place = np.empty(len(found), np.int32)
        place[[self._numbers[label] for label in order]] = np.arange(len(found))
        labels: np.ndarray = place[np.frombuffer(self._labels, np.int32)] if self._labels else place
        return tuple(named[label] for label in order), labels


def _is_number(label: str | int) -> bool:
    """Return whether a label is a whole number, written as numbers are."""
    text = str(label)
    return text.removeprefix("-").isdecimal() and len(text) < 19 and str(int(text)) == text
