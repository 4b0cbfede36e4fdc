"""idx files, the format of MNIST and its relatives, as labelled images (`arrays` parses them)."""

from pathlib import Path

import numpy as np

from euinet.answers import PixelArray
from euinet.errors import DataError
from euinet.images.arrays import parse_idx
from euinet.records import LabelledImages
from euinet.system.integrity import GZIP_MAGIC, DamagedFileError, unpacked


def read_idx(path: Path, dimensions: int) -> PixelArray:
    """Return the values of an idx file, plain or gzipped, as a read-only uint8 array of so many dimensions.

    Raises DataError naming the file when it cannot be read or is not such a file.
    """
    try:
        content = path.read_bytes()
        return parse_idx(unpacked(content) if content[:2] == GZIP_MAGIC else content, dimensions)
    except OSError as error:
        raise DataError(f"Cannot read {path} ({error.strerror or error}).") from error
    except DamagedFileError as error:
        raise DataError(f"{path} {error}: replace it with an intact copy.") from error


def read_labelled_images(images_path: Path, labels_path: Path) -> LabelledImages:
    """Return images, (N, 1, H, W) uint8, and labels, (N,) int64, from a pair of idx files.

    Raises DataError naming the file that is not what it must be.
    """
    images = read_idx(images_path, 3)  # (N, H, W)
    labels = read_idx(labels_path, 1)  # (N,)
    if len(images) != len(labels):
        raise DataError(
            f"{images_path} has {len(images)} images but {labels_path} has {len(labels)} labels: "
            "replace both with an intact pair."
        )
    return LabelledImages(images[:, None], labels.astype(np.int64))
