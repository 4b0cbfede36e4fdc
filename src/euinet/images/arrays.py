"""Arrays of images in files: idx, the format of MNIST and its relatives, and NumPy's.

No torch in this file: a decision from an exported model needs none. The idx format: two zero bytes, the type
(8 = unsigned byte), the number of dimensions, each dimension as a big-endian 32-bit number, the values
(http://yann.lecun.com/exdb/mnist/).

A header is compared with the file's length before anything is read by it. What must be unpacked, and so held
in memory, has at most MOST_UNPACKED bytes.
"""

import io
import math
import os
import shutil
import struct
import zipfile
from pathlib import Path
from typing import BinaryIO, Literal

import numpy as np

from euinet.errors import DataError
from euinet.system.integrity import GZIP_MAGIC, DamagedFileError, unpacked

UNSIGNED_BYTE = 8
# EMNIST's largest part, its 697,932 training images, has 547 MB.
MOST_UNPACKED = 2**30
_IMAGES_HEADER = 16  # bytes of an idx file of images
_LONGEST_HEADER = 2**16  # bytes of a .npy file's; NumPy's own has 128
_NUMPY_MAGIC, _ZIP_MAGIC = b"\x93NUMPY", b"PK"
_SHAPES = "(N, H, W), (N, H, W, C) or (N, C, H, W) with 1 or 3 channels C and at least one pixel"


def parse_idx(content: bytes, dimensions: int) -> np.ndarray:
    """Return the values of an idx file as a read-only uint8 array with that many dimensions.

    Raises DamagedFileError when the header or the length is wrong.
    """
    shape = _idx_shape(content[: 4 + 4 * dimensions], dimensions, len(content))
    return _mapped(io.BytesIO(content), 4 + 4 * dimensions, shape)


def _idx_shape(start: bytes, dimensions: int, length: int | None) -> tuple[int, ...]:
    """Return what an idx file's first bytes promise, which its length must be; None: it is not known yet."""
    magic = bytes([0, 0, UNSIGNED_BYTE, dimensions])
    header_length = 4 + 4 * dimensions
    if start[:4] != magic:
        raise DamagedFileError(f"does not begin with {magic.hex()} but with {start[:4].hex() or 'nothing'}")
    if len(start) < header_length:
        raise DamagedFileError(f"ends inside its header ({len(start)} bytes)")
    shape = struct.unpack(f">{dimensions}I", start[4:header_length])
    expected = header_length + math.prod(shape)
    if length not in (None, expected):
        raise DamagedFileError(f"has {length} bytes, but its header promises {expected}")
    return shape


def looks_like_numpy(start: bytes) -> bool:
    """Return whether a file with these first bytes is one of NumPy's (.npy, .npz)."""
    return start.startswith((_NUMPY_MAGIC, _ZIP_MAGIC))


def looks_like_idx(start: bytes) -> bool:
    """Return whether a file with these first bytes is an idx file, or gzipped as only idx files may be."""
    return start[:2] in (b"\0\0", GZIP_MAGIC)


def read_idx_images(path: Path) -> np.ndarray:
    """Return the images of an idx file, plain or gzipped, as uint8 (N, 1, H, W); a plain one's are mapped.

    Raises DataError naming the file when it cannot be read or is no idx file of images.
    """
    try:
        with path.open("rb") as file:
            start, length = file.read(_IMAGES_HEADER), path.stat().st_size
            if start[:2] == GZIP_MAGIC:
                _check_size(length, path)
                return channels_first(_unpacked_images(start + file.read(), path), path)
            _check_kind(start, path)
            return channels_first(_mapped(file, _IMAGES_HEADER, _idx_shape(start, 3, length)), path)
    except OSError as error:
        raise DataError(f"Cannot read {path} ({error.strerror or error}).") from error
    except MemoryError as error:
        raise DataError(_too_large(path)) from error
    except DamagedFileError as error:
        raise DataError(f"{path} {error}: replace it with an intact copy.") from error


def _unpacked_images(packed: bytes, path: Path) -> np.ndarray:
    start = unpacked(packed, _IMAGES_HEADER)
    _check_kind(start, path)
    expected = _IMAGES_HEADER + math.prod(_idx_shape(start, 3, None))
    _check_size(expected, path)
    return parse_idx(unpacked(packed, expected + 1), 3)


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


