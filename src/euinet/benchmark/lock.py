"""One benchmark at a time in a folder: two would train the same cells and overwrite each other's files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

from euinet.errors import UsageError
from euinet.files import storage_error

LOCK_FILE = ".lock"


@contextmanager
def sole_user(out: Path) -> Iterator[None]:
    """Keep other benchmarks out of `out` while the block runs; a process that dies gives it up.

    Raises UsageError when another is at work there. Without POSIX locks (Windows) nothing is kept out.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock = (out / LOCK_FILE).open("a")
    except OSError as error:
        raise storage_error(out, error) from error
    with lock:
        if find_spec("fcntl"):
            import fcntl

            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise UsageError(
                    f"Another benchmark is at work in {out}; wait for its end, or choose another --out."
                ) from error
        yield
