"""Whatever a Python caller has for images, one after another: paths, folders, Pillow's, arrays, tensors."""

import os
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from PIL import Image

from euinet.errors import DataError, UsageError
from euinet.images.arrays import stack
from euinet.images.inputs import find_inputs
from euinet.images.pixels import image_pixels
from euinet.images.preprocessing import Preprocessing
from euinet.images.sources import ArraySource, Read

Images = Any
"""Paths, PIL images and arrays, one of them or a sequence of any; see `read_images`."""

_CHANNELS = (1, 3)
_DEEPEST = 8  # lists in lists
_SHAPES = (
    "(H, W), (H, W, C), (C, H, W), (N, H, W), (N, H, W, C) or (N, C, H, W) with 1 or 3 channels C "
    "and at least one pixel"
)


def read_images(images: Images, preprocessing: Preprocessing, *, keep_going: bool = False) -> Iterator[Read]:
    """Read images one by one as a model reads them, uint8 (channels, image_size, image_size).

    `images`: a path (an image, a folder, or whatever else `euinet predict` takes), a Pillow image, a uint8
    array or tensor of one image or many, or a sequence of any of these. Arrays may have any stride, be
    read-only or empty; their values are 0 … 255, their shape is (H, W), (H, W, C), (C, H, W), (N, H, W),
    (N, H, W, C) or (N, C, H, W): the last axis holds the channels where its length is 1 or 3, else the first
    after N; other shapes of three axes are N grey images. Images of another size are brought to the model's,
    as a file would be. With `keep_going` a file that cannot be read is a Read with its error; else DataError
    is raised. Raises UsageError for what is no image.
    """
    for read in _reads(images, preprocessing, "images", keep_going=keep_going):
        if read.error is not None and not keep_going:
            raise DataError(read.error)
        yield read


def _reads(images: Images, preprocessing: Preprocessing, name: str, *, keep_going: bool) -> Iterator[Read]:
    if isinstance(images, str | os.PathLike):
        path = os.fspath(images)
        try:
            yield from find_inputs([path]).read(preprocessing)
        except UsageError as error:  # it is not there, or holds no image
            if not keep_going:
                raise
            yield Read(path, None, error=str(error))
    elif isinstance(images, Image.Image):
        try:
            read = image_pixels(images, name, preprocessing.square, preprocessing.channels)
            yield Read(name, read.pixels, read.remark)
        except DataError as error:
            yield Read(name, None, error=str(error))
    elif hasattr(images, "__array__") or hasattr(images, "detach"):
        stacked = as_stack(_array(images), preprocessing.channels)
        yield from ArraySource(name, stacked).read(preprocessing)
    elif name.count("[") > _DEEPEST:  # or it holds itself
        raise UsageError(f"The images are nested more than {_DEEPEST} lists deep: give one list.")
    elif isinstance(images, Iterable) and not isinstance(images, bytes | dict):
        for index, image in enumerate(images):
            yield from _reads(image, preprocessing, f"{name}[{index}]", keep_going=keep_going)
    else:
        raise UsageError(
            f"{type(images).__name__} is no image: give paths, Pillow images or uint8 arrays, one or a list."
        )


def as_array(found: Any) -> np.ndarray:
    """Return an array of whatever can be one, of a tensor too. Raises UsageError."""
    try:
        array = np.asarray(found.detach().cpu() if hasattr(found, "detach") else found)
    except Exception as error:  # a tensor of a kind that NumPy lacks, lists of different lengths, …
        what = " ".join(str(error).split())[:120]
        raise UsageError(f"{type(found).__name__} is no array ({what}): give an array of NumPy.") from error
    if np.ma.is_masked(found):
        raise UsageError("The array is masked, with values left out: fill them (filled) first.")
    return array


def _array(images: Any) -> np.ndarray:
    array = as_array(images)
    if array.dtype != np.uint8:
        raise UsageError(
            f"The images are {str(array.dtype)[:60]} of shape {array.shape}, but images are uint8, 0 … 255: "
            "convert them (values from 0 to 1 times 255, rounded)."
        )
    return array


def as_stack(array: np.ndarray, channels: int) -> np.ndarray:
    """Return uint8 images of any layout as (N, C, H, W), a view where one is possible.

    `channels`: the model's, which decides where a shape can be read in two ways. Raises UsageError.
    """
    shape = array.shape
    is_one = array.ndim == 2 or (
        array.ndim == 3 and (shape[2] in _CHANNELS or shape[0] == channels != 1)
    )  # else N grey images; one grey image (1, H, W) is the same
    stacked = stack(array[None] if is_one else array)
    if stacked is None:
        raise UsageError(f"The images have the shape {shape}, but images are {_SHAPES}: reshape them.")
    return stacked
