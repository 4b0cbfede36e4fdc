"""A user's own files as a far set: idx files, NumPy arrays, image files, folders of any of these.

What a file is, its first bytes say; its name does not matter.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from euinet.answers import PixelArray
from euinet.data.far.idx import choose_test_images, read_far_idx
from euinet.errors import DataError
from euinet.images.arrays import looks_like_idx, looks_like_numpy, read_numpy_images
from euinet.images.geometry import IMAGE_SUFFIXES, stored_shape
from euinet.images.names import PassedOver, image_files
from euinet.images.preprocessing import Preprocessing


class FoundImages(NamedTuple):
    """Images as they were found, before they are brought to a model's geometry."""

    images: PixelArray  # (M, 1 or 3, H, W)
    labels: tuple[str, ...] | None = None  # class names; of a folder's images: the folders they lie in
    remark: str | None = None


def read_far_path(path: Path, preprocessing: Preprocessing) -> FoundImages:
    """Return the images of an existing file or folder.

    Image files come out as `preprocessing` reads them, everything else as it is stored.
    Raises DataError naming what cannot be used, UsageError where a choice is the user's.
    """
    try:
        if path.is_dir():
            return _read_folder(path, preprocessing)
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as error:
        raise DataError(f"Cannot read {path} ({error.strerror or error}).") from error
    if looks_like_idx(start):
        return FoundImages(*read_far_idx(path))
    if looks_like_numpy(start):
        return FoundImages(np.array(read_numpy_images(path)))
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return _read_image_files([path], path.parent, preprocessing)
    raise DataError(
        f"{path} {'is empty' if not start else 'is none of the files that can be a far set'}: give an idx "
        "file of images (plain or gzipped), a .npy array, an image, or a folder of images."
    )


def _read_folder(folder: Path, preprocessing: Preprocessing) -> FoundImages:
    idx_file = choose_test_images(folder)
    if idx_file is not None:
        return FoundImages(*read_far_idx(idx_file))
    files = [folder / name for name in image_files(folder, PassedOver())]
    if not files:
        raise DataError(
            f"{folder} has no images ({', '.join(sorted(IMAGE_SUFFIXES))}), nor idx files of test images: "
            "give a folder that has."
        )
    return _read_image_files(files, folder, preprocessing)


def _read_image_files(files: Sequence[Path], folder: Path, preprocessing: Preprocessing) -> FoundImages:
    """Read what can be read; broken files are counted, since public sets come with some (notMNIST has)."""
    images: list[PixelArray] = []
    labels: list[str] = []
    channels, image_size = preprocessing.channels, preprocessing.image_size
    broken: list[DataError] = []
    fitted = 0
    for path in files:
        try:
            images.append(preprocessing.read(path).pixels)
        except DataError as error:
            broken.append(error)
            continue
        labels.append(path.parent.relative_to(folder).as_posix().removeprefix("."))
        fitted += stored_shape(path) != (channels, image_size, image_size)
    if not images:
        raise DataError(f"No image of {folder} can be read; the first: {broken[0]}")
    remarks = []
    if broken:
        first = str(broken[0]).rstrip(".")
        remarks.append(f"{len(broken)} of {len(files)} files were left out, the first because {first}")
    if fitted:
        remarks.append(
            f"{fitted} of {len(images)} images were brought to {channels} × {image_size} × {image_size} "
            "(channels, height, width): shorter side resized, centre cropped"
        )
    return FoundImages(np.stack(images), tuple(labels), "; ".join(remarks) or None)
