"""Labels and parts of the data as tables have them become a `LabelColumn` and places in PARTS."""

from collections.abc import Iterable, Sequence

import numpy as np

from euinet.data.embedded.file_parts import part_named
from euinet.data.embedded.labels import LabelColumn
from euinet.data.embedded.listing import PARTS
from euinet.errors import DataError
from euinet.system.words import printable


def label_column(where: str, values: Iterable[object]) -> LabelColumn:
    """Return labels, one a row, as text or whole numbers; a fraction that is whole is one: 2.0 is 2.

    Raises DataError, with the row, for an empty cell and for what is neither.
    """
    labels = LabelColumn(where)
    for row, value in enumerate(values):
        labels.append(_label(where, row, value))
    return labels


def _label(where: str, row: int, value: object) -> str | int:
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if value is None or value != value or (isinstance(value, str) and not value.strip()):
        raise DataError(f"{where} has no label in row {row}: fill it in, or take the row out.")
    if isinstance(value, bool | str):
        return str(value).strip()
    if isinstance(value, int):
        return value
    raise DataError(
        f"{where} has the label {printable(repr(value)[:60])} in row {row}, but labels must be text or whole "
        "numbers: write them as one of these."
    )


def plain_values(where: str, array: np.ndarray) -> list[object]:
    """Return an array's values (N,) as Python's, bytes as the text that they are in UTF-8."""
    if array.dtype.kind == "S":
        try:
            array = np.char.decode(array, "utf-8")
        except UnicodeError as error:
            raise DataError(f"{where} holds bytes that are no text in UTF-8: write it as text.") from error
    values: list[object] = array.tolist()
    return values


def part_column(where: str, values: Sequence[object]) -> np.ndarray:
    """Return which part each row is for, (N,) int8 places in PARTS. Raises DataError for other words."""
    places = {}
    for value in dict.fromkeys(values):
        part = part_named(value) if isinstance(value, str) else None
        if part is None:
            found = "an empty cell" if value is None or value == "" else f"'{printable(str(value))[:60]}'"
            raise DataError(
                f"{where} has {found}, but must be train, validation or test in each row: write it so, or "
                "take the column out."
            )
        places[value] = PARTS.index(part)
    return np.array([places[value] for value in values], np.int8)
