"""A user's own folder of images, one folder a class, as a data set; `layout` says where its classes lie."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from euinet.answers import PixelArray
from euinet.data.sets.layout import TEST, TRAIN, VALIDATION, WHOLE, Layout, find_layout
from euinet.data.split.copies import first_of_each
from euinet.data.split.fingerprint import image_digests
from euinet.data.split.stratify import stratified_positions
from euinet.errors import DataError
from euinet.images.geometry import IMAGE_SUFFIXES, read_image
from euinet.images.names import HIDDEN, PassedOver, image_files
from euinet.images.preprocessing import checked_size
from euinet.records import Dataset, LabelledImages, joined
from euinet.system.class_names import check_new_classes
from euinet.system.notify import Notify, silent
from euinet.system.words import counted, printable

DEFAULT_IMAGE_SIZE, SMALLEST_ASKED = 32, 16  # pixels a side
TEST_FRACTION = 0.2  # where the folder has no parts
TEST_OF_VALIDATION = 1 / 3  # where it has no part for the test
SPLIT_SEED = 0  # fixed: which images are for the test must never depend on an experiment's seed


class WholeFolder(NamedTuple):
    """All images of a folder, whatever its layout."""

    images: LabelledImages
    class_names: tuple[str, ...]  # in label order


def load_folder(
    folder: Path, image_size: int | None = None, notify: Notify = silent, channels: int | None = None
) -> Dataset:
    """Return the images of a folder, square with sides of `image_size` (default 32) pixels.

    Without `channels` 1 if every image is grey, else 3. Without a folder for the test, a fifth of each class
    becomes the test part, of the validation images a third; always the same. Images that cannot be read are
    left out, and of images with the same pixels one is used; `notify` is told of all that is left out. Raises
    UsageError for a bad size, DataError for a folder or class that cannot be used.
    """
    size = _checked_size(image_size)
    layout = find_layout(folder)
    names = layout.class_names
    if len(names) < 2:
        raise DataError(
            f"{folder} has {len(names)} class folder{'' if len(names) == 1 else 's'}, but at least 2 are "
            "needed: make one folder of images a class."
        )
    check_new_classes(names)  # before all images are read
    _check_parts(folder, layout)
    parts = _read(folder, layout, names, size, channels, notify)
    name = printable(folder.name)
    if WHOLE in parts:
        everything = _without_copies(parts[WHOLE], notify)
        return Dataset(name, names, *_parted(everything, names, TEST_FRACTION), test_share=TEST_FRACTION)
    if VALIDATION not in parts:
        return Dataset(name, names, parts[TRAIN], parts[TEST])
    test = parts.get(TEST)
    validation, share = parts[VALIDATION], 0.0
    if test is None:
        share = TEST_OF_VALIDATION
        validation, test = _parted(_without_copies(validation, notify), names, share)
        notify(f"There is no folder for the test: a third of the validation images is it, {len(test)}.")
    both = joined(parts[TRAIN], validation)
    for_validation = np.arange(len(both)) >= len(parts[TRAIN])
    return Dataset(name, names, both, test, for_validation, share)


def load_whole_folder(
    folder: Path,
    image_size: int | None = None,
    class_names: Sequence[str] = (),
    channels: int | None = None,
    notify: Notify = silent,
) -> WholeFolder:
    """Return all images of a folder, of whichever parts it has; labels are places in `class_names`.

    Classes that are not among the given names follow them. One class is enough. Else as `load_folder`.
    """
    size, layout = _checked_size(image_size), find_layout(folder)
    names = (*class_names, *(name for name in layout.class_names if name not in class_names))
    if not layout.class_names:
        raise DataError(f"{folder} has no class folders: make one folder of images a class.")
    return WholeFolder(joined(*_read(folder, layout, names, size, channels, notify).values()), names)


def _checked_size(image_size: int | None) -> int:
    size = DEFAULT_IMAGE_SIZE if image_size is None else image_size
    return checked_size(size, SMALLEST_ASKED)


def _check_parts(folder: Path, layout: Layout) -> None:
    """Raise DataError unless the parts can be trained with: with the same classes, and one for the test."""
    parts = dict(layout.parts)
    if WHOLE in parts:
        return
    if TRAIN not in parts or len(parts) == 1:
        raise DataError(
            f"{folder} has {' and '.join(parts)} alone: images to train on are in train, beside it test or "
            "validation or both; or give a folder of class folders, of which a fifth becomes the test."
        )
    for part, classes in parts.items():
        if differing := set(parts[TRAIN]) ^ set(classes):
            raise DataError(
                f"{folder}/{TRAIN} and {folder}/{part} must hold the same classes, but only one of them has "
                f"{', '.join(sorted(differing))}."
            )


def _without_copies(images: LabelledImages, notify: Notify) -> LabelledImages:
    """Return each class's images once: of copies, one in training and one in the test would prove nothing."""
    once = first_of_each(image_digests(images), images.labels)
    if len(once) < len(images):
        notify(f"{len(images) - len(once)} images are copies of others in their class and were left out.")
    return images.where(once)


def _parted(
    images: LabelledImages, names: Sequence[str], fraction: float
) -> tuple[LabelledImages, LabelledImages]:
    """Return the rest, then `fraction` of each class."""
    rest, part = stratified_positions(
        images.labels, range(len(names)), names, (fraction,), SPLIT_SEED, fewest_left=0
    )
    return images.where(rest), images.where(part)


def _read(
    folder: Path, layout: Layout, names: Sequence[str], size: int, channels: int | None, notify: Notify
) -> dict[str, LabelledImages]:
    """Return the images of each part, all with the same channels, and tell what was left out."""
    passed, broken, total = PassedOver(), [], 0
    found: dict[str, tuple[list[PixelArray], list[int]]] = {}
    for part, classes in layout.parts.items():
        images, labels = found.setdefault(part, ([], []))
        for name, place in classes.items():
            before, files = len(images), 0
            for file in image_files(place, passed):
                files += 1
                try:
                    images.append(read_image(place / file, size, channels))
                except DataError as error:
                    broken.append(error)
            labels += [names.index(name)] * (len(images) - before)
            total += files
            if len(images) == before:
                raise _no_images(place, broken[-files:] if files else [])
    if passed.count:
        notify(passed.sentence())
    if broken:
        notify(f"{len(broken)} of {total} images were left out, the first because {broken[0]}")
    if beside := _beside(folder, layout):
        notify(f"{counted(beside, 'image')} in no class, beside the class folders: passed over.")
    depth = max(len(image) for images, _ in found.values() for image in images)
    return {
        part: LabelledImages(
            np.stack([image.repeat(depth // len(image), axis=0) for image in images]),
            np.array(labels, dtype=np.int64),
        )
        for part, (images, labels) in found.items()
    }


def _beside(folder: Path, layout: Layout) -> int:
    """Count the images beside class folders, and the links there: a dead one may have led to a class."""
    used = {place for classes in layout.parts.values() for place in classes.values()}
    places = {folder, *(place.parent for place in used)}
    return sum(
        path.name[0] != HIDDEN and (path.suffix.lower() in IMAGE_SUFFIXES or path.is_symlink())
        for place in places
        for path in set(place.iterdir()) - used - places
    )


def _no_images(folder: Path, broken: Sequence[DataError]) -> DataError:
    if broken:
        return DataError(f"No image of the class folder {folder} can be read; the first: {broken[0]}")
    return DataError(
        f"The class folder {folder} has no images ({', '.join(sorted(IMAGE_SUFFIXES))}): "
        "put images into it or take the folder out."
    )
