"""One command a folder, and a lock that ends with its process, whatever ends it."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from euinet.errors import StorageError, UsageError
from euinet.system.lock import lock_folder, sole_user

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="kills and forks as POSIX has them")
HOLDER = """
import os, sys, time, warnings
from pathlib import Path
from euinet.system.lock import sole_user
out, kind = Path(sys.argv[1]), sys.argv[2]
if kind == "soft":
    import errno, fcntl
    def flock(*_):
        raise OSError(errno.ENOSYS, "Function not implemented")
    fcntl.flock = flock
    warnings.simplefilter("ignore")
with sole_user(out):
    if kind == "forks" and not (child := os.fork()):
        time.sleep(60)
    print(child if kind == "forks" else "held", flush=True)
    time.sleep(0.5 if kind == "ends" else 60)
"""


@contextmanager
def holder(out: Path, kind: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Give a process that holds the lock of `out`, and the word that it has said."""
    command = [sys.executable, "-c", HOLDER, str(out), kind]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process, process.stdout.readline().strip()
        finally:
            process.kill()


def lacking(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the file system have no locks, with this error."""

    def flock(*_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("fcntl.flock", flock)


def test_another_command_is_kept_out_until_its_holder_is_killed(tmp_path: Path) -> None:
    out = tmp_path / "new" / "out"
    with holder(out, "stays") as (process, _):
        with (
            pytest.raises(UsageError, match=rf"^Another command is at work in {out}; wait for its end"),
            sole_user(out),
        ):
            pytest.fail("two are at work")
        process.send_signal(signal.SIGKILL)
        process.wait()
        with sole_user(out):
            assert lock_folder(out, 0) is None


def test_patience_waits_for_the_other_to_end(tmp_path: Path) -> None:
    with holder(tmp_path, "ends"):
        started = time.monotonic()
        with sole_user(tmp_path, patience=30):
            assert time.monotonic() - started < 20


def test_a_forked_child_does_not_keep_a_killed_process_s_lock(tmp_path: Path) -> None:
    with holder(tmp_path, "forks") as (process, child):
        process.send_signal(signal.SIGKILL)
        process.wait()
        try:
            os.kill(int(child), 0)  # it lives
            with sole_user(tmp_path, patience=10):  # the child lets go right after its birth
                pass
        finally:
            os.kill(int(child), signal.SIGKILL)


def test_a_folder_is_free_again_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), sole_user(tmp_path):
        raise KeyboardInterrupt
    with sole_user(tmp_path):
        pass


def test_without_the_system_s_locks_a_file_keeps_others_out_and_a_killed_holder_s_is_no_hindrance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lacking(errno.ENOSYS, monkeypatch)
    with holder(tmp_path, "soft") as (process, _):
        with pytest.warns(UserWarning, match="flock not supported"), pytest.raises(UsageError):  # noqa: SIM117
            with sole_user(tmp_path):
                pytest.fail("two are at work")
        process.send_signal(signal.SIGKILL)
        process.wait()
        with pytest.warns(UserWarning, match="flock not supported"), sole_user(tmp_path, patience=10):
            pass


def test_locks_that_the_file_system_refuses_are_a_storage_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lacking(errno.ENOLCK, monkeypatch)
    with pytest.raises(StorageError, match=f"^{tmp_path} lies on a file system without file locks"):
        lock_folder(tmp_path, 0)


def test_a_read_only_folder_is_a_storage_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(StorageError, match=f"^{tmp_path} may not be written; choose a folder"):
        lock_folder(tmp_path, 0)
