"""The nearest name to one that is not there, for the sentence that says so."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def plain_name(name: str) -> str:
    """Return a name in small letters, with a space for every "-" and "_"."""
    return name.strip().lower().replace("-", " ").replace("_", " ")


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return " Did you mean 'x'?" of the nearest of the `known` names, or nothing where none is near."""
    spelled = {plain_name(one): one for one in known}
    close = difflib.get_close_matches(plain_name(name), spelled, n=1)
    return f" Did you mean '{spelled[close[0]]}'?" if close else ""
