"""What tells one data set from another of the same name, and one image from another."""

import hashlib

import numpy as np

from euinet.answers import Digests, StoredArray
from euinet.records import Dataset, LabelledImages


def fingerprint(*arrays: np.ndarray) -> str:
    """Return 16 hexadecimal digits that differ when shape, type or content of any array does."""
    digest = hashlib.sha256()
    for array in arrays:
        # "torch.": bundled models hold fingerprints from when these arrays were tensors
        digest.update(f"{array.shape} torch.{array.dtype}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()[:16]


def dataset_fingerprint(dataset: Dataset) -> str:
    """Return the fingerprint of all images and labels of a data set."""
    parts = (dataset.train.images, dataset.train.labels, dataset.test.images, dataset.test.labels)
    return fingerprint(*parts)


def image_digests(images: StoredArray | LabelledImages) -> Digests:
    """Return a number (N,) uint64 for each image (C, H, W) or embedding (F,): equal ones have the same.

    An embedding that came with the digest of its image's pixels keeps that.
    Of a million different images two have the same with a chance of 3 in 100 million.
    """
    if isinstance(images, LabelledImages):
        return image_digests(images.images) if images.digests is None else images.digests
    numbers = b"".join(hashlib.blake2b(image.tobytes(), digest_size=8).digest() for image in images)
    return np.frombuffer(numbers, ">u8").astype(np.uint64)
