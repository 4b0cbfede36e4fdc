"""Optuna's journal, shared by all processes of a search, and the locks that say which of them live.

OUT/journal.log            Optuna's journal: each trial's values, state and objective
OUT/.lock                  held while the journal is written: one process at a time
OUT/trials/NNNN/.lock      held by the process that runs the trial; free as soon as that process is gone

A lock ends with its process, however that ends: kill -9 leaves none behind (`system/lock.py`). On one machine
that is sure; over a network file system it is as sure as that system's locks.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from euinet.errors import StorageError, UsageError
from euinet.system.files import storage_error
from euinet.system.lock import FOREVER, lock_folder, sole_user
from euinet.system.notify import Notify
from euinet.tune.plan import Way

if TYPE_CHECKING:
    from filelock import BaseFileLock
    from optuna.study import Study

JOURNAL_FILE, TRIALS_FOLDER, STUDY = "journal.log", "trials", "euinet"


def require_optuna() -> None:
    """Raise UsageError where Optuna is missing."""
    if not find_spec("optuna"):
        raise UsageError("A search needs the package optuna: install it with pip install 'euinet[tune]'.")


def trial_folder(out: Path, number: int) -> Path:
    """Return where a trial keeps its files."""
    return out / TRIALS_FOLDER / f"{number:04}"


def lock_trial(out: Path, number: int) -> BaseFileLock | None:
    """Return the trial's lock, or None while another process, or we ourselves, hold it."""
    return lock_folder(trial_folder(out, number), patience=0)


class Journal:
    """The trials of a search in `out`, as all its processes see them."""

    def __init__(self, out: Path, direction: Way, notify: Notify) -> None:
        self.out, self.direction = out, direction
        self._study: Study | None = None
        _speak_through(notify)

    @contextmanager
    def held(self) -> Iterator[Study]:
        """Give the study, up to date, to read and write; other processes wait meanwhile.

        Raises StorageError when the journal is damaged.
        """
        with sole_user(self.out, patience=FOREVER):
            path = self.out / JOURNAL_FILE
            # Nobody else writes now: what lies there was left by a process that died while writing.
            Path(f"{path}.lock").unlink(missing_ok=True)
            _cut_torn_line(path)
            if self._study is None:
                self._study = _open_study(path, self.direction)
            yield self._study


def _open_study(path: Path, direction: Way) -> Study:
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    try:
        # Not Optuna's default, the symlink lock: it never gives up a dead one where the path is relative.
        backend = JournalFileBackend(str(path), JournalFileOpenLock(str(path)))
        storage = JournalStorage(backend)
    except OSError as error:
        raise storage_error(path, error) from error
    except (ValueError, KeyError, TypeError) as error:
        raise StorageError(
            f"The journal {path} is damaged ({error}); restore it, or choose another --out."
        ) from error
    if optuna.get_all_study_names(storage):
        return optuna.load_study(study_name=STUDY, storage=storage)
    return optuna.create_study(study_name=STUDY, storage=storage, direction=direction)


def _cut_torn_line(path: Path) -> None:
    """Take off a last line without an end: the machine stopped while it was written."""
    if not path.is_file():
        return
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.truncate(path, whole)


class _Teller(logging.Handler):
    def __init__(self, notify: Notify) -> None:
        super().__init__()
        self.notify = notify

    def emit(self, record: logging.LogRecord) -> None:
        self.notify(f"Optuna: {record.getMessage()}")


def _speak_through(notify: Notify) -> None:
    """Have Optuna's warnings told as everything else is, and nothing less."""
    import optuna

    optuna.logging.disable_default_handler()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    logger = logging.getLogger("optuna")
    for earlier in [handler for handler in logger.handlers if isinstance(handler, _Teller)]:
        logger.removeHandler(earlier)
    logger.addHandler(_Teller(notify))
