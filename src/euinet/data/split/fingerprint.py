"""What tells one data set from another of the same name."""

import hashlib

import numpy as np

from euinet.records import Dataset


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
