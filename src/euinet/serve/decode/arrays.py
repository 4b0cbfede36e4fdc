"""Images as a JSON array become uint8 pixels, or a sentence that says what is wrong with them."""

import json
from collections.abc import Iterator
from itertools import chain
from typing import Any, NoReturn

import numpy as np
import numpy.typing as npt

from euinet.images.preprocessing import Preprocessing
from euinet.serve.http.limits import Refused

FIELD = "images"
_WANTED = (
    'send {"images": [...]} with whole numbers 0 … 255, nested (N, height, width) for grey images or '
    "(N, channels, height, width) with 1 or 3 channels"
)


def read_images(body: bytes, most_images: int) -> npt.NDArray[np.uint8]:
    """Return the images of a JSON document, (N, 1 or 3, H, W), N at least 1.

    Raises Refused: 400 for what is no JSON, 413 for too many images, 422 for other values or shapes.
    """
    try:
        document = json.loads(body, parse_constant=_no_number)
    except RecursionError as error:
        raise Refused(400, f"The JSON is nested too deeply: {_WANTED}.") from error
    except ValueError as error:  # broken JSON, no UTF-8, a number of thousands of digits
        raise Refused(400, f"The body is no JSON: {_WANTED}.") from error
    if not isinstance(document, dict) or set(document) != {FIELD}:
        raise Refused(422, f"The JSON is no object with the one field 'images': {_WANTED}.")
    images = document[FIELD]
    if isinstance(images, list) and len(images) > most_images:
        raise Refused(
            413, f"There are {len(images)} images, but one request takes {most_images}: send fewer."
        )
    return _as_pixels(images)


def _as_pixels(nested: Any) -> npt.NDArray[np.uint8]:
    """Return nested lists as an array; strict: true is no 1, and 1.0 is no whole number."""
    shape: list[int] = []
    level: list[Any] = [nested]
    while level and type(level[0]) is list:
        if len(shape) == 4:
            raise Refused(422, f"The images are nested more than four deep: {_WANTED}.")
        length = len(level[0])
        if any(type(row) is not list or len(row) != length for row in level):
            raise Refused(422, f"The images are lists of different lengths: {_WANTED}.")
        shape.append(length)
        level = list(chain.from_iterable(level))
    if len(shape) not in (3, 4) or not level:
        raise Refused(422, f"The images have the shape {tuple(shape)}: {_WANTED}.")
    if len(shape) == 3:
        shape.insert(1, 1)
    if shape[1] not in (1, 3):
        raise Refused(422, f"The images have {shape[1]} channels: {_WANTED}.")
    if set(map(type, level)) != {int}:
        raise Refused(422, f"The images hold other values than whole numbers: {_WANTED}.")
    try:
        return np.frombuffer(bytes(level), np.uint8).reshape(shape)
    except ValueError as error:
        raise Refused(422, f"The images hold numbers outside 0 … 255: {_WANTED}.") from error


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text} is no JSON")


def fitted(images: npt.NDArray[np.uint8], preprocessing: Preprocessing) -> npt.NDArray[np.uint8]:
    """Return images (N, 1 or 3, H, W) as the model reads them."""
    return np.stack([preprocessing.fit(image).pixels for image in images])


def names(images: int) -> Iterator[str]:
    """Yield what such images are called in their rows: images[0], images[1] …"""
    return (f"{FIELD}[{number}]" for number in range(images))
