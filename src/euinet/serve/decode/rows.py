"""Embeddings as JSON become rows of numbers, or a sentence that says what is wrong with them."""

import json
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np

from euinet.answers import Float32Array
from euinet.data.tables.inputs import NOT_FINITE
from euinet.images.sources import Read
from euinet.serve.http.forms import Upload
from euinet.serve.http.limits import Limits, Refused

FIELD = "embeddings"


class RowDecoder:
    """What `Decoder` is for images, for a model that reads embeddings of `width` numbers."""

    def __init__(self, width: int, limits: Limits) -> None:
        self._width, self._limits = width, limits
        self.wanted = f'send {{"{FIELD}": [[…], …]}} as JSON, {width:,} numbers a row'

    def start(self) -> None:
        """There is nothing to start."""

    def close(self) -> None:
        """There is nothing to end."""

    async def files(self, uploads: Sequence[Upload]) -> list[Read]:
        """Refuse files: they are images."""
        raise Refused(422, f"This model reads embeddings, and no files: {self.wanted}.")

    async def array(self, body: bytes) -> list[Read]:
        """Return the rows of a JSON document. Raises Refused where there are none."""
        rows = read_rows(body, self._width, self._limits.images, self.wanted)
        reads = []
        for place, row in enumerate(rows):
            name = f"{FIELD}[{place}]"
            good = bool(np.isfinite(row).all())
            reads.append(Read(name, row) if good else Read(name, None, error=f"{name} {NOT_FINITE}"))
        return reads


def read_rows(body: bytes, width: int, most: int, wanted: str) -> Float32Array:
    """Return the rows (N, width) of a JSON document, N at least 1.

    Raises Refused: 400 for what is no JSON, 413 for too many rows, 422 for other values or shapes.
    """
    try:
        document = json.loads(body, parse_constant=_no_number)
    except RecursionError as error:
        raise Refused(400, f"The JSON is nested too deeply: {wanted}.") from error
    except ValueError as error:  # broken JSON, no UTF-8, a number of thousands of digits
        raise Refused(400, f"The body is no JSON: {wanted}.") from error
    if not isinstance(document, dict) or set(document) != {FIELD}:
        raise Refused(422, f"The JSON is no object with the one field '{FIELD}': {wanted}.")
    rows: Any = document[FIELD]
    if not isinstance(rows, list) or not rows:
        raise Refused(422, f"There are no rows: {wanted}.")
    if len(rows) > most:
        raise Refused(413, f"There are {len(rows)} rows, but one request takes {most}: send fewer.")
    for place, row in enumerate(rows):
        if type(row) is not list or len(row) != width:
            length = f"{len(row)} numbers" if type(row) is list else "no list"
            raise Refused(422, f"Row {place} is {length}: {wanted}.")
        if not set(map(type, row)) <= {int, float}:  # true is no 1
            raise Refused(422, f"Row {place} holds other values than numbers: {wanted}.")
    try:
        with np.errstate(over="ignore"):
            return np.array(rows, np.float64).astype(np.float32)
    except (OverflowError, ValueError) as error:
        raise Refused(422, f"A number is too large: {wanted}.") from error


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")
