"""One image file, whatever stands in it, becomes square uint8 pixels or one sentence that says why not.

Training, prediction and exported models read files through here, so that all see the same pixels. What was
decided on the way (which frame, what lies behind transparency, …) is told, never guessed in silence.

No torch in this file: an exported model is run without it.
"""

import io
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile, UnidentifiedImageError

from euinet.errors import DataError, EuiNetError, UsageError
from euinet.images.square import Square
from euinet.images.withheld import warnings_noticed, warnings_withheld
from euinet.system.words import is_shown

# As in torchvision's ImageFolder, GIF, and other endings of the same formats.
IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".ppm", ".pgm", ".pbm", ".pnm", ".bmp", ".tif", ".tiff"}
    | {".webp", ".gif"}
)
GREY_MODES = frozenset({"1", "L", "LA", "I", "I;16", "I;16B", "I;16L", "I;16N"})
# 2²⁸·⅔: Pillow's own hard limit against files that unpack to more than the memory holds.
MOST_PIXELS = 178_956_970

# By content, never by suffix. Others need a program of their own (EPS) or hold several sizes (ICO).
# Pillow opens the MPO of phones, several pictures in one file, as JPEG.
_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
_MOST_PIPED_BYTES = 8 * MOST_PIXELS  # four channels of 16 bits; a pipe may never end
_LONGEST_NAME, _LONGEST_REASON = 400, 200  # characters of a message
_ORIENTATION = 0x0112  # EXIF and TIFF tag: 1 upright, 2 … 8 as below, 0 unknown
_PHOTOMETRIC = 0x0106  # TIFF tag: 0 where zero is white
_TO_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class TooManyPixelsError(DataError):
    """An image has more pixels than its reader takes; known from its header, before it is decoded."""


@dataclass(frozen=True, eq=False)
class ReadImage:
    """An image file's pixels, and what was done to get them that a person would want to know."""

    pixels: npt.NDArray[np.uint8]  # (C, image_size, image_size), 0 … 255; C is 1 (grey) or 3 (RGB)
    remark: str | None  # "first of 12 frames; transparency laid on white"; None: nothing to tell


def read_pixels(
    file: Path | BinaryIO,
    square: int | Square,
    channels: int | None = None,
    most_pixels: int = MOST_PIXELS,
) -> ReadImage:
    """Return an image file's pixels as uint8, (channels, image_size, image_size).

    Turned upright as its EXIF data say, transparency laid on white, made a `square`; a number stands for its
    size: shorter side resized to it, bilinear, and centre cropped. `channels` is 1 (grey) or 3 (RGB); without
    it a grey file gives 1 and any other 3. Raises DataError, one line that names the file, when it is
    missing, empty, broken, not one of the allowed formats, or without a known range of values;
    TooManyPixelsError when it is larger than `most_pixels`, which can only lower `MOST_PIXELS`. Standard
    input may be a pipe.
    """
    if channels not in (None, 1, 3):
        raise UsageError(f"An image has 1 or 3 channels, not {channels}: give one of these.")
    square = Square(square) if isinstance(square, int) else square
    with opened_image(file, most_pixels) as opened:
        return _read(opened, _name(file), square, channels)


def image_pixels(image: Image.Image, name: str, square: Square, channels: int) -> ReadImage:
    """Return a Pillow image's pixels as `read_pixels` does a file's; the image stays as it is.

    It is decoded whole, whatever the square says of drafts. Raises DataError as there.
    """
    try:
        with warnings_withheld():
            return _read(image.copy(), name, square, channels)
    except EuiNetError:
        raise
    except Exception as error:  # it may not be decoded yet
        raise DataError(_what_is_wrong(name, error)) from error


