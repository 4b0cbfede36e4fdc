from __future__ import annotations

import errno
import io
import pickle
from pathlib import Path

import pytest
import torch

from euinet.errors import StorageError, TrainingError
from euinet.training.checkpoint import FILE_NAME, FORMAT_VERSION, load_checkpoint, save_checkpoint

RUN = {"seed": 0, "data": "quadrants"}


def test_what_was_saved_comes_back(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path / "new" / "folder", {"run": RUN, "step": 3, "weights": torch.arange(4.0)})
    assert path.name == FILE_NAME
    state = load_checkpoint(path.parent, RUN)
    assert state["step"] == 3
    assert torch.equal(state["weights"], torch.arange(4.0))


def test_no_checkpoint_and_another_run_s_are_training_errors(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"no checkpoint to resume from in .*leave out --resume"):
        load_checkpoint(tmp_path, RUN)
    save_checkpoint(tmp_path, {"run": RUN})
    with pytest.raises(TrainingError, match="belongs to a run with another data, seed;"):
        load_checkpoint(tmp_path, {"seed": 1, "data": "mnist"})


def test_a_later_format_is_a_training_error(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, {"run": RUN, "format_version": FORMAT_VERSION + 1})
    with pytest.raises(TrainingError, match=f"has format {FORMAT_VERSION + 1}, this version of euinet reads"):
        load_checkpoint(tmp_path, RUN)


@pytest.mark.parametrize("damage", ["cut", "emptied", "garbage", "incomplete"])
def test_a_damaged_checkpoint_is_a_storage_error(tmp_path: Path, damage: str) -> None:
    path = save_checkpoint(tmp_path, {"run": RUN, "weights": torch.zeros(1000)})
    content = path.read_bytes()
    incomplete = io.BytesIO()
    torch.save({"format_version": FORMAT_VERSION}, incomplete)
    damaged = {
        "cut": content[: len(content) // 2],
        "emptied": b"",
        "garbage": b"\x80\x04 no pickle",
        "incomplete": incomplete.getvalue(),
    }
    path.write_bytes(damaged[damage])
    with pytest.raises(StorageError, match=r"checkpoint\.pt is damaged .*delete it and train anew"):
        load_checkpoint(tmp_path, RUN)


class Trap:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return (Path.touch, (self.path,))


def test_nothing_in_a_checkpoint_is_executed(tmp_path: Path) -> None:
    touched = tmp_path / "executed"
    content = {"format_version": FORMAT_VERSION, "run": RUN, "trap": Trap(touched)}
    (tmp_path / FILE_NAME).write_bytes(pickle.dumps(content))
    with pytest.raises(StorageError, match="damaged"):
        load_checkpoint(tmp_path, RUN)
    torch.save(content, tmp_path / FILE_NAME)
    with pytest.raises(StorageError, match="damaged"):
        load_checkpoint(tmp_path, RUN)
    assert not touched.exists()


def test_a_full_disk_leaves_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save_checkpoint(tmp_path, {"run": RUN, "step": 1})
    before = path.read_bytes()

    def no_space(self: Path, content: bytes) -> int:
        with self.open("wb") as half:
            half.write(content[: len(content) // 2])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", no_space)
    with pytest.raises(StorageError, match=r"No space is left to write .*checkpoint\.pt"):
        save_checkpoint(tmp_path, {"run": RUN, "step": 2})
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
