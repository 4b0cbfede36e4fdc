"""How the rows of X lie as images, and how they become the uint8 squares that the networks read.

No torch in this file.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from euinet.images.arrays import stack
from euinet.images.preprocessing import SIDE_MULTIPLE, SMALLEST_SIDE

Array = npt.NDArray[Any]

SMALLEST_IMAGE = SMALLEST_SIDE**2  # columns from which a square number of them is taken for an image
INPUTS = ("auto", "images", "embeddings")
ROWS_AT_A_TIME = 4096  # brought to 0 … 255 in float64, which takes eight times the space
_ALLOWED = "(n, H, W), (n, H, W, C) or (n, C, H, W) with 1 or 3 channels C and some pixels, or (n, d)"


@dataclass(frozen=True)
class ImageLayout:
    """What `fit` found out of X: how a row lies as an image, and which values are dark and bright.

    `shape`: (H, W), (H, W, C) or (C, H, W) of an image; (d,) where d columns are laid out as blocks.
    """

    shape: tuple[int, ...]
    low: float  # becomes 0; lower values too
    high: float  # becomes 255; higher values too

    def squares(self, X: Array) -> npt.NDArray[np.uint8]:  # noqa: N803
        """Return rows of X as uint8 images (n, C, S, S), S a multiple of 4 and at least 8.

        X: rows (n, d) of this layout, or images of its C, H and W with the channels first, last or, of one,
        left out. An image that is no such square is put into the middle of the least one that holds it, on
        0. Raises ValueError for other shapes.
        """
        return _padded(self.images(X))

    def images(self, X: Array) -> npt.NDArray[np.uint8]:  # noqa: N803
        """Return rows of X as uint8 images (n, C, H, W) before they are put into squares; raises as there."""
        if len(self.shape) == 1:
            if X.ndim != 2:
                raise ValueError(f"X has the shape {X.shape}, but {self.shape[0]} columns were fitted.")
            return _blocks(self._bytes(X))
        if X.ndim == 2:
            X = X.reshape(len(X), *self.shape)  # noqa: N806
        images, expected = channels_first(X), channels_first(np.empty((1, *self.shape), np.uint8)).shape[1:]
        if images.shape[1:] != expected:
            raise ValueError(
                f"X has images of the shape {images.shape[1:]} (channels, height, width), but images of "
                f"{expected} were fitted: give images of that shape."
            )
        return self._bytes(images)

    def _bytes(self, values: Array) -> npt.NDArray[np.uint8]:
        """Return values as 0 … 255, shape kept: `low` … `high` spread evenly, what lies outside clipped."""
        if values.dtype == np.uint8 and (self.low, self.high) == (0, 255):
            return values
        made = np.empty(values.shape, np.uint8)
        for start in range(0, len(values), ROWS_AT_A_TIME):
            part = values[start : start + ROWS_AT_A_TIME].astype(np.float64)
            share = ((part - self.low) / (self.high - self.low)).clip(0, 1)
            made[start : start + ROWS_AT_A_TIME] = np.rint(255 * share)
        return made


@dataclass(frozen=True)
class EmbeddingLayout:
    """Rows of X are embeddings: what `fit` found of images has no place here."""

    shape: tuple[int]  # (d,)
    low: float = math.nan
    high: float = math.nan

    def squares(self, X: Array) -> npt.NDArray[np.float32]:  # noqa: N803
        """Return the rows (n, d) as the networks read them. Raises ValueError for another shape."""
        if X.ndim != 2 or X.shape[1] != self.shape[0]:
            raise ValueError(f"X has the shape {X.shape}, but {self.shape[0]} columns were fitted.")
        return np.ascontiguousarray(X, np.float32)

    def images(self, X: Array) -> None:  # noqa: N803
        """There are none."""


def find_layout(
    X: Array,  # noqa: N803
    image_shape: Sequence[int] | None,
    pixel_range: Sequence[float] | None,
    input: str = "auto",
) -> ImageLayout | EmbeddingLayout:
    """Return the layout of X: (n, d), (n, H, W), (n, H, W, C) or (n, C, H, W), as parameters say or X shows.

    `input` says whether rows (n, d) are "images" or "embeddings"; "auto": what cannot be images, many columns
    of fractions in no square or in no range of pixels, are embeddings. Raises ValueError for other shapes,
    for an `image_shape` that X does not have, for rows that nothing says are images and that look like none,
    and for a `pixel_range` that is none or, left out, cannot be seen in X because all its values are the
    same.
    """
    if input not in INPUTS:
        raise ValueError(f"input is {input!r}, but must be one of {', '.join(INPUTS)}.")
    told = image_shape is not None or pixel_range is not None
    why = "" if X.ndim != 2 or told else _no_images(X)
    if input == "embeddings" or (input == "auto" and why):
        if X.ndim != 2 or told:
            raise ValueError(
                f"X of the shape {X.shape} is to hold embeddings, which are rows (n, d) and have neither "
                "image_shape nor pixel_range: leave those out."
            )
        return EmbeddingLayout((X.shape[1],))
    if why:
        raise ValueError(
            f"X looks like embeddings and not like images: {why}. Say input='embeddings' or, if rows are "
            "images all the same, their image_shape or pixel_range."
        )
    shape = _row_shape(X.shape, None if image_shape is None else _checked_shape(image_shape))
    if pixel_range is not None:
        low, high = _checked_range(pixel_range)
    elif X.dtype == np.uint8:
        low, high = 0.0, 255.0
    else:
        low, high = float(X.min()), float(X.max())
        if low == high:
            raise ValueError(
                f"All values of X are {low:g}, so there is nothing to see in its images; if they lie between "
                "known limits all the same, give them as pixel_range."
            )
    return ImageLayout(shape, low, high)


def channels_first(X: Array) -> Array:  # noqa: N803
    """Return images as (n, C, H, W); the last axis is taken for the channels where it can be."""
    stacked = stack(X)
    if stacked is None:
        raise ValueError(f"X has the shape {X.shape}, but must be {_ALLOWED}: reshape it.")
    return stacked


def _row_shape(shape: tuple[int, ...], image_shape: tuple[int, ...] | None) -> tuple[int, ...]:
    """Return the shape of one row of an X of this shape, seen as an image."""
    if len(shape) > 2:
        channels_first(np.empty((0, *shape[1:]), np.uint8))
        if image_shape not in (None, shape[1:]):
            raise ValueError(
                f"image_shape is {image_shape}, but X holds images of {shape[1:]}: leave image_shape out; it "
                "is for X of two dimensions."
            )
        return shape[1:]
    columns = shape[1]
    if image_shape is not None:
        if math.prod(image_shape) != columns:
            raise ValueError(
                f"image_shape is {image_shape}, which is {math.prod(image_shape)} values, but X has "
                f"{columns} columns: give the shape of one image."
            )
        return image_shape
    side = math.isqrt(columns)
    return (side, side) if side**2 == columns >= SMALLEST_IMAGE else (columns,)


def _no_images(X: Array) -> str:  # noqa: N803
    """Return why rows are no images: many columns of fractions in no square or no range of pixels; "" if so.

    Pixels as fractions lie in 0 … 1, −1 … 1, −½ … ½, or 0 … 255 and go near it. Few columns are a table.
    """
    columns = X.shape[1]
    if columns < SMALLEST_IMAGE or X.dtype.kind != "f" or np.array_equal(X, np.rint(X)):
        return ""
    low, high = float(X.min()), float(X.max())
    positive = low >= 0 and (high <= 1 or 128 < high <= 255)
    centred = any(math.isclose(low, -most, rel_tol=1e-6) and high <= most for most in (1, 0.5))
    if math.isqrt(columns) ** 2 != columns:
        return f"{columns} columns are no square"
    return "" if positive or centred else f"its values lie between {low:g} and {high:g}"


def _blocks(rows: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Lay out d columns (n, d) row by row as square blocks of an image (n, 1, S, S); places left over are 0.

    A block is as small as makes the image SMALLEST_SIDE pixels wide: convolutions see one value as a patch.
    """
    count, columns = rows.shape
    a_side = math.isqrt(columns - 1) + 1  # ⌈√d⌉
    block = -(-SMALLEST_SIDE // a_side)
    cells = np.zeros((count, a_side**2), np.uint8)
    cells[:, :columns] = rows
    grid = cells.reshape(count, 1, a_side, a_side)
    return grid.repeat(block, axis=2).repeat(block, axis=3)


def _padded(images: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Return images (n, C, H, W) in the middle of the least square that the networks take, on 0."""
    height, width = images.shape[2:]
    side = max(SMALLEST_SIDE, -(-max(height, width) // SIDE_MULTIPLE) * SIDE_MULTIPLE)
    margins = [((side - length) // 2, side - length - (side - length) // 2) for length in (height, width)]
    return np.ascontiguousarray(np.pad(images, [(0, 0), (0, 0), *margins]))


def _checked_shape(image_shape: Sequence[int]) -> tuple[int, ...]:
    lengths: tuple[Any, ...]
    try:
        lengths = tuple(image_shape)
    except TypeError:
        lengths = ()
    whole = all(isinstance(n, int | np.integer) and not isinstance(n, bool) and n >= 1 for n in lengths)
    coloured = len(lengths) == 3 and bool({lengths[0], lengths[2]} & {1, 3})
    if not whole or not (len(lengths) == 2 or coloured):
        raise ValueError(
            f"image_shape is {image_shape!r}, but must be (H, W), (H, W, C) or (C, H, W) with 1 or 3 "
            "channels C, or None."
        )
    return tuple(int(n) for n in lengths)


def _checked_range(pixel_range: Sequence[float]) -> tuple[float, float]:
    try:
        low, high = (float(value) for value in pixel_range)
    except (TypeError, ValueError):
        low = high = math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ValueError(
            f"pixel_range is {pixel_range!r}, but must be two numbers, the darkest value and then the "
            "brightest, such as (0, 1), or None for the range seen in fit."
        )
    return low, high
