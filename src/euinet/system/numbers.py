"""Numbers of whatever kind a caller has, as they are written."""

import math
from decimal import Decimal
from numbers import Rational, Real
from typing import Any


def as_written(number: Any) -> float:
    """Return a real number of any type as a float: float32's 0.05 is 0.05, and no longer fraction.

    NaN stands for what is no real number, or one that no float comes near.
    """
    if not isinstance(number, Real | Decimal):
        return math.nan
    try:
        return float(number) if isinstance(number, Rational) else float(str(number))
    except (ValueError, OverflowError):
        return math.nan
