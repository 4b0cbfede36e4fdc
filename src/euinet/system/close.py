"""The nearest name to one that is not there, for the sentence that says so."""

import difflib
from collections.abc import Iterable


def plain_name(name: str) -> str:
    """Return a name in small letters, with a space for every "-" and "_"."""
    return name.strip().lower().replace("-", " ").replace("_", " ")


def did_you_mean(name: str, allowed: Iterable[str]) -> str:
    """Return " Did you mean 'x'?" of the nearest of the `allowed` names, or nothing where none is near."""
    spelled = {plain_name(one): one for one in allowed}
    near = difflib.get_close_matches(plain_name(name), spelled, n=1)
    return f" Did you mean '{spelled[near[0]]}'?" if near else ""
