"""What tells one data set from another of the same name, and one image from another."""

import hashlib
from collections.abc import Iterator

import numpy as np

from euinet.answers import Digests, StoredArray
from euinet.records import Dataset, LabelledImages

_PIECE = 2**22  # bytes of an array that are in memory at a time, where it lies in a file


def fingerprint(*arrays: np.ndarray) -> str:
    """Return 16 hexadecimal digits that differ when shape, type or content of any array does."""
    digest = hashlib.sha256()
    for array in arrays:
        # "torch.": bundled models hold fingerprints from when these arrays were tensors
        digest.update(f"{array.shape} torch.{array.dtype}".encode())
        for piece in pieces(array):
            digest.update(array[piece].tobytes() if array.ndim else array.tobytes())
    return digest.hexdigest()[:16]


def dataset_fingerprint(dataset: Dataset) -> str:
    """Return the fingerprint of all images and labels of a data set.

    Features of images count as the digests of these images: they tell which data it is, whatever network saw
    them, and are the same on every machine.
    """
    parts = (dataset.train, dataset.test)
    return fingerprint(*(array for part in parts for array in (_told_by(part), part.labels)))


def pieces(array: StoredArray) -> Iterator[slice]:
    """Yield slices of an array's first axis, in order, of some megabytes each."""
    rows = len(array) if array.ndim else 1
    each = max(1, array.dtype.itemsize * array.size // max(rows, 1))
    step = max(1, _PIECE // each)
    yield from (slice(start, start + step) for start in range(0, rows, step))


def _told_by(images: LabelledImages) -> np.ndarray:
    return images.images if images.digests is None else images.digests


def image_digests(images: StoredArray | LabelledImages) -> Digests:
    """Return a number (N,) uint64 for each image (C, H, W) or embedding (F,): equal ones have the same.

    An embedding that came with the digest of its image's pixels keeps that.
    Of a million different images two have the same with a chance of 3 in 100 million.
    """
    if isinstance(images, LabelledImages):
        return image_digests(images.images) if images.digests is None else images.digests
    numbers = b"".join(hashlib.blake2b(image.tobytes(), digest_size=8).digest() for image in images)
    return np.frombuffer(numbers, ">u8").astype(np.uint64)
