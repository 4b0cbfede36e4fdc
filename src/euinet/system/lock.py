"""One command at a time in a folder: two would train the same models and overwrite each other's files."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from euinet.errors import UsageError
from euinet.system.files import make_folder, storage_error

LOCK_FILE = ".lock"
PATIENCE = 60.0  # seconds; a process that was told to stop has a step to end and a checkpoint to write


@contextmanager
def sole_user(out: Path, *, patience: float = 0) -> Iterator[None]:
    """Keep other commands out of `out` while the block runs; a process that dies gives it up.

    With `patience` another gets so many seconds to end. Raises UsageError when it is still at work then.
    Without POSIX locks (Windows) nothing is kept out.
    """
    try:
        make_folder(out)
        lock = (out / LOCK_FILE).open("a")
    except OSError as error:
        raise storage_error(out, error) from error
    with lock:
        end = time.monotonic() + patience
        while not _taken(lock):
            if time.monotonic() >= end:
                raise UsageError(
                    f"Another command is at work in {out}; wait for its end, or choose another --out."
                )
            time.sleep(0.1)
        yield


def _taken(lock: IO[str]) -> bool:
    """Return whether the lock is ours now."""
    if not find_spec("fcntl"):
        return True
    import fcntl

    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
