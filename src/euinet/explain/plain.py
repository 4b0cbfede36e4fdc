"""Pixels as plain values for JSON: a shape, and base64 of the bytes."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import numpy.typing as npt

_LITTLE_ENDIAN = np.dtype("<f4")


def plain_image(pixels: npt.NDArray[np.uint8]) -> dict[str, Any]:
    """Return a uint8 image (C, H, W), 0 … 255, as {"shape", "pixels"}."""
    return {"shape": list(pixels.shape), "pixels": _base64(np.ascontiguousarray(pixels, dtype=np.uint8))}


def plain_values(values: npt.NDArray[np.float32]) -> dict[str, Any]:
    """Return numbers (C, H, W) as {"shape", "values"}: float32, little endian."""
    return {
        "shape": list(values.shape),
        "values": _base64(np.ascontiguousarray(values, dtype=_LITTLE_ENDIAN)),
    }


def _base64(array: npt.NDArray[Any]) -> str:
    return base64.b64encode(array.tobytes()).decode("ascii")
