"""How numbers are written on the page and in the figures."""

import math

SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
MINUS = "−"
NOT_AVAILABLE = "–"
NBSP = "\N{NO-BREAK SPACE}"  # a number and its unit stay on one line


def percent(part: int, whole: int, digits: int = 1) -> str:
    """Write a share as "98.9 %"; only a whole is "100 %" and only nothing is "0 %"."""
    if whole == 0:
        return NOT_AVAILABLE
    if part in (0, whole):
        return f"{0 if part == 0 else 100}{NBSP}%"
    step = 10.0**-digits
    value = min(max(round(100 * part / whole, digits), step), 100 - step)
    return f"{value:.{digits}f}{NBSP}%"


def share_of(part: int, whole: int, digits: int = 2) -> str:
    """Write a share with its counts: "98.98 % (970 of 980)"."""
    return f"{percent(part, whole, digits)} ({part:,} of {whole:,})"


def scientific(value: float | None, digits: int = 3) -> str:
    """Write with `digits` significant digits: plain from 0.1 to 1000, else as "5.63 × 10⁻⁵"."""
    if value is None or not math.isfinite(value):
        return NOT_AVAILABLE
    if value == 0:
        return "0"
    mantissa, exponent = f"{abs(value):.{digits - 1}e}".split("e")
    sign = MINUS if value < 0 else ""
    if -1 <= int(exponent) < 3:
        return f"{sign}{abs(value):.{max(digits - 1 - int(exponent), 0)}f}"
    return f"{sign}{mantissa}{NBSP}×{NBSP}10{power(int(exponent))}"


def power(exponent: int) -> str:
    """Write an exponent as superscript digits: −3 → "⁻³"."""
    return str(exponent).translate(SUPERSCRIPT)


def signed(value: float, digits: int = 2) -> str:
    """Write with its sign, always: "+0.25", "−0.42"."""
    return f"{value:+.{digits}f}".replace("-", MINUS)


def listing(items: tuple[str, ...] | list[str], most: int = 12) -> str:
    """Join names as "a, b and c"; beyond `most`, the rest as "and 7 more"."""
    names = list(items)
    if len(names) > most:
        names = [*names[:most], f"{len(names) - most} more"]
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
