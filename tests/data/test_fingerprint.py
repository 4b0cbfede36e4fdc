from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from euinet.data.split.fingerprint import dataset_fingerprint, fingerprint
from euinet.records import Dataset, LabelledImages


def test_it_is_what_it_was_when_the_arrays_were_tensors() -> None:
    """Bundled models hold such values; this one was computed on tensors, before."""
    pixels = np.arange(18, dtype=np.uint8).reshape(2, 1, 3, 3)
    assert fingerprint(pixels, np.array([3, -1])) == "f51a6b4a759ddb78"
    assert fingerprint(np.asfortranarray(pixels), np.array([3, -1])) == "f51a6b4a759ddb78"


@pytest.mark.parametrize("change", ["shape", "type", "content", "place"])
def test_any_difference_shows(change: str) -> None:
    pixels, labels = np.zeros((2, 1, 4, 4), np.uint8), np.zeros(2, np.int64)
    before = dataset_fingerprint(
        Dataset("x", ("a",), LabelledImages(pixels, labels), LabelledImages(pixels, labels))
    )
    if change == "shape":
        assert fingerprint(pixels) != fingerprint(pixels.reshape(4, 1, 2, 4))
    elif change == "type":
        assert fingerprint(pixels) != fingerprint(pixels.astype(np.bool_))
    else:
        changed = pixels.copy()
        changed[1 if change == "content" else 0, 0, 3, 2] = 1
        part = LabelledImages(changed, labels)
        other = Dataset("x", ("a",), LabelledImages(pixels, labels), part)
        assert dataset_fingerprint(other) != before
        assert dataset_fingerprint(dataclasses.replace(other, train=part, test=other.train)) != (
            dataset_fingerprint(other)
        )
