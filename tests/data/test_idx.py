from __future__ import annotations

import gzip

import numpy as np
import pytest

from euinet.data.sets.idx import read_idx, read_labelled_images
from euinet.errors import DataError

# Two 1 × 3 images, written out by hand.
IMAGES = bytes([0, 0, 8, 3]) + bytes([0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3]) + bytes([1, 2, 3, 253, 254, 255])
LABELS = bytes([0, 0, 8, 1, 0, 0, 0, 2]) + bytes([7, 0])


def test_an_idx_pair_gives_images_and_labels(tmp_path):
    (tmp_path / "images").write_bytes(IMAGES)
    (tmp_path / "labels.gz").write_bytes(gzip.compress(LABELS, mtime=0))
    found = read_labelled_images(tmp_path / "images", tmp_path / "labels.gz")
    assert found.images.tolist() == [[[[1, 2, 3]]], [[[253, 254, 255]]]]
    assert found.labels.tolist() == [7, 0]
    assert found.labels.dtype == np.int64


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (LABELS, "does not begin with 00000803 but with 00000801"),
        (b"", "does not begin with 00000803 but with nothing"),
        (IMAGES[:9], "ends inside its header"),
        (IMAGES[:-1], "has 21 bytes, but its header promises 22"),
        (IMAGES + b"\0", "has 23 bytes, but its header promises 22"),
        (IMAGES[:4] + b"\xff" * 12 + IMAGES[16:], "header promises"),
        (gzip.compress(IMAGES, mtime=0)[:-3], "is truncated"),
    ],
)
def test_a_wrong_file_is_named(tmp_path, content, complaint):
    path = tmp_path / "images"
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"{path} .*{complaint}"):
        read_idx(path, 3)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=f"Cannot read {tmp_path / 'images'}"):
        read_idx(tmp_path / "images", 3)


def test_images_and_labels_must_be_as_many(tmp_path):
    (tmp_path / "images").write_bytes(IMAGES)
    (tmp_path / "labels").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 1, 7]))
    with pytest.raises(DataError, match=r"2 images but .* 1 labels"):
        read_labelled_images(tmp_path / "images", tmp_path / "labels")