def read_numpy_images(file: Path | BinaryIO, name: str | None = None) -> np.ndarray:
    """Return a .npy file's images, or those of a .npz of one array, as uint8 (N, C, H, W), C = 1 or 3.

    A .npy file is not read into memory but mapped: what is not looked at is not read. Raises DataError with
    the file's name (`name` where it is none on a disk) for what is damaged, no plain array, of another type
    than uint8 or of another shape, or would be too large in memory.
    """
    shown = name or str(file)
    try:
        if isinstance(file, Path):
            with file.open("rb") as opened:
                return channels_first(_load(opened, shown), shown)
        return channels_first(_load(file, shown), shown)
    except DataError:
        raise
    except MemoryError as error:
        raise DataError(_too_large(shown)) from error
    except Exception as error:  # NumPy and zipfile have a kind for each way in which a file can lie
        what = " ".join(str(error).split())[:120]
        raise DataError(f"{shown} is damaged or no plain NumPy array ({what}): save it anew.") from error


def _load(file: BinaryIO, name: str) -> np.ndarray:
    if file.read(len(_ZIP_MAGIC)) == _ZIP_MAGIC:
        file = _only_array(file, name)
    length = file.seek(0, os.SEEK_END)
    file.seek(0)
    start = io.BytesIO(file.read(_LONGEST_HEADER))
    version = np.lib.format.read_magic(start)
    # version 3 differs from 2 in the names of columns alone, which images lack
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, is_fortran, dtype = read(start)
    if dtype != np.uint8:
        raise DataError(
            f"{name} holds {str(dtype)[:60]} values, but images are uint8, 0 … 255: convert it first "
            "(values from 0 to 1 times 255, rounded) and save it anew."
        )
    promised = start.tell() + math.prod(shape)
    if min(shape, default=0) < 0 or promised > length:
        raise ValueError(f"its header promises the shape {shape}, but it has {length} bytes")
    return _mapped(file, start.tell(), shape, "F" if is_fortran else "C")


def _mapped(
    file: BinaryIO, offset: int, shape: tuple[int, ...], order: Literal["C", "F"] = "C"
) -> np.ndarray:
    """Return the uint8 array that lies in a file, read-only and unread, or in bytes."""
    if math.prod(shape) == 0:  # nothing cannot be mapped
        try:
            return np.empty(shape, np.uint8)
        except ValueError as error:
            raise DamagedFileError(f"promises the shape {shape}, which no array has") from error
    if isinstance(file, io.BytesIO):
        return np.ndarray(shape, np.uint8, file.getvalue(), offset, order=order)
    return np.memmap(file, np.uint8, "r", offset, shape, order)


def _only_array(file: BinaryIO, name: str) -> io.BytesIO:
    """Return the one .npy file in a .npz, unpacked."""
    with zipfile.ZipFile(file) as archive:
        arrays = [one for one in archive.infolist() if one.filename.endswith(".npy")]
        if len(arrays) != 1:
            raise DataError(f"{name} holds {len(arrays)} arrays: give a file with one array.")
        _check_size(arrays[0].file_size, name)
        content = io.BytesIO()
        with archive.open(arrays[0]) as array:
            shutil.copyfileobj(array, content, 2**20)
        return content


def _check_size(size: int, name: str | Path) -> None:
    if size > MOST_UNPACKED:
        raise DataError(_too_large(name))


def _too_large(name: str | Path) -> str:
    return (
        f"{name} would need more memory than the {MOST_UNPACKED / 1e9:.1f} GB that a packed array may, or "
        "than there is: save it in parts, or as a .npy file, which is read a few megabytes at a time."
    )


def channels_first(array: np.ndarray, name: str | Path) -> np.ndarray:
    """Return a uint8 array as (N, C, H, W); the last axis is taken for the channels where it can be.

    Raises DataError for what has another shape, or images without a pixel.
    """
    stacked = stack(array)
    if stacked is None:
        raise DataError(f"{name} has the shape {array.shape}, but images are {_SHAPES}: reshape it.")
    return stacked


def stack(array: np.ndarray) -> np.ndarray | None:
    """Return (N, H, W), (N, H, W, C) or (N, C, H, W) as (N, C, H, W), a view; None for any other shape."""
    if array.ndim == 3:
        array = array[:, None]
    elif array.ndim == 4 and array.shape[3] in (1, 3):
        array = array.transpose(0, 3, 1, 2)
    return array if array.ndim == 4 and array.shape[1] in (1, 3) and min(array.shape[2:]) else None
