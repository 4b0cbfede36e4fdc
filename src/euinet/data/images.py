"""One image file, as an image of a folder or to be predicted, becomes one uint8 tensor.

Training and prediction read files through here, so that both see the same pixels.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image, ImageOps
from torch import Tensor

from euinet.errors import DataError, UsageError

# As in torchvision's ImageFolder.
IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp"})
_GREY_MODES = frozenset({"1", "L", "LA", "I", "I;16", "I;16B", "I;16L", "I;16N", "F"})
_ITU_R_601 = (0.299, 0.587, 0.114)  # luma from red, green, blue; Pillow's grey too


def read_image(file: Path | BinaryIO, image_size: int, channels: int | None = None) -> Tensor:
    """Return an image file as uint8, (channels, image_size, image_size).

    Turned upright as its EXIF data say, shorter side resized to `image_size`, centre cropped.
    `channels` is 1 (grey) or 3 (RGB); without it a grey file gives 1 and any other gives 3.
    Raises DataError naming the file when it is missing, broken, or not an image.
    """
    name = str(file) if isinstance(file, Path) else getattr(file, "name", "the image")
    try:
        with Image.open(file) as opened:
            grey = channels == 1 if channels else opened.mode in _GREY_MODES
            upright = ImageOps.exif_transpose(_eight_bit(opened))
            converted = upright.convert("L" if grey else "RGB")
    except FileNotFoundError as error:
        raise DataError(f"There is no image file {name}.") from error
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise DataError(
            f"{name} is broken or not an image ({error}): replace the file or take it out."
        ) from error
    fitted = ImageOps.fit(converted, (image_size, image_size), Image.Resampling.BILINEAR)
    pixels = torch.from_numpy(np.array(fitted, dtype=np.uint8))  # (H, W) or (H, W, 3)
    return pixels.unsqueeze(0) if grey else pixels.permute(2, 0, 1).contiguous()


def stored_shape(path: Path) -> tuple[int, int, int]:
    """Return the (channels, height, width) with which a readable image file is stored; channels 1 or 3."""
    with Image.open(path) as opened:
        return (1 if opened.mode in _GREY_MODES else 3), opened.height, opened.width


def conform(images: Tensor, channels: int, image_size: int) -> Tensor:
    """Return another data set's images in a model's geometry: (N, channels, image_size, image_size) uint8.

    `images`: (N, 1 or 3, H, W) uint8. Grey is repeated into RGB; RGB is weighted into grey (ITU-R 601);
    the size changes by antialiased bilinear resizing. Used for far sets, which a model was not built for.
    """
    if images.shape[1] not in (1, 3) or channels not in (1, 3):
        raise UsageError(f"Images have 1 or 3 channels, not {images.shape[1]} to become {channels}.")
    if images.shape[1:] == (channels, image_size, image_size):
        return images
    floating = images.float()
    if channels < images.shape[1]:
        weights = torch.tensor(_ITU_R_601, device=images.device).view(1, 3, 1, 1)
        floating = (floating * weights).sum(dim=1, keepdim=True)
    if floating.shape[2:] != (image_size, image_size):
        floating = F.interpolate(floating, (image_size, image_size), mode="bilinear", antialias=True)
    return floating.round().clamp(0, 255).to(torch.uint8).expand(-1, channels, -1, -1).contiguous()


def _eight_bit(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits a pixel; Pillow's own conversion clips at 255
        values = np.asarray(image).astype(np.int64) >> 8
        return Image.fromarray(values.clip(0, 255).astype(np.uint8))
    if "transparency" in image.info:
        return image.convert("RGBA")
    return image
