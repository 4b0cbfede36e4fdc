"""What tells one data set from another of the same name."""

from __future__ import annotations

import hashlib

from torch import Tensor

from euinet.records import Dataset


def fingerprint(*tensors: Tensor) -> str:
    """Return 16 hexadecimal digits that differ when shape, type or content of any tensor does."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(f"{tuple(tensor.shape)} {tensor.dtype}".encode())
        digest.update(tensor.contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def dataset_fingerprint(dataset: Dataset) -> str:
    """Return the fingerprint of all images and labels of a data set."""
    parts = (dataset.train.images, dataset.train.labels, dataset.test.images, dataset.test.labels)
    return fingerprint(*parts)
