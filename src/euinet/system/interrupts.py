"""Ctrl-C and SIGTERM: both ask the program to stop, and a training to write its checkpoint first."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

STOPPING = (signal.SIGINT, signal.SIGTERM)
INTERRUPTED, TERMINATED = (
    128 + signal.SIGINT,
    128 + signal.SIGTERM,
)  # exit codes 130 and 143, as shells have it


class Terminated(KeyboardInterrupt):
    """SIGTERM, which systems send before they kill: whatever a Ctrl-C is good for happens here too."""


class Stop(threading.Event):
    """Set once the program is to stop; read where stopping is safe, between two steps."""

    error: type[KeyboardInterrupt] = KeyboardInterrupt  # what to raise there


@contextmanager
def stop_between_steps() -> Iterator[Stop]:
    """Turn the first Ctrl-C or SIGTERM into a flag; a second one acts at once."""
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    before = {number: signal.getsignal(number) for number in STOPPING}

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.error = Terminated if number == signal.SIGTERM else KeyboardInterrupt
        stop.set()
        _restore(before)

    for number in STOPPING:
        signal.signal(number, on_signal)
    try:
        yield stop
    finally:
        _restore(before)


@contextmanager
def sigterm_as_interrupt() -> Iterator[None]:
    """Raise Terminated where SIGTERM finds the program; without this no `finally` would be run."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def on_signal(number: int, frame: FrameType | None) -> None:
        raise Terminated

    before = {signal.SIGTERM: signal.signal(signal.SIGTERM, on_signal)}
    try:
        yield
    finally:
        _restore(before)


def is_of_sigterm(error: BaseException | None) -> bool:
    """Return whether an error is Terminated, or was raised because of it, as typer does at its end."""
    while error is not None and not isinstance(error, Terminated):
        error = error.__cause__ or error.__context__
    return error is not None


def _restore(handlers: dict[signal.Signals, Any]) -> None:
    for number, handler in handlers.items():
        # None: the handler was not set from Python, so Python cannot set it again
        signal.signal(number, signal.SIG_DFL if handler is None else handler)
