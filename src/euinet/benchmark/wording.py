"""How numbers are written in the benchmark's tables and findings."""

from __future__ import annotations

from euinet.benchmark.intervals import Interval


def number(value: Interval | float) -> str:
    """Return "0.9712 ± 0.0031", or the mean alone where there is no interval."""
    if isinstance(value, float):
        return f"{value:.4f}"
    return f"{value.mean:.4f}" + ("" if value.half_width is None else f" ± {value.half_width:.4f}")


def signed(value: Interval) -> str:
    """Return a difference with its sign, "+0.0031 ± 0.0012"."""
    return ("" if value.mean < 0 else "+") + number(value).replace("-", "−")


def counted(count: int, what: str) -> str:
    """Return "1 cell", "2 cells"."""
    return f"{count} {what}{'' if count == 1 else 's'}"
