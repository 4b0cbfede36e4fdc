"""Images of files and of other data sets in a model's geometry, as uint8 tensors.

Training and prediction read files through `euinet.images.pixels`, so that both see the same pixels.
"""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

import torch
import torch.nn.functional as F
from torch import Tensor

from euinet.errors import UsageError
from euinet.images.pixels import GREY_MODES, opened_image, read_pixels
from euinet.images.pixels import IMAGE_SUFFIXES as IMAGE_SUFFIXES

_ITU_R_601 = (0.299, 0.587, 0.114)  # luma from red, green, blue; Pillow's grey too


def read_image(file: Path | BinaryIO, image_size: int, channels: int | None = None) -> Tensor:
    """Return an image file as uint8, (channels, image_size, image_size): the pixels of `read_pixels`.

    Raises DataError naming the file when it is missing, broken, or not an image of an allowed format.
    """
    return torch.from_numpy(read_pixels(file, image_size, channels).pixels)


def stored_shape(path: Path) -> tuple[int, int, int]:
    """Return the (channels, height, width) with which an image file is stored; channels 1 or 3.

    Raises DataError as `read_image`, for what the header shows.
    """
    with opened_image(path) as opened:
        return (1 if opened.mode in GREY_MODES else 3), opened.height, opened.width


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
