"""idx files as a far set: MNIST's relatives as their authors or torchvision lay them down."""

import re
from pathlib import Path
from string import ascii_letters, ascii_lowercase, digits

import numpy as np

from euinet.answers import PixelArray
from euinet.data.sets.datasets import class_names
from euinet.data.sets.idx import read_idx
from euinet.errors import DataError, UsageError
from euinet.images.arrays import read_idx_images

_IMAGES = re.compile(r".*images-idx3-ubyte(\.gz)?")
_TEST_IMAGES = re.compile(r"(t10k|.*test)-images-idx3-ubyte(\.gz)?")
_EMNIST = re.compile(r"emnist-(\w+)-(test|train)-images-idx3-ubyte(\.gz)?")
_ALIKE = frozenset("cijklmopsuvwxyz")  # small letters that EMNIST counts as their capitals
_MERGED = tuple(sorted(set(digits + ascii_letters) - _ALIKE))
EMNIST_CLASSES = {
    "byclass": tuple(sorted(digits + ascii_letters)),
    "bymerge": _MERGED,
    "balanced": _MERGED,
    "letters": ("N/A", *ascii_lowercase),  # its labels begin with 1
    "digits": tuple(digits),
    "mnist": tuple(digits),
}
# torchvision's folders of the sets that we know by name
_TITLES = {"MNIST": "mnist", "FashionMNIST": "fashion-mnist", "KMNIST": "kmnist"}


def choose_test_images(folder: Path) -> Path | None:
    """Return the idx file of test images in a folder or in its `raw`; None where it has no idx images.

    Raises UsageError where there are several (EMNIST) or only others: which to take is the user's choice.
    """
    for place in (folder / "raw", folder):
        if not place.is_dir():
            continue
        found = sorted(path for path in place.iterdir() if _IMAGES.fullmatch(path.name))
        tests = {path.name.removesuffix(".gz"): path for path in found if _TEST_IMAGES.fullmatch(path.name)}
        if len(tests) == 1:
            return next(iter(tests.values()))
        if found:
            raise UsageError(
                f"{place} has {len(tests)} idx files of test images: give the one to use, such as {found[0]}."
            )
    return None


def read_far_idx(path: Path) -> tuple[PixelArray, tuple[str, ...] | None]:
    """Return an idx file's images (N, 1, H, W) uint8, and their class names where these are known.

    Class names are known of EMNIST's files and of torchvision's folders of MNIST, Fashion-MNIST and KMNIST,
    if the file of labels lies beside. Raises DataError naming the file when it is not such a file.
    """
    images = np.array(read_idx_images(path))
    return images, _labels(path, len(images))


def _labels(images_path: Path, count: int) -> tuple[str, ...] | None:
    stem = images_path.name.removesuffix(".gz").replace("images-idx3", "labels-idx1")
    beside = [images_path.with_name(stem + end) for end in ("", ".gz")]
    labels_path = next((path for path in beside if path.is_file() and path != images_path), None)
    names = _class_names(images_path)
    if names is None or labels_path is None:
        return None
    labels = read_idx(labels_path, 1).tolist()
    if len(labels) != count or not set(labels) <= set(range(len(names))):
        raise DataError(
            f"{labels_path} does not fit: {len(labels)} labels for {count} images, up to "
            f"{max(labels, default=0)} for {len(names)} classes; replace both files with an intact pair."
        )
    return tuple(names[label] for label in labels)


def _class_names(images_path: Path) -> tuple[str, ...] | None:
    if emnist := _EMNIST.fullmatch(images_path.name):
        return EMNIST_CLASSES.get(emnist[1])
    folder = images_path.absolute().parent
    title = folder.parent.name if folder.name == "raw" else folder.name
    return class_names(_TITLES[title]) if title in _TITLES else None
