"""A user's own folder of images, one folder a class, as a data set; `layout` says where its classes lie."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from euinet.answers import PixelArray
from euinet.data.sets.layout import Layout, find_layout
from euinet.data.sets.left_out import NotUsed, images_beside, no_images
from euinet.data.sets.parting import check_parts, parted_dataset
from euinet.errors import DataError
from euinet.images.geometry import read_image
from euinet.images.names import image_files
from euinet.images.preprocessing import checked_size
from euinet.images.square import Square
from euinet.records import Dataset, LabelledImages, joined
from euinet.system.class_names import check_new_classes
from euinet.system.notify import Notify, silent
from euinet.system.words import printable

DEFAULT_IMAGE_SIZE, SMALLEST_ASKED = 32, 16  # pixels a side


class WholeFolder(NamedTuple):
    """All images of a folder, whatever its layout."""

    images: LabelledImages
    class_names: tuple[str, ...]  # in label order


def load_folder(
    folder: Path, image_size: int | Square | None = None, notify: Notify = silent, channels: int | None = None
) -> Dataset:
    """Return the images of a folder, square with sides of `image_size` (default 32) pixels.

    Without `channels` 1 if every image is grey, else 3. Without a folder for the test, a fifth of each class
    becomes the test part, of the validation images a third; always the same. Images that cannot be read are
    left out, and of images with the same pixels one is used; `notify` is told of all that is left out. Raises
    UsageError for a bad size, DataError for a folder or class that cannot be used.
    """
    size = _checked_size(image_size)
    layout = class_layout(folder)
    parts = _read(folder, layout, layout.class_names, size, channels, notify)
    return parted_dataset(printable(folder.name), layout.class_names, parts, notify)


def load_whole_folder(
    folder: Path,
    image_size: int | Square | None = None,
    class_names: Sequence[str] = (),
    channels: int | None = None,
    notify: Notify = silent,
) -> WholeFolder:
    """Return all images of a folder, of whichever parts it has; labels are places in `class_names`.

    Classes that are not among the given names follow them. One class is enough. Else as `load_folder`.
    """
    size, layout = _checked_size(image_size), whole_layout(folder)
    names = names_after(class_names, layout.class_names)
    return WholeFolder(joined(*_read(folder, layout, names, size, channels, notify).values()), names)


def class_layout(folder: Path) -> Layout:
    """Return how a folder to learn from lies. Raises DataError where no data set can be made of it."""
    layout = find_layout(folder)
    names = layout.class_names
    if len(names) < 2:
        raise DataError(
            f"{folder} has {len(names)} class folder{'' if len(names) == 1 else 's'}, but at least 2 are "
            "needed: make one folder of images a class."
        )
    check_new_classes(names)  # before all images are read
    check_parts(folder, layout.parts)
    return layout


def whole_layout(folder: Path) -> Layout:
    """Return how a folder lies of which all images are wanted. Raises DataError where it has no class."""
    layout = find_layout(folder)
    if not layout.class_names:
        raise DataError(f"{folder} has no class folders: make one folder of images a class.")
    return layout


def names_after(first: Sequence[str], found: Sequence[str]) -> tuple[str, ...]:
    """Return the class names that come first, and after them those found that are none of these."""
    return (*first, *(name for name in found if name not in first))


def _checked_size(image_size: int | Square | None) -> int | Square:
    if isinstance(image_size, Square):  # a model's own
        return image_size
    size = DEFAULT_IMAGE_SIZE if image_size is None else image_size
    return checked_size(size, SMALLEST_ASKED)


def _read(
    folder: Path,
    layout: Layout,
    names: Sequence[str],
    size: int | Square,
    channels: int | None,
    notify: Notify,
) -> dict[str, LabelledImages]:
    """Return the images of each part, all with the same channels, and tell what was left out."""
    not_used = NotUsed(beside=images_beside(folder, layout))
    found: dict[str, tuple[list[PixelArray], list[int]]] = {}
    for part, classes in layout.parts.items():
        images, labels = found.setdefault(part, ([], []))
        for name, place in classes.items():
            before, first = len(images), ""
            for file in image_files(place, not_used.passed):
                not_used.total += 1
                try:
                    images.append(read_image(place / file, size, channels))
                except DataError as error:
                    not_used.add_broken(str(error))
                    first = first or str(error)
            labels += [names.index(name)] * (len(images) - before)
            if len(images) == before:
                raise no_images(place, first)
    not_used.tell(notify)
    depth = max(len(image) for images, _ in found.values() for image in images)
    return {
        part: LabelledImages(
            np.stack([image.repeat(depth // len(image), axis=0) for image in images]),
            np.array(labels, dtype=np.int64),
        )
        for part, (images, labels) in found.items()
    }
