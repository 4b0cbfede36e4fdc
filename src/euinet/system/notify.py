"""How long work tells of itself: one short sentence at a time, to whoever wants to hear."""

from collections.abc import Callable

Notify = Callable[[str], None]
"""Called with one short sentence about the work."""


def silent(_: str) -> None:
    """Tell nobody."""
