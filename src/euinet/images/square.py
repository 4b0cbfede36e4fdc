"""How an upright image becomes the square that a model reads: what is cut out of it, by which filter."""

from dataclasses import dataclass
from typing import Literal, cast, get_args

import numpy as np
import numpy.typing as npt
from PIL import Image

from euinet.errors import UsageError

Interpolation = Literal["bilinear", "bicubic", "lanczos"]
"""Pillow's filters by name; each with antialiasing: it grows wider as the image shrinks."""

LARGEST_RESIZE = 4096  # pixels: twice the largest image that a model reads
DRAFT_TIMES = 2  # as large as needed, at least: so the filter, and not the decoder, does the smoothing


def checked_interpolation(name: str) -> Interpolation:
    """Return a filter's name. Raises UsageError where there is none of it."""
    if name not in get_args(Interpolation):
        allowed = ", ".join(get_args(Interpolation))
        raise UsageError(f"The interpolation is {name}, but must be one of {allowed}: give one of these.")
    return cast(Interpolation, name)


@dataclass(frozen=True)
class Square:
    """A model's size and the way to it. Raises UsageError where there is none.

    The image's shorter side becomes `resize` pixels, the centre square of `image_size` is kept; both in one
    resampling of the part that is kept, so that what is cut off is never computed. An image that is
    `image_size` × `image_size` already is left as it is: what was made a square once stays that square.
    """

    image_size: int  # pixels a side
    resize: int = 0  # pixels, at least image_size: 256 for 224 as many backbones learned; 0: image_size
    interpolation: Interpolation = "bilinear"
    draft: bool = False  # decode a JPEG file at 1/2, 1/4 or 1/8 where that is still large enough

    def __post_init__(self) -> None:
        if self.image_size < 1:
            raise UsageError(f"The image size is {self.image_size}, but must be at least 1: give another.")
        if self.resize and not self.image_size <= self.resize <= LARGEST_RESIZE:
            raise UsageError(
                f"The shorter side is to become {self.resize} pixels, but must be 0 (as the image size) or "
                f"{self.image_size} … {LARGEST_RESIZE}, since {self.image_size} are kept: give another."
            )
        checked_interpolation(self.interpolation)

    @property
    def shorter_side(self) -> int:
        """What an image's shorter side becomes, in pixels, before the centre is kept."""
        return self.resize or self.image_size

    def hint(self, opened: Image.Image) -> None:
        """Let a JPEG file that is not decoded yet be decoded smaller, which costs a fraction of the time.

        The decoder leaves out the finest cosines, but never so many that the shorter side would be less than
        DRAFT_TIMES of `shorter_side`. Other formats know no such thing and are decoded as ever.
        """
        if self.draft:
            least = DRAFT_TIMES * self.shorter_side
            opened.draft(None, (least, least))

    def of(self, image: Image.Image, mode: str) -> npt.NDArray[np.uint8]:
        """Return an upright, opaque image as (1 or 3, image_size, image_size) in mode "L" or "RGB"."""
        if image.mode == "LAB":  # Pillow brings it to RGB only
            image = image.convert("RGB")
        if image.mode != mode:  # else a copy, of 400 MB for 100 megapixels
            image = image.convert(mode)
        size = (self.image_size, self.image_size)
        if image.size != size:  # else a copy
            resample = Image.Resampling[self.interpolation.upper()]
            image = image.resize(size, resample, box=self._kept(*image.size))
        pixels = np.array(image, dtype=np.uint8)  # (H, W) or (H, W, 3)
        return np.ascontiguousarray(pixels[None] if mode == "L" else pixels.transpose(2, 0, 1))

    def _kept(self, width: int, height: int) -> tuple[float, float, float, float]:
        side = min(width, height) * (self.image_size / self.shorter_side)
        left, top = (width - side) / 2, (height - side) / 2
        return left, top, left + side, top + side
