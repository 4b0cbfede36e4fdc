"""The networks: images in −1 … 1, or embeddings, go in; logits and features come out.

`EuiNet` is what is kept; the generators and the GAN's discriminator exist for training alone.
"""

import numpy as np
import torch
from torch import Tensor


def as_tensor(array: Tensor | np.ndarray) -> Tensor:
    """Return an array as a tensor, of the same memory where torch can share it, else of a copy."""
    if isinstance(array, Tensor):
        return array
    array = np.asarray(array)  # of rows that lie in a file, too
    # torch warns of memory that is read-only, and refuses what runs backwards
    shared = array.flags.writeable and all(step >= 0 for step in array.strides)
    return torch.from_numpy(array if shared else array.copy())


def to_network_range(stored: Tensor | np.ndarray) -> Tensor:
    """Return uint8 images 0 … 255 as float32 in −1 … 1, the same shape; embeddings (N, F) as float32."""
    tensor = as_tensor(stored)
    if tensor.ndim == 2:
        return tensor.to(torch.float32)
    return tensor.to(torch.float32).mul_(2 / 255).sub_(1)


def channels_last(inputs: Tensor) -> Tensor:
    """Return images (N, C, H, W) as convolutions read them fastest; embeddings as they are."""
    return inputs.contiguous(memory_format=torch.channels_last) if inputs.ndim == 4 else inputs
