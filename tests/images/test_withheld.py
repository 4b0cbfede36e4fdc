from __future__ import annotations

import threading
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from euinet.images.withheld import warnings_noticed, warnings_withheld


def in_turn(*steps: Callable[[], object]) -> None:
    """Run each step in a thread of its own, one after the other."""
    for step in steps:
        thread = threading.Thread(target=step)
        thread.start()
        thread.join()


def test_the_filters_are_put_back_however_threads_overlap() -> None:
    before = list(warnings.filters)
    first, second = warnings_withheld(), warnings_withheld()
    in_turn(
        first.__enter__,
        second.__enter__,
        lambda: warnings.warn("withheld", UserWarning, stacklevel=1),
        lambda: first.__exit__(None, None, None),
        lambda: warnings.warn("withheld still", UserWarning, stacklevel=1),
        lambda: second.__exit__(None, None, None),
    )
    assert list(warnings.filters) == before
    with pytest.raises(UserWarning, match="no longer"):
        warnings.warn("no longer", UserWarning, stacklevel=1)


def test_a_thread_notices_its_own_warnings_and_no_others() -> None:
    started, warned = threading.Event(), threading.Event()

    def other() -> None:
        with warnings_withheld():
            started.set()
            warned.wait(10)

    with ThreadPoolExecutor(2) as pool:
        waiting = pool.submit(other)
        started.wait(10)
        with warnings_noticed() as quiet:
            pool.submit(warnings.warn, "of another thread", UserWarning).result()
        with warnings_noticed() as loud:
            warnings.warn("of this one", UserWarning, stacklevel=1)
        warned.set()
        waiting.result()
    assert (bool(quiet), bool(loud)) == (False, True)
