"""Reading idx files, the format of MNIST and its relatives.

Source: the format's description on http://yann.lecun.com/exdb/mnist/ — two zero bytes, the type
(8 = unsigned byte), the number of dimensions, each dimension as a big-endian 32-bit number, the values.
"""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from euinet.data.integrity import GZIP_MAGIC, DamagedFileError, unpacked
from euinet.errors import DataError
from euinet.records import LabelledImages

UNSIGNED_BYTE = 8


def parse_idx(content: bytes, dimensions: int) -> Tensor:
    """Return the values of an idx file as a uint8 tensor with that many dimensions.

    Raises DamagedFileError when the header or the length is wrong.
    """
    magic = bytes([0, 0, UNSIGNED_BYTE, dimensions])
    header_length = 4 + 4 * dimensions
    if content[:4] != magic:
        raise DamagedFileError(f"does not begin with {magic.hex()} but with {content[:4].hex() or 'nothing'}")
    if len(content) < header_length:
        raise DamagedFileError(f"ends inside its header ({len(content)} bytes)")
    shape = struct.unpack(f">{dimensions}I", content[4:header_length])
    expected = header_length + int(np.prod(shape, dtype=object))
    if len(content) != expected:
        raise DamagedFileError(f"has {len(content)} bytes, but its header promises {expected}")
    values = np.frombuffer(content, dtype=np.uint8, offset=header_length)
    return torch.from_numpy(values.reshape(shape).copy())


def read_idx(path: Path, dimensions: int) -> Tensor:
    """Return the values of an idx file, plain or gzipped, as a uint8 tensor with that many dimensions.

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
    return LabelledImages(images.unsqueeze(1), labels.to(torch.int64))
