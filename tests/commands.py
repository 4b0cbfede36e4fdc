"""How the program ended that a test ran."""

from typing import NamedTuple


class Ended(NamedTuple):
    """Its exit code, and what it printed."""

    code: int
    out: str
    err: str