def _read(opened: Image.Image, name: str, square: Square, channels: int | None) -> ReadImage:
    if 0 in opened.size:  # Pillow makes a black image of nothing
        raise DataError(f"{name} has no pixels: its size is {opened.width} × {opened.height}; take it out.")
    square.hint(opened)
    stored_grey = opened.mode in GREY_MODES
    count = getattr(opened, "n_frames", 1)
    frames = f"first of {count} frames" if count > 1 else None
    transparent, raw_mode = _transparent_value(opened), _raw_mode(opened)
    orientation, turned, damaged = _load_and_orient(opened)
    if transparent is not None:
        opened.info["transparency"] = transparent
    image, depth = _eight_bit(opened, raw_mode, name)
    if orientation in _TO_UPRIGHT:
        image = image.transpose(_TO_UPRIGHT[orientation])
    image, layered = _on_white(image)
    grey = channels == 1 if channels else stored_grey
    recoloured = None
    if channels == 3 and stored_grey:
        recoloured = "grey repeated into colour"
    elif channels == 1 and not stored_grey and _is_coloured(image):
        recoloured = "colour weighed into grey"
    pixels = square.of(image, "L" if grey else "RGB")
    done = (frames, turned, damaged, depth, layered, recoloured)
    return ReadImage(pixels, "; ".join(remark for remark in done if remark) or None)


@contextmanager
def opened_image(file: Path | BinaryIO, most_pixels: int = MOST_PIXELS) -> Iterator[ImageFile.ImageFile]:
    """Yield an image file of an allowed format and size, its header read, its pixels not yet decoded.

    Whatever Pillow raises in here, or in the caller's block, becomes a DataError of one line; its warnings
    are withheld. Several threads may do so at a time.
    """
    name = _name(file)
    try:
        with ExitStack() as stack:
            stack.enter_context(warnings_withheld())
            stream = _seekable(stack.enter_context(file.open("rb")) if isinstance(file, Path) else file, name)
            if stream.seek(0, os.SEEK_END) == 0:
                raise DataError(f"{name} is empty: replace the file or take it out.")
            opened = stack.enter_context(Image.open(stream, formats=_FORMATS))
            # Pillow's own check can be switched off
            if opened.width * opened.height > min(most_pixels, MOST_PIXELS):
                raise Image.DecompressionBombError
            yield opened
    except EuiNetError:
        raise
    except Exception as error:  # decoders raise anything on broken data, MemoryError and bare Exception too
        if isinstance(error, Image.DecompressionBombError):
            raise TooManyPixelsError(
                f"{name} has more than {min(most_pixels, MOST_PIXELS):,} pixels, the most that is read: make "
                "the image smaller."
            ) from error
        raise DataError(_what_is_wrong(name, error)) from error


