"""What explain/plain.py wrote, read back."""

import base64
from typing import Any

import numpy as np
import numpy.typing as npt


def image_of(plain: dict[str, Any]) -> npt.NDArray[np.uint8]:
    """Return the uint8 image that `plain_image` wrote."""
    return np.frombuffer(base64.b64decode(plain["pixels"]), np.uint8).reshape(plain["shape"])


def values_of(plain: dict[str, Any]) -> npt.NDArray[np.float32]:
    """Return the numbers that `plain_values` wrote."""
    return np.frombuffer(base64.b64decode(plain["values"]), "<f4").reshape(plain["shape"])
