"""A user's own folder of images, one folder a class, as a data set.

The layout is that of torchvision's ImageFolder: `FOLDER/CLASS/…image files…`, or
`FOLDER/train/CLASS/…` and `FOLDER/test/CLASS/…`.
"""

from pathlib import Path

import numpy as np

from euinet.answers import PixelArray
from euinet.data.split.copies import first_of_each
from euinet.data.split.fingerprint import image_digests
from euinet.data.split.stratify import stratified_positions
from euinet.errors import DataError, UsageError
from euinet.images.geometry import IMAGE_SUFFIXES, read_image
from euinet.records import Dataset, LabelledImages
from euinet.system.notify import Notify, silent

DEFAULT_IMAGE_SIZE = 32
TEST_FRACTION = 0.2  # where the folder has no train and test of its own
SPLIT_SEED = 0  # fixed: which images are for the test must never depend on an experiment's seed


def load_folder(folder: Path, image_size: int | None = None, notify: Notify = silent) -> Dataset:
    """Return the images of a folder, square with sides of `image_size` (default 32) pixels.

    1 channel if every image is grey, else 3. Without `train` and `test` folders, a fifth of each class
    becomes the test part, always the same; of images with the same pixels one is used, and `notify` told.
    Raises UsageError for a bad size, DataError for a folder, class or file that cannot be used.
    """
    size = DEFAULT_IMAGE_SIZE if image_size is None else image_size
    if size < 16 or size % 4:
        raise UsageError(f"The image size is {size}, but must be a multiple of 4 and at least 16.")
    if not folder.is_dir():
        raise DataError(f"There is no folder {folder}: give a folder with one folder of images a class.")
    if (folder / "train").is_dir() and (folder / "test").is_dir():
        return _load_train_and_test(folder, size)
    names = _class_names(folder)
    everything = _without_copies(_load_part(folder, names, size), notify)
    train, test = stratified_positions(
        everything.labels, range(len(names)), names, (TEST_FRACTION,), SPLIT_SEED
    )
    return Dataset(folder.name, names, everything.where(train), everything.where(test))


def _without_copies(images: LabelledImages, notify: Notify) -> LabelledImages:
    """Return each class's images once: of copies, one in training and one in the test would prove nothing."""
    once = first_of_each(image_digests(images.images), images.labels)
    if len(once) < len(images):
        notify(f"{len(images) - len(once)} images are copies of others in their class and were left out.")
    return images.where(once)


def _load_train_and_test(folder: Path, size: int) -> Dataset:
    names = _class_names(folder / "train")
    if differing := set(names) ^ set(_class_names(folder / "test")):
        raise DataError(
            f"{folder}/train and {folder}/test must hold the same classes, but only one of them has "
            f"{', '.join(sorted(differing))}."
        )
    train = _load_part(folder / "train", names, size)
    test = _load_part(folder / "test", names, size)
    channels = max(train.images.shape[1], test.images.shape[1])
    return Dataset(folder.name, names, _with_channels(train, channels), _with_channels(test, channels))


def _class_names(folder: Path) -> tuple[str, ...]:
    names = tuple(sorted(path.name for path in visible(folder) if path.is_dir()))
    if len(names) < 2:
        raise DataError(
            f"{folder} has {len(names)} class folder{'' if len(names) == 1 else 's'}, but at least 2 are "
            "needed: make one folder of images a class."
        )
    return names


def _load_part(folder: Path, names: tuple[str, ...], size: int) -> LabelledImages:
    images: list[PixelArray] = []
    labels: list[int] = []
    for label, name in enumerate(names):
        files = sorted(path for path in visible(folder / name, deep=True) if is_image(path))
        if not files:
            raise DataError(
                f"The class folder {folder / name} has no images ({', '.join(sorted(IMAGE_SUFFIXES))}): "
                "put images into it or take the folder out."
            )
        images.extend(read_image(path, size) for path in files)
        labels.extend([label] * len(files))
    channels = max(len(image) for image in images)
    stacked = np.stack([image.repeat(channels // len(image), axis=0) for image in images])
    return LabelledImages(stacked, np.array(labels, dtype=np.int64))


def _with_channels(part: LabelledImages, channels: int) -> LabelledImages:
    return LabelledImages(part.images.repeat(channels // part.images.shape[1], axis=1), part.labels)


def visible(folder: Path, *, deep: bool = False) -> list[Path]:
    """Return what lies in a folder, with `deep` at any depth, but nothing under a name with a leading dot.

    Such names are other programs' leftovers (.ipynb_checkpoints, ._photo.jpg).
    """
    found = folder.rglob("*") if deep else folder.iterdir()
    return [path for path in found if not any(n.startswith(".") for n in path.relative_to(folder).parts)]


def is_image(path: Path) -> bool:
    """Return whether this is a file with the name of an image."""
    return path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()
