"""Pure noise as a far set: 10,000 images that no class explains, of any size, the same ones each time.

Drawn by NumPy's generator. They were drawn by torch's before: the same distributions, but other images, so
that a number measured then may differ in its last digits.

Source: the two synthetic sets of section 4.2 of S. Liang, Y. Li, R. Srikant, Enhancing the Reliability of
Out-of-distribution Image Detection in Neural Networks, ICLR 2018, https://arxiv.org/abs/1706.02690
"""

from typing import Literal

import numpy as np

from euinet.answers import PixelArray

NOISE_IMAGES = 10_000
SEED = 0
_CHUNK = 500  # images drawn at a time: the float32 draws must not need gigabytes

NoiseKind = Literal["uniform", "gaussian"]


def noise_images(kind: NoiseKind, channels: int, image_size: int, count: int = NOISE_IMAGES) -> PixelArray:
    """Return `count` images of independent pixels, uint8 (count, channels, image_size, image_size).

    On the scale 0 … 1: "uniform" between 0 and 1; "gaussian" with mean 0.5 and variance 1, clipped.
    """
    generator = np.random.default_rng(SEED)
    shape = (count, channels, image_size, image_size)
    if kind == "uniform":
        return generator.integers(0, 256, shape, dtype=np.uint8)
    images = np.empty(shape, dtype=np.uint8)
    for start in range(0, count, _CHUNK):
        part = images[start : start + _CHUNK]
        drawn = 0.5 + generator.standard_normal(part.shape, dtype=np.float32)
        part[:] = np.rint(drawn.clip(0, 1) * 255)
    return images
