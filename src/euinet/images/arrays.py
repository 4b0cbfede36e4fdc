"""Arrays of images in files: idx, the format of MNIST and its relatives, and NumPy's.

No torch in this file: a decision from an exported model needs none. The idx format: two zero bytes, the type
(8 = unsigned byte), the number of dimensions, each dimension as a big-endian 32-bit number, the values
(http://yann.lecun.com/exdb/mnist/).
"""

import struct
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from euinet.errors import DataError
from euinet.system.integrity import GZIP_MAGIC, DamagedFileError, unpacked

UNSIGNED_BYTE = 8
# EMNIST's largest part, its 697,932 training images, has 547 MB.
MAX_UNPACKED_BYTES = 2**31
_NUMPY_MAGIC, _ZIP_MAGIC = b"\x93NUMPY", b"PK"
_SHAPES = "(N, H, W), (N, H, W, C) or (N, C, H, W) with 1 or 3 channels C"


def parse_idx(content: bytes, dimensions: int) -> np.ndarray:
    """Return the values of an idx file as a read-only uint8 array with that many dimensions.

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
    return values.reshape(shape)


def looks_like_numpy(start: bytes) -> bool:
    """Return whether a file with these first bytes is one of NumPy's (.npy, .npz)."""
    return start.startswith((_NUMPY_MAGIC, _ZIP_MAGIC))


def looks_like_idx(start: bytes) -> bool:
    """Return whether a file with these first bytes is an idx file, or gzipped as only idx files may be."""
    return start[:2] in (b"\0\0", GZIP_MAGIC)


def read_idx_images(path: Path) -> np.ndarray:
    """Return the images of an idx file, plain or gzipped, as uint8 (N, 1, H, W).

    Raises DataError naming the file when it cannot be read or is no idx file of images.
    """
    try:
        content = path.read_bytes()
        if content[:2] == GZIP_MAGIC:
            content = unpacked(content, MAX_UNPACKED_BYTES)
        _check_kind(content, path)
        return parse_idx(content, 3)[:, None]
    except OSError as error:
        raise DataError(f"Cannot read {path} ({error.strerror or error}).") from error
    except DamagedFileError as error:
        raise DataError(f"{path} {error}: replace it with an intact copy.") from error


def _check_kind(content: bytes, path: Path) -> None:
    if content[:2] != b"\0\0" or len(content) < 4:
        raise DamagedFileError("is no idx file")
    kind, dimensions = content[2], content[3]
    if kind != UNSIGNED_BYTE or dimensions != 3:
        raise DataError(
            f"{path} is an idx file of type {kind} with {dimensions} dimensions, but images are unsigned "
            f"bytes (type {UNSIGNED_BYTE}) with 3 dimensions (N, H, W): give the file of the images, not of "
            "the labels."
        )


def read_numpy_images(path: Path | BinaryIO) -> np.ndarray:
    """Return a .npy file's images, or those of a .npz of one array, as uint8 (N, C, H, W), C = 1 or 3.

    A .npy file is not read into memory but mapped: what is not looked at is not read. Raises DataError naming
    the file for what is damaged, no plain array, of another type than uint8 or of another shape.
    """
    try:
        array = _load(path)
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        what = " ".join(str(error).split())[:120]
        raise DataError(f"{path} is damaged or no plain NumPy array ({what}): save it anew.") from error
    if array.dtype != np.uint8:
        raise DataError(
            f"{path} holds {array.dtype} values, but images are uint8, 0 … 255: convert it first "
            "(values from 0 to 1 times 255, rounded) and save it anew."
        )
    return _channels_first(array, path)


def _load(path: Path | BinaryIO) -> np.ndarray:
    if not isinstance(path, Path):
        return _only_array(np.load(path, allow_pickle=False), path)
    # numpy leaves a damaged archive open if it opens the file itself
    with path.open("rb") as file:
        archive = file.read(len(_ZIP_MAGIC)) == _ZIP_MAGIC
        file.seek(0)
        if archive:
            return _only_array(np.load(file, allow_pickle=False), path)
    return _only_array(np.load(path, mmap_mode="r", allow_pickle=False), path)


def _only_array(loaded: Any, path: Path | BinaryIO) -> np.ndarray:
    if isinstance(loaded, np.ndarray):
        return loaded
    with loaded:
        if len(loaded.files) != 1:
            raise DataError(f"{path} holds {len(loaded.files)} arrays: give a file with one array.")
        array: np.ndarray = loaded[loaded.files[0]]
        return array


def _channels_first(array: np.ndarray, path: Path | BinaryIO) -> np.ndarray:
    """Return a uint8 array as (N, C, H, W); the last axis is taken for the channels where it can be."""
    if array.ndim == 3:
        return array[:, None]
    if array.ndim == 4 and array.shape[3] in (1, 3):
        return array.transpose(0, 3, 1, 2)
    if array.ndim == 4 and array.shape[1] in (1, 3):
        return array
    raise DataError(f"{path} has the shape {array.shape}, but images are {_SHAPES}: reshape it.")
