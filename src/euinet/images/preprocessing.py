"""How an image file becomes what a model reads: stored with the model, the same in training and prediction.

No torch in this file: a decision from an exported model needs none.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from euinet.errors import UsageError
from euinet.images.pixels import MOST_PIXELS, ReadImage, read_pixels
from euinet.images.square import DRAFT_TIMES, Interpolation, Square

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


def checked_backbone_size(size: int) -> int:
    """Return `size`, pixels a side that a backbone reads: any, for no GAN makes its images.

    Raises UsageError unless it is one.
    """
    if not SMALLEST_SIDE <= size <= LARGEST_SIDE:
        raise UsageError(
            f"The image size is {size}, but must be {SMALLEST_SIDE} … {LARGEST_SIDE} for a backbone: "
            "give one of these."
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
    """How one model wants images; all else about reading a file is the same for every model (pixels.py).

    Raises UsageError for a geometry that there is not.
    """

    channels: int  # 1 grey, 3 RGB
    image_size: int  # pixels a side
    resize: int = 0  # as in Square, like the two that follow
    interpolation: Interpolation = "bilinear"
    draft: bool = False

    def __post_init__(self) -> None:
        if self.channels not in (1, 3):
            raise UsageError(f"The images have {self.channels} channels, but must have 1 (grey) or 3 (RGB).")
        _ = self.square

    @property
    def square(self) -> Square:
        """What becomes of an upright image."""
        return Square(self.image_size, self.resize, self.interpolation, self.draft)

    def read(self, file: Path | BinaryIO, most_pixels: int = MOST_PIXELS) -> ReadImage:
        """Return an image file as the model reads it, uint8 (channels, image_size, image_size).

        Raises DataError naming the file when it is missing, broken, or not an image; TooManyPixelsError, one
        of those, when it has more than `most_pixels`.
        """
        return read_pixels(file, self.square, self.channels, most_pixels)

    def fit(self, pixels: np.ndarray) -> ReadImage:
        """Return a uint8 image (1 or 3, H, W) as the model reads it, as if from a file, decoded whole."""
        if pixels.shape == (self.channels, self.image_size, self.image_size):
            return ReadImage(pixels, None)
        image = Image.fromarray(pixels[0] if len(pixels) == 1 else pixels.transpose(1, 2, 0))
        return ReadImage(self.square.of(image, "L" if self.channels == 1 else "RGB"), None)

    def to_plain(self) -> dict[str, Any]:
        """Return what stands in config.json and in an exported model: enough to do the same elsewhere.

        Of the first models' geometry to the letter what they say of theirs.
        """
        kept = self.square.shorter_side == self.image_size
        side = "image_size" if kept else f"{self.resize} pixels"
        crop = "the centre square" + ("" if kept else " of image_size; an image of image_size stays as it is")
        plain = {
            "channels": self.channels,
            "image_size": self.image_size,
            "orientation": "upright as EXIF says",
            "transparency": "laid on white",
            "grey": "ITU-R 601 luma",
            "resize": f"shorter side to {side}, {self.interpolation} with antialiasing, then {crop}",
            "pixels": "uint8, 0 … 255, channels first; the network reads x · 2/255 − 1",
        }
        if self.draft:
            plain["draft"] = (
                "a JPEG file is decoded at 1/2, 1/4 or 1/8, the smallest whose shorter side is at least "
                f"{DRAFT_TIMES * self.square.shorter_side} pixels"
            )
        return plain
