"""Images as inline PNGs."""

import base64
import io
from dataclasses import dataclass

from PIL import Image

from euinet.answers import PixelArray

LARGEST = 128  # pixels a side that are kept
SHOWN = 112  # CSS pixels a side


@dataclass(frozen=True)
class Picture:
    """A small picture for an <img> element."""

    source: str  # a data: address
    pixelated: bool  # to be enlarged without smoothing: each pixel is one that the model saw


def picture(image: PixelArray) -> Picture:
    """Return a uint8 image (1 or 3, H, W) as a picture, shrunk where it is larger than LARGEST."""
    array = image.transpose(1, 2, 0)
    opened = Image.fromarray(array[:, :, 0] if array.shape[2] != 3 else array)
    opened.thumbnail((LARGEST, LARGEST))
    buffer = io.BytesIO()
    opened.save(buffer, format="PNG", optimize=True)
    address = f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    return Picture(address, pixelated=max(opened.size) < SHOWN)
