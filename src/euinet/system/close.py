"""The nearest of the allowed names, for errors about a name that is none of them."""

from __future__ import annotations

import difflib
from collections.abc import Sequence


def did_you_mean(name: str, allowed: Sequence[str]) -> str:
    """Return " Did you mean 'NAME'?" for a name that is nearly one of the `allowed`, else ""."""
    close = difflib.get_close_matches(name.lower(), allowed, n=1)
    return f" Did you mean '{close[0]}'?" if close else ""
