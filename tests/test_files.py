from __future__ import annotations

import errno
import stat
from pathlib import Path

import pytest

from euinet.errors import StorageError
from euinet.files import storage_error, write_atomically, write_text


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
    ],
)
def test_each_refusal_has_its_sentence(number: int, sentence: str) -> None:
    assert str(storage_error(Path("x"), OSError(number, "broken"))).startswith(sentence)
