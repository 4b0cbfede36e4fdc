"""The card's records as plain values."""

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from euinet.judging.share import Share


def to_plain(value: Any) -> Any:
    """Return records (without their pictures), mappings and sequences as what JSON can hold; NaN is None."""
    if isinstance(value, Share):
        low, high = value.interval
        return {**value.to_plain(), "low": low, "high": high}
    if is_dataclass(value) and not isinstance(value, type):
        entries = ((field.name, getattr(value, field.name)) for field in fields(value))
        return {name: to_plain(entry) for name, entry in entries if not _is_picture(entry)}
    if isinstance(value, Mapping):
        return {str(key): to_plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(entry) for entry in value]
    if isinstance(value, np.generic | np.ndarray):
        return to_plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _is_picture(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype == np.uint8
