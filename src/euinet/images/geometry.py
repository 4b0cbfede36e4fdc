"""Image files in a model's geometry, as uint8 arrays.

Training and prediction read files through `euinet.images.pixels`, so that both see the same pixels.
"""

from pathlib import Path
from typing import BinaryIO

from euinet.answers import PixelArray
from euinet.images.pixels import GREY_MODES, opened_image, read_pixels
from euinet.images.pixels import IMAGE_SUFFIXES as IMAGE_SUFFIXES
from euinet.images.square import Square


def read_image(file: Path | BinaryIO, square: int | Square, channels: int | None = None) -> PixelArray:
    """Return an image file as uint8, (channels, image_size, image_size): the pixels of `read_pixels`.

    Raises DataError naming the file when it is missing, broken, or not an image of an allowed format.
    """
    return read_pixels(file, square, channels).pixels


def stored_shape(path: Path) -> tuple[int, int, int]:
    """Return the (channels, height, width) with which an image file is stored; channels 1 or 3.

    Raises DataError as `read_image`, for what the header shows.
    """
    with opened_image(path) as opened:
        return (1 if opened.mode in GREY_MODES else 3), opened.height, opened.width
