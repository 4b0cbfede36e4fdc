"""Images as they are kept: the pixels that the network read, written anew by Pillow as PNG.

Never the file that was sent: what else it held (camera data, a place, a second file behind the first) is
gone.
"""

import hashlib
import io
import os
from contextlib import suppress
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

KEY_DIGITS = 20  # hexadecimal; 80 bits: no two images meet by accident
Pixels = npt.NDArray[np.uint8]


def image_key(pixels: Pixels) -> str:
    """Return the name of an image's content: equal pixels (C, H, W) have an equal key."""
    digest = hashlib.sha256(repr(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()[:KEY_DIGITS]


def to_png(pixels: Pixels) -> bytes:
    """Return uint8 pixels (1 or 3, H, W) as a PNG file that holds nothing else."""
    image = Image.fromarray(
        pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0))
    )
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def from_png(png: bytes) -> Pixels:
    """Return the pixels (C, H, W) of a PNG that `to_png` made. Raises OSError or ValueError if damaged."""
    with Image.open(io.BytesIO(png), formats=("PNG",)) as image:
        array = np.asarray(image)
    return array[np.newaxis] if array.ndim == 2 else np.ascontiguousarray(array.transpose(2, 0, 1))


def write_whole(path: Path, png: bytes) -> None:
    """Write an image whole or not at all; the dot hides what a killed process leaves.

    Without fsync, which would cost more than all else: an image may be lost in a power cut, and is then known
    by its size.
    """
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.part")
    try:
        temporary.write_bytes(png)
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise
