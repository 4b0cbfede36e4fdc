"""Files that are written whole or not at all, and stay when the power fails right after."""

import errno
import glob
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from euinet.errors import StorageError

PART = ".part"  # ends the name of a file that is being written


def expanded(path: str | Path) -> Path:
    """Return a path with the home folder for ~; as it is where there is no such user, or nobody's home."""
    if "\0" in str(path):  # no system has such a user
        return Path(path)
    return Path(os.path.expanduser(path))  # noqa: PTH111 (Path's own raises)


def is_folder(path: Path) -> bool:
    """Return whether there is a folder; not where nobody may look or a name is too long."""
    return os.path.isdir(path)  # noqa: PTH112 (Path's own raises)


def is_file(path: Path) -> bool:
    """Return whether there is a file, likewise."""
    return os.path.isfile(path)  # noqa: PTH113


@contextmanager
def write_atomically(path: Path) -> Iterator[Path]:
    """Give a temporary path beside `path`; move it there when the block ends well.

    On any error, interruption included, the temporary file is removed and `path` is left as it was. What a
    killed process left of the same file is removed first. When the block has ended, the file and its name
    are on the disk, not only in memory. Raises StorageError when the file system refuses.
    """
    try:
        make_folder(path.parent)
        remove_leftovers(path)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=PART)
    except OSError as error:
        raise storage_error(path, error) from error
    temporary = Path(name)
    try:
        with _held(handle):
            yield temporary
            with temporary.open("rb") as written:
                os.fsync(written.fileno())
            temporary.chmod(0o644)  # mkstemp's 0600 would hide results from the user's group
            temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise storage_error(path, error) from error
    finally:
        with suppress(OSError):  # its folder may be gone, or no longer writable
            temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all."""
    with write_atomically(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` whole or not at all."""
    with write_atomically(path) as temporary:
        temporary.write_bytes(content)


def remove_file(path: Path) -> None:
    """Remove a file, if it is there. Raises StorageError."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise storage_error(path, error) from error


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, each name on the disk when this returns. Raises OSError."""
    if folder.is_dir():
        return
    make_folder(folder.parent)
    if folder.exists() and not folder.is_dir():  # not mkdir's "File exists", which would puzzle
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))
    folder.mkdir(exist_ok=True)
    sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Bring the names in `folder` to the disk, where the system can do that. Raises OSError."""
    if not hasattr(os, "O_DIRECTORY"):  # Windows
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network file systems know no such thing
            raise
    finally:
        os.close(handle)


def remove_leftovers(path: Path) -> None:
    """Remove temporary files that killed processes left of `path`; those still written to stay.

    A process locks its temporary file, and the lock ends with the process. On Windows leftovers stay.
    """
    if os.name == "nt":
        return
    # mkstemp's own part of the name has eight signs and no dot
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.{'[a-z0-9_]' * 8}{PART}"):
        with suppress(OSError), leftover.open("r+b") as file:
            if _locked(file.fileno()):
                leftover.unlink()


def storage_error(path: Path, error: OSError) -> StorageError:
    """Return the sentence for an operating-system error met while writing `path`."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageError(f"No space is left to write {path}; free some and run the command again.")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return StorageError(f"{path} may not be written; choose a folder you can write to.")
    if error.errno in (errno.ENOLCK, errno.ENOTSUP):
        return StorageError(f"{path} lies on a file system without file locks; choose a folder on another.")
    if error.errno == errno.EFBIG:
        return StorageError(f"{path} would be larger than this account may write (see ulimit -f).")
    if error.errno == errno.ENOENT:
        return StorageError(
            f"{path} cannot be written: its folder was moved or deleted meanwhile; run the command again."
        )
    return StorageError(f"{path} cannot be written: {error.strerror or error}.")


@contextmanager
def _held(handle: int) -> Iterator[None]:
    """Lock an open file while the block runs, where that can be, and close it."""
    if os.name == "nt":  # renames no open file, and lets nobody write where a lock lies
        os.close(handle)
        yield
        return
    try:
        with suppress(OSError):  # a file system without locks: nobody can take it for a leftover either
            _locked(handle)
        yield
    finally:
        os.close(handle)


def _locked(handle: int) -> bool:
    """Return whether an open file's lock is ours now. Raises OSError where there are no locks."""
    from filelock import lock_descriptor  # here: it costs 18 ms, and most commands write nothing

    return lock_descriptor(handle, blocking=False)
