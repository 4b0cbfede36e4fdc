"""Warnings of those who decode images: withheld, or noticed, in any number of threads at a time.

Python's warning filters are the whole process's (until free-threaded 3.14): two threads that each put them
back at their end would leave behind what the other had set. So the first one in sets them, the last one out
puts them back.
"""

import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_OWN_FILTERS = bool(getattr(sys.flags, "context_aware_warnings", False))  # each thread has its own
_counting, _noticing = threading.Lock(), threading.Lock()
_inside = 0
_before = warnings.catch_warnings()


@contextmanager
def warnings_withheld() -> Iterator[None]:
    """Let no warning out while the block runs."""
    if _OWN_FILTERS:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
        return
    _enter()
    try:
        yield
    finally:
        _leave()


@contextmanager
def warnings_noticed() -> Iterator[list[bool]]:
    """Give a list that holds something once this thread has warned of anything; nothing is let out.

    One thread at a time is in such a block: keep it short.
    """
    noticed: list[bool] = []
    thread = threading.get_ident()

    def show(*_: Any, **__: Any) -> None:
        if threading.get_ident() == thread:
            noticed.append(True)

    with _noticing, warnings_withheld(), warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.showwarning = show
        yield noticed


def _enter() -> None:
    global _before, _inside
    with _counting:
        if _inside == 0:
            _before = warnings.catch_warnings()
            _before.__enter__()
            warnings.simplefilter("ignore")
        _inside += 1


def _leave() -> None:
    global _inside
    with _counting:
        _inside -= 1
        if _inside == 0:
            _before.__exit__(None, None, None)