def _what_is_wrong(name: str, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return f"There is no image file {name}."
    if isinstance(error, UnidentifiedImageError):
        return (
            f"{name} is broken or not an image of the formats {', '.join(_FORMATS)}: "
            "replace the file or take it out."
        )
    if isinstance(error, MemoryError):
        return f"{name} needs more memory than there is: make the image smaller."
    reason = _one_line(str(error) or type(error).__name__)[:_LONGEST_REASON]
    if isinstance(error, OSError) and error.errno is not None:
        return f"{name} cannot be read ({error.strerror or reason}): give an image file that can."
    return f"{name} is broken or not an image ({reason}): replace the file or take it out."


def _name(file: Path | BinaryIO) -> str:
    name = str(file) if isinstance(file, Path) else getattr(file, "name", None)  # a descriptor's is a number
    line = _one_line(name) if isinstance(name, str) and name else "the image"
    return line if len(line) <= _LONGEST_NAME else "…" + line[-_LONGEST_NAME:]  # the end says which file


def _one_line(text: str) -> str:
    """Return text that any terminal can print on one line: what cannot be seen is escaped."""
    return "".join(c if is_shown(c) else c.encode("unicode_escape").decode() for c in text)


def _seekable(stream: BinaryIO, name: str) -> BinaryIO:
    if stream.seekable():
        return stream
    content = stream.read(_MOST_PIPED_BYTES + 1)
    if len(content) > _MOST_PIPED_BYTES:
        raise DataError(f"{name} has more than {_MOST_PIPED_BYTES:,} bytes: give a smaller image.")
    return io.BytesIO(content)


def _raw_mode(opened: Image.Image) -> str:
    """Return how the file stores its pixels, Pillow's raw mode, or "" where it does not say."""
    tile = getattr(opened, "tile", None)  # an image that is no file has none
    stored: Any = tile[0].args if tile else ""
    if isinstance(stored, tuple):
        stored = stored[0] if stored else ""
    return stored if isinstance(stored, str) else ""


def _transparent_value(opened: Image.Image) -> Any:
    """Return the value that a PNG declares transparent in the units of the pixels that Pillow gives.

    Pillow brings grey of 2 and 4 bits and colour of 16 bits to 8, but not this value beside it.
    """
    value, raw_mode = opened.info.get("transparency"), _raw_mode(opened)
    if isinstance(value, int) and raw_mode in ("L;2", "L;4"):
        return value * {"L;2": 85, "L;4": 17}[raw_mode]
    if isinstance(value, tuple) and raw_mode == "RGB;16B":
        return tuple(part >> 8 for part in value)
    return value


def _load_and_orient(opened: Image.Image) -> tuple[int, str | None, str | None]:
    """Decode the pixels; return the orientation still to be undone, and remarks on turning and on EXIF."""
    by_pillow = (
        getattr(opened, "format", None) == "TIFF"
    )  # turned while it is loaded, and the tag is gone then
    if not by_pillow:
        opened.load()  # first: EXIF data may lie behind a PNG's pixels, whose faults are no faults of EXIF
    orientation, damaged = _orientation(opened)
    opened.load()
    turned = "turned upright as its EXIF data say" if orientation in _TO_UPRIGHT else None
    return 1 if by_pillow else orientation, turned, "its EXIF data are broken" if damaged else None


def _orientation(opened: Image.Image) -> tuple[int, bool]:
    """Return the orientation, 0 … 8, and whether the EXIF data are damaged; of damaged data what is left."""
    orientation: Any = 1
    with warnings_noticed() as noticed:
        damaged = False
        try:
            block = opened.info.get("exif")
            if block:  # anew: opening a JPEG reads it already, and swallows what is wrong
                Image.Exif().load(block)
            orientation = opened.getexif().get(_ORIENTATION, 1)
        except Exception:  # as in `opened_image`; the pixels are whole all the same
            damaged = True
    if not isinstance(orientation, int) or not 0 <= orientation <= 8:
        return 1, True
    return orientation, damaged or bool(noticed)


def _eight_bit(image: Image.Image, raw_mode: str, name: str) -> tuple[Image.Image, str | None]:
    """Return the image with 8 bits a channel, of deeper grey the upper 8, and then a remark too."""
    if not image.mode.startswith(("I", "F")):
        return image, None
    values = np.asarray(image)  # (H, W)
    if image.mode == "F" or values.min() < 0 or values.max() > 65535:
        kind = "floating-point numbers" if image.mode == "F" else "whole numbers outside 0 … 65535"
        raise DataError(f"{name} has {kind}, whose range is not known: save it with 8 or 16 bits a pixel.")
    bits = 12 if raw_mode == "I;12" else 16  # 12: Pillow unpacks, but does not scale
    upper = (values >> (bits - 8)).astype(np.uint8)
    if getattr(image, "tag_v2", {}).get(_PHOTOMETRIC) == 0:  # Pillow minds it in 8 bits only
        upper = 255 - upper
    grey = Image.fromarray(upper)
    if "transparency" in image.info:
        grey.putalpha(Image.fromarray((values != image.info["transparency"]).astype(np.uint8) * 255))
    return grey, f"{bits} bits a pixel brought to 8"


def _on_white(image: Image.Image) -> tuple[Image.Image, str | None]:
    if not image.has_transparency_data:
        return image, None
    layered = image if image.mode == "RGBA" else image.convert("RGBA")
    if layered.getchannel("A").getextrema() == (255, 255):
        return layered, None
    white = Image.new("RGB", layered.size, "white")
    white.paste(layered, mask=layered)
    return white, "transparency laid on white"


def _is_coloured(image: Image.Image) -> bool:
    """Return whether red, green and blue differ in any pixel; a few rows at a time, for the memory's sake."""
    rows = max(1, 2**22 // image.width)
    for top in range(0, image.height, rows):
        part = image.crop((0, top, image.width, min(top + rows, image.height)))
        red, green, blue = np.moveaxis(np.asarray(part.convert("RGB")), 2, 0)
        if not (np.array_equal(red, green) and np.array_equal(green, blue)):
            return True
    return False
