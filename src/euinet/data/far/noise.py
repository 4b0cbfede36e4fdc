"""Pure noise as a far set: 10,000 images that no class explains, of any size, the same ones each time.

Source: the two synthetic sets of section 4.2 of S. Liang, Y. Li, R. Srikant, Enhancing the Reliability of
Out-of-distribution Image Detection in Neural Networks, ICLR 2018, https://arxiv.org/abs/1706.02690
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

NOISE_IMAGES = 10_000
SEED = 0
_CHUNK = 500  # images drawn at a time: the float32 draws must not need gigabytes

NoiseKind = Literal["uniform", "gaussian"]


def noise_images(kind: NoiseKind, channels: int, image_size: int, count: int = NOISE_IMAGES) -> Tensor:
    """Return `count` images of independent pixels, uint8 (count, channels, image_size, image_size).

    On the scale 0 … 1: "uniform" between 0 and 1; "gaussian" with mean 0.5 and variance 1, clipped.
    """
    generator = torch.Generator().manual_seed(SEED)
    images = torch.empty(count, channels, image_size, image_size, dtype=torch.uint8)
    for part in images.split(_CHUNK):
        if kind == "uniform":
            part.random_(0, 256, generator=generator)
        else:
            drawn = 0.5 + torch.randn(part.shape, generator=generator)
            part.copy_((drawn.clamp(0, 1) * 255).round())
    return images
