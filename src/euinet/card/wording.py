"""How the card writes shares, levels, p-values and names, in its templates and elsewhere.

Class names, far sets and settings are others' text: templates of pages escape everything but our own SVG.
"""

from __future__ import annotations

import math
from functools import cache
from typing import TYPE_CHECKING

from euinet.judging.share import Share
from euinet.report.wording import MINUS, NBSP, NOT_AVAILABLE, listing, percent

if TYPE_CHECKING:
    import jinja2

LONGEST_NAME = 40
MANY = 2000  # images of which a hundredth of a percent can be told


def share_text(share: Share) -> str:
    """Write a share as "1.2 %", of many images as "1.23 %"."""
    return percent(share.count, share.total, _digits(share))


def interval_text(share: Share) -> str:
    """Write a share's interval as "0.9 to 1.6 %"."""
    if not share.total:
        return NOT_AVAILABLE
    low, high = (f"{100 * bound:.{_digits(share)}f}" for bound in share.interval)
    return f"{'0' if share.count == 0 else low} to {'100' if share.count == share.total else high}{NBSP}%"


def _digits(share: Share) -> int:
    return 2 if share.total >= MANY else 1


def level_text(level: float) -> str:
    """Write a level or α as a percentage with up to three digits: 0.00025 → "0.025 %"."""
    return f"{100 * level:.3g}{NBSP}%"


def p_text(p_value: float) -> str:
    """Write a p-value in full with two digits that tell something: 0.00023, 0.31."""
    if p_value < 1e-8:
        return "below 0.00000001"
    digits = 2 if p_value >= 0.1 else 1 - math.floor(math.log10(p_value))
    return f"{p_value:.{min(digits, 9)}f}"


def short(name: str, most: int = LONGEST_NAME) -> str:
    """Return a name of at most `most` letters: a longer one loses its middle, as a path's end tells most."""
    if len(name) <= most:
        return name
    start = (most - 1) // 3
    return f"{name[:start]}…{name[len(name) - (most - 1 - start) :]}"


def _signed(value: float) -> str:
    return f"{value:+.3g}".replace("-", MINUS)


@cache
def template(name: str) -> jinja2.Template:
    """Return a template of the card; those of pages (.html) escape what they are given."""
    import jinja2  # costs a while: not before the numbers are there

    from euinet.card.pictures import picture

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("euinet.card"),
        autoescape=name.endswith(".html"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(level=level_text, p=p_text, short=short, listing=listing, share=share_text)
    environment.filters.update(
        interval=interval_text, picture=picture, signed=lambda x: f"{x:+.3g}".replace("-", MINUS)
    )
    return environment.get_template(name)
