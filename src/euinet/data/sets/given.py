"""Images with labels that a Python caller holds, as a data set without a test part."""

from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np

from euinet.answers import IntArray
from euinet.data.sets.folders import DEFAULT_IMAGE_SIZE
from euinet.data.tables.given import as_rows
from euinet.data.tables.table import as_float32
from euinet.errors import UsageError
from euinet.images.given import Images, as_array, read_images
from euinet.images.preprocessing import Preprocessing, checked_size, is_size
from euinet.records import Dataset, LabelledImages

NAME = "given images"


def labelled_dataset(images: Images, labels: Sequence[Any], image_size: int | None = None) -> Dataset:
    """Return images with labels (N,), text or numbers, as a data set; see images/given.py for the images.

    Classes are the labels, as text, in their own order. Arrays of equal squares keep their size unless
    `image_size` says otherwise; other images become squares of it (default 32), files and Pillow's of three
    channels. Rows of fractions, (N, F), are embeddings. Raises UsageError where there is not one label for
    each image, and for rows of whole numbers, which may be either.
    """
    names, numbers = _classes(labels)
    if (rows := as_rows(images)) is not None:
        return _embedded(rows, names, numbers)
    size, channels = _geometry(images, image_size)
    pixels = [
        read.pixels for read in read_images(images, Preprocessing(channels, size)) if read.pixels is not None
    ]
    if len(pixels) != len(numbers):
        raise UsageError(
            f"There are {len(pixels)} images and {len(numbers)} labels: give one for each image."
        )
    everything = LabelledImages(np.stack(pixels), numbers.astype(np.int64))
    return Dataset(NAME, names, everything, everything.where(np.empty(0, np.int64)))


def _embedded(rows: np.ndarray, names: tuple[str, ...], numbers: IntArray) -> Dataset:
    if rows.dtype.kind != "f":
        raise UsageError(
            f"The images are rows of {str(rows.dtype)[:60]}, of shape {rows.shape}: give embeddings as "
            "float32, and images as (N, H, W)."
        )
    vectors = np.ascontiguousarray(as_float32(rows))
    if len(vectors) != len(numbers):
        raise UsageError(f"There are {len(vectors)} rows and {len(numbers)} labels: give one for each row.")
    if wrong := int((~np.isfinite(vectors)).any(axis=1).sum()):
        raise UsageError(f"{wrong} of {len(vectors)} rows hold NaN or infinite numbers: take them out.")
    everything = LabelledImages(vectors, numbers.astype(np.int64))
    return Dataset(NAME, names, everything, everything.where(np.empty(0, np.int64)))


def _classes(labels: Any) -> tuple[tuple[str, ...], IntArray]:
    """Return the classes' names and each label's place among them, (N,)."""
    found = as_array(labels)
    if found.ndim != 1:
        raise UsageError(
            f"The labels have the shape {found.shape}: give a list or an array of one label for each image."
        )
    values = found.tolist()
    for place, value in enumerate(values):
        if not isinstance(value, str | Real) or value != value:  # NaN
            raise UsageError(
                f"Label {place} is {repr(value)[:60]}, but must be text or a number: correct it, or leave "
                "the image out."
            )
    if len({isinstance(value, str) for value in values}) > 1:  # such as a column of a table
        found = np.array([str(value) for value in values])
    classes, numbers = np.unique(found, return_inverse=True)
    if len(classes) < 2:
        what = f"All images have one label, {classes[0]}" if values else "There is no label"
        raise UsageError(f"{what}: at least 2 classes are needed.")
    return tuple(map(str, classes)), numbers


def _geometry(images: Images, image_size: int | None) -> tuple[int, int]:
    """Return the size and channels of a model for these images."""
    size = DEFAULT_IMAGE_SIZE if image_size is None else checked_size(image_size)
    shape = getattr(images, "shape", None)
    if shape is None or len(shape) not in (3, 4):
        return size, 3
    last, first = shape[3] if len(shape) == 4 else 0, shape[1] if len(shape) == 4 else 1
    channels = last if last in (1, 3) else first
    height, width = shape[1:3] if last in (1, 3) or len(shape) == 3 else shape[2:4]
    usable = height == width and is_size(height) and image_size is None
    return height if usable else size, 1 if channels == 1 else 3
