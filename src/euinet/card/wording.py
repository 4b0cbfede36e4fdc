"""How the card writes levels, p-values and names."""

from __future__ import annotations

import math

from euinet.report.wording import NBSP

LONGEST_NAME = 40


def level_text(level: float) -> str:
    """Write a level or α as a percentage with up to three digits: 0.00025 → "0.025 %"."""
    return f"{100 * level:.3g}{NBSP}%"


def p_text(p_value: float) -> str:
    """Write a p-value in full with two digits that tell something: 0.00023, 0.31."""
    digits = 2 if p_value >= 0.1 else 1 - math.floor(math.log10(max(p_value, 1e-12)))
    return f"{p_value:.{min(digits, 9)}f}"


def short(name: str, most: int = LONGEST_NAME) -> str:
    """Return a name of at most `most` letters: a longer one loses its middle, as a path's end tells most."""
    if len(name) <= most:
        return name
    start = (most - 1) // 3
    return f"{name[:start]}…{name[len(name) - (most - 1 - start) :]}"
