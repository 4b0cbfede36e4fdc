from __future__ import annotations

import errno
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from euinet.errors import StorageError
from euinet.system.files import storage_error, write_atomically, write_text


def test_a_file_appears_whole_with_its_folder(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "file.txt"
    write_text(path, "α and γ\n")
    assert path.read_text(encoding="utf-8") == "α and γ\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, ValueError, OSError(errno.ENOSPC, "full")])
def test_an_interruption_leaves_the_old_file(tmp_path: Path, interruption: BaseException) -> None:
    path = tmp_path / "file.txt"
    path.write_text("old")

    def write() -> None:
        with write_atomically(path) as temporary:
            temporary.write_text("half of the n")
            raise interruption

    with pytest.raises((KeyboardInterrupt, ValueError, StorageError)):
        write()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"file/below/metrics\.json cannot be written"):
        write_text(tmp_path / "file" / "below" / "metrics.json", "{}")


@pytest.mark.parametrize(
    ("number", "sentence"),
    [
        (errno.ENOSPC, "No space is left to write x; free some"),
        (errno.EDQUOT, "No space is left to write x; free some"),
        (errno.EACCES, "x may not be written; choose a folder"),
        (errno.EROFS, "x may not be written; choose a folder"),
        (errno.EIO, "x cannot be written: broken"),
        (errno.ENOENT, "x cannot be written: its folder was moved or deleted"),
        (errno.ENOLCK, "x lies on a file system without file locks; choose"),
        (errno.EFBIG, "x would be larger than this account may write"),
    ],
)
def test_each_refusal_has_its_sentence(number: int, sentence: str) -> None:
    assert str(storage_error(Path("x"), OSError(number, "broken"))).startswith(sentence)


KILLED = """
import os, signal, sys
from pathlib import Path
from euinet.system.files import write_atomically
with write_atomically(Path(sys.argv[1])) as temporary:
    temporary.write_text("half of the n")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path) -> None:
    path = tmp_path / "table[1].csv"  # a name that is a pattern, too
    path.write_text("old")
    others = [tmp_path / ".table1.csv.abcd1234.part", tmp_path / ".table[1].csv.notes.part"]
    for other in others:
        other.write_text("not ours")
    process = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert process.returncode == -signal.SIGKILL
    assert path.read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 4
    write_text(path, "new")
    assert path.read_text() == "new"
    assert sorted(tmp_path.iterdir()) == sorted([path, *others])


def test_a_file_that_is_being_written_is_no_leftover(tmp_path: Path) -> None:
    path = tmp_path / "file.txt"
    with write_atomically(path) as temporary:
        temporary.write_text("slow")
        write_text(path, "quick")
        assert temporary.exists()
    assert path.read_text() == "slow"
    assert list(tmp_path.iterdir()) == [path]


def test_without_file_locks_a_file_is_written_and_leftovers_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(*_: int) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", flock)
    leftover = tmp_path / ".file.txt.abcd1234.part"  # or another process's, at work: nobody can tell
    leftover.write_text("half of the n")
    write_text(tmp_path / "file.txt", "new")
    assert sorted(tmp_path.iterdir()) == [leftover, tmp_path / "file.txt"]
    assert (tmp_path / "file.txt").read_text() == "new"


def test_a_folder_s_names_are_brought_to_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[Path] = []
    original = os.fsync

    def fsync(handle: int) -> None:
        synced.append(Path(f"/proc/self/fd/{handle}").resolve())
        original(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    write_text(tmp_path / "new" / "folder" / "file.txt", "")
    folders = [path for path in synced if path.is_dir()]
    assert folders == [tmp_path, tmp_path / "new", tmp_path / "new" / "folder"]


def test_a_folder_deleted_meanwhile_is_a_storage_error(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "file.txt"

    def write() -> None:
        with write_atomically(path) as temporary:
            temporary.unlink()
            path.parent.rmdir()

    with pytest.raises(StorageError, match="its folder was moved or deleted meanwhile"):
        write()
