"""Images of files and of other data sets in a model's geometry, as uint8 arrays.

Training and prediction read files through `euinet.images.pixels`, so that both see the same pixels.
"""

from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from euinet.answers import PixelArray
from euinet.errors import UsageError
from euinet.images.pixels import GREY_MODES, opened_image, read_pixels
from euinet.images.pixels import IMAGE_SUFFIXES as IMAGE_SUFFIXES

# Luma from red, green, blue, (3, 1, 1); Pillow's grey too.
_ITU_R_601 = np.array([[[0.299]], [[0.587]], [[0.114]]], np.float32)


def read_image(file: Path | BinaryIO, image_size: int, channels: int | None = None) -> PixelArray:
    """Return an image file as uint8, (channels, image_size, image_size): the pixels of `read_pixels`.

    Raises DataError naming the file when it is missing, broken, or not an image of an allowed format.
    """
    return read_pixels(file, image_size, channels).pixels


def stored_shape(path: Path) -> tuple[int, int, int]:
    """Return the (channels, height, width) with which an image file is stored; channels 1 or 3.

    Raises DataError as `read_image`, for what the header shows.
    """
    with opened_image(path) as opened:
        return (1 if opened.mode in GREY_MODES else 3), opened.height, opened.width


def conform(images: PixelArray, channels: int, image_size: int) -> PixelArray:
    """Return another data set's images in a model's geometry: (N, channels, image_size, image_size) uint8.

    `images`: (N, 1 or 3, H, W) uint8. Grey is repeated into RGB; RGB is weighted into grey (ITU-R 601);
    the size changes by antialiased bilinear resizing. Used for far sets, which a model was not built for.
    """
    if images.shape[1] not in (1, 3) or channels not in (1, 3):
        raise UsageError(f"Images have 1 or 3 channels, not {images.shape[1]} to become {channels}.")
    if images.shape[1:] == (channels, image_size, image_size):
        return images
    made = np.empty((len(images), channels, image_size, image_size), np.uint8)
    for image, place in zip(images, made, strict=True):
        planes = image.astype(np.float32)
        if channels < len(planes):
            planes = (planes * _ITU_R_601).sum(axis=0, keepdims=True)
        place[:] = np.rint([_resized(plane, image_size) for plane in planes]).clip(0, 255)
    return made


def _resized(plane: np.ndarray, side: int) -> np.ndarray:
    """Return a float32 plane (H, W) as (side, side), resized in float32: one rounding, not two."""
    if plane.shape == (side, side):
        return plane
    return np.asarray(Image.fromarray(plane).resize((side, side), Image.Resampling.BILINEAR))
