"""One command at a time in a folder: two would train the same models and overwrite each other's files.

The locks are filelock's: the operating system's, so that they end with their process, however that ends.
Where a file system has none, a file that names its process stands in for them, and filelock warns of that.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from euinet.errors import UsageError
from euinet.system.files import make_folder, storage_error

if TYPE_CHECKING:
    from filelock import BaseFileLock

LOCK_FILE = ".lock"
PATIENCE = 60.0  # seconds; a process that was told to stop has a step to end and a checkpoint to write
FOREVER = -1.0  # as patience


@contextmanager
def sole_user(out: Path, *, patience: float = 0) -> Iterator[None]:
    """Keep other commands out of `out` while the block runs; a process that dies gives it up.

    With `patience` another gets so many seconds to end. Raises UsageError when it is still at work then,
    StorageError when the folder cannot be locked.
    """
    lock = lock_folder(out, patience)
    if lock is None:
        raise UsageError(f"Another command is at work in {out}; wait for its end, or choose another --out.")
    try:
        yield
    finally:
        lock.release()


def lock_folder(folder: Path, patience: float) -> BaseFileLock | None:
    """Return the lock of `folder`, taken; None when somebody, ourselves included, holds it all that time.

    The thread that took it releases it. Raises StorageError when the folder cannot be made or locked.
    """
    from filelock import FileLock, Timeout  # here: it costs 18 ms, and most commands lock nothing

    try:
        make_folder(folder)
        lock = FileLock(folder / LOCK_FILE)
        lock.acquire(timeout=patience)
    except Timeout:
        return None
    except OSError as error:
        raise storage_error(folder, error) from error
    return lock
