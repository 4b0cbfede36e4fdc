"""A share of counted images with its interval, and records as plain values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

import numpy as np

from euinet.report.tables import wilson_interval
from euinet.report.wording import NBSP, NOT_AVAILABLE, percent

MANY = 2000  # images of which a hundredth of a percent can be told


@dataclass(frozen=True)
class Share:
    """`count` of `total` images."""

    count: int
    total: int

    @staticmethod
    def of(mask: np.ndarray) -> Share:
        """Return the share of true entries of a boolean mask (N,)."""
        return Share(int(np.count_nonzero(mask)), len(mask))

    @property
    def value(self) -> float | None:
        """The share, 0 … 1; None of no images."""
        return self.count / self.total if self.total else None

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval, 0 … 1: what other images of the same kind could have given."""
        return wilson_interval(self.count, self.total)

    @property
    def text(self) -> str:
        """The share in words: "1.2 %", of many images "1.23 %"."""
        return percent(self.count, self.total, self._digits)

    @property
    def interval_text(self) -> str:
        """The interval in words: "0.9 to 1.6 %"."""
        if not self.total:
            return NOT_AVAILABLE
        low, high = (f"{100 * bound:.{self._digits}f}" for bound in self.interval)
        return f"{'0' if self.count == 0 else low} to {'100' if self.count == self.total else high}{NBSP}%"

    @property
    def _digits(self) -> int:
        return 2 if self.total >= MANY else 1

    def to_plain(self) -> dict[str, Any]:
        """Return plain values for JSON, fractions."""
        low, high = self.interval
        return {"count": self.count, "total": self.total, "share": self.value, "low": low, "high": high}


def to_plain(value: Any) -> Any:
    """Return records (without their pictures), mappings and sequences as what JSON can hold; NaN is None."""
    if isinstance(value, Share):
        return value.to_plain()
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
