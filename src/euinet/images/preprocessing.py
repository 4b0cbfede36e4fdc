"""How an image file becomes what a model reads: stored with the model, the same in training and prediction.

No torch in this file: a decision from an exported model needs none.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from euinet.errors import UsageError
from euinet.images.pixels import MOST_PIXELS, ReadImage, read_pixels, square

SMALLEST_SIDE, LARGEST_SIDE = 8, 2048  # pixels: the trunk halves an image three times; memory
SIDE_MULTIPLE = 4  # the GAN's generator doubles its image twice


def is_size(size: int, least: int = SMALLEST_SIDE) -> bool:
    """Return whether a model of images with sides of so many pixels can be trained and read back."""
    return least <= size <= LARGEST_SIDE and size % SIDE_MULTIPLE == 0


def checked_size(size: int, least: int = SMALLEST_SIDE) -> int:
    """Return `size`. Raises UsageError unless it is one."""
    if not is_size(size, least):
        raise UsageError(
            f"The image size is {size}, but must be a multiple of {SIDE_MULTIPLE} and at least {least}, at "
            f"most {LARGEST_SIDE}: give another."
        )
    return size


def check_geometry(images: np.ndarray) -> None:
    """Raise UsageError unless a model of images (N, C, H, W) like these can be trained and read back."""
    channels, height, width = images.shape[1:]
    if channels not in (1, 3) or height != width:
        raise UsageError(
            f"The images are {channels} × {height} × {width} (channels, height, width), but must be squares "
            "with 1 channel or 3: bring them to that first."
        )
    checked_size(height)


@dataclass(frozen=True)
class Preprocessing:
    """The geometry of a model; all else about reading a file is the same for every model (pixels.py)."""

    channels: int  # 1 grey, 3 RGB
    image_size: int  # pixels a side

    def read(self, file: Path | BinaryIO, most_pixels: int = MOST_PIXELS) -> ReadImage:
        """Return an image file as the model reads it, uint8 (channels, image_size, image_size).

        Raises DataError naming the file when it is missing, broken, or not an image; TooManyPixelsError, one
        of those, when it has more than `most_pixels`.
        """
        return read_pixels(file, self.image_size, self.channels, most_pixels)

    def fit(self, pixels: np.ndarray) -> ReadImage:
        """Return a uint8 image (1 or 3, H, W) as the model reads it, as if it came from a file."""
        if pixels.shape == (self.channels, self.image_size, self.image_size):
            return ReadImage(pixels, None)
        image = Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))
        return ReadImage(square(image, "L" if self.channels == 1 else "RGB", self.image_size), None)

    def to_plain(self) -> dict[str, Any]:
        """Return what stands in config.json and in an exported model: enough to do the same elsewhere."""
        return {
            "channels": self.channels,
            "image_size": self.image_size,
            "orientation": "upright as EXIF says",
            "transparency": "laid on white",
            "grey": "ITU-R 601 luma",
            "resize": "shorter side to image_size, bilinear with antialiasing, then the centre square",
            "pixels": "uint8, 0 … 255, channels first; the network reads x · 2/255 − 1",
        }
