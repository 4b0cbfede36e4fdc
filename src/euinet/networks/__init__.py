"""The networks: images in −1 … 1 go in, logits and features come out.

`EuiNet` is what is kept; the generators and the GAN's discriminator exist for training alone.
"""

from __future__ import annotations

import torch
from torch import Tensor


def to_network_range(images: Tensor) -> Tensor:
    """Return uint8 images 0 … 255 as float32 in −1 … 1, the same shape."""
    return images.to(torch.float32).mul_(2 / 255).sub_(1)
