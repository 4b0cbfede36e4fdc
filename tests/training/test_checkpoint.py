from __future__ import annotations

import errno
import hashlib
import io
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from euinet.errors import StorageError, TrainingError, UsageError
from euinet.training import checkpoint
from euinet.training.checkpoint import (
    FILE_NAME,
    FORMAT_VERSION,
    PREVIOUS_NAME,
    DamagedCheckpointError,
    drop_checkpoints,
    load_checkpoint,
    read_checkpoint,
    save_checkpoint,
)

RUN = {"seed": 0, "data": "quadrants", "preset": {"gan": {"width": 32}, "name": "report"}}


def steps_saved(folder: Path) -> tuple[int, int]:
    """The steps of the newest and of the one before."""
    return read_checkpoint(folder / FILE_NAME)["step"], read_checkpoint(folder / PREVIOUS_NAME)["step"]


def saved(folder: Path, *steps: int) -> None:
    for step in steps:
        save_checkpoint(folder, {"run": RUN, "step": step, "weights": torch.arange(1000.0) + step})


def test_what_was_saved_comes_back(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path, {"run": RUN, "step": 3, "weights": torch.arange(4.0)})
    assert path == tmp_path / FILE_NAME
    state = load_checkpoint(path.parent, RUN)
    assert state is not None
    assert state["step"] == 3
    assert torch.equal(state["weights"], torch.arange(4.0))


def test_where_nothing_was_saved_there_is_nothing(tmp_path: Path) -> None:
    assert load_checkpoint(tmp_path, RUN) is None
    saved(tmp_path, 1, 2)
    drop_checkpoints(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert load_checkpoint(tmp_path, RUN) is None


def test_the_last_two_are_kept(tmp_path: Path) -> None:
    saved(tmp_path, 1)
    assert [path.name for path in tmp_path.iterdir()] == [FILE_NAME]
    saved(tmp_path, 2, 3)
    assert steps_saved(tmp_path) == (3, 2)
    assert len(list(tmp_path.iterdir())) == 2


def test_at_every_moment_a_whole_one_is_under_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stop the save at each change of a name, before and after: what a kill there leaves must be enough."""
    found: list[int] = []
    original = Path.replace

    def looking(self: Path, target: Path) -> Path:
        found.append(newest_step())
        result = original(self, target)
        found.append(newest_step())
        return result

    def newest_step() -> int:
        state = load_checkpoint(tmp_path, RUN)
        return 0 if state is None else state["step"]

    saved(tmp_path, 1, 2)
    monkeypatch.setattr(Path, "replace", looking)
    saved(tmp_path, 3)
    assert found == [2, 2, 2, 3]  # newest → previous, temporary → newest


def test_another_run_s_is_a_usage_error_that_says_what_differs(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, {"run": RUN})
    other = RUN | {"seed": 1, "preset": {"gan": {"width": 16}, "name": "report"}}
    with pytest.raises(UsageError) as raised:
        load_checkpoint(tmp_path, other)
    assert str(raised.value) == (
        f"{tmp_path} holds the checkpoint of another run, which differs in preset.gan.width (there 32, here "
        "16), seed (there 0, here 1). Choose another --out, or replace that run with --fresh."
    )
    with pytest.raises(UsageError, match=r"d \(there None, here 3\), 2 more\. Choose"):
        load_checkpoint(tmp_path, RUN | dict(zip("abcdef", range(6), strict=True)))


def test_another_format_is_a_training_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(checkpoint, "FORMAT_VERSION", FORMAT_VERSION + 1)
        save_checkpoint(tmp_path, {"run": RUN})
    with pytest.raises(TrainingError, match=f"has format {FORMAT_VERSION + 1}, this version of euinet reads"):
        load_checkpoint(tmp_path, RUN)
    torch.save({"format_version": 1, "run": RUN}, tmp_path / FILE_NAME)
    with pytest.raises(TrainingError, match=r"has format 1, .* or train anew with --fresh"):
        load_checkpoint(tmp_path, RUN)


# --- damage --------------------------------------------------------------------------------------


def with_digest(payload: bytes) -> bytes:
    return (
        b"euinet checkpoint %d %s\n" % (FORMAT_VERSION, hashlib.sha256(payload).hexdigest().encode())
        + payload
    )


def damaged(content: bytes, damage: str) -> bytes:
    places = {"a bit": len(content) // 2, "the last bit": len(content) - 1, "the name": 3}
    if damage in places:
        flipped = bytearray(content)
        flipped[places[damage]] ^= 1
        return bytes(flipped)
    no_run = io.BytesIO()
    torch.save({"step": 1}, no_run)
    return {
        "cut": content[: len(content) // 2],
        "one byte short": content[:-1],
        "emptied": b"",
        "zeros": bytes(len(content)),
        "one line": b"euinet checkpoint 2 " + b"0" * 64 + b"\n",
        "no digest": b"euinet checkpoint 2\n" + content,
        "garbage": with_digest(b"\x80\x04 no pickle"),
        "no run": with_digest(no_run.getvalue()),
    }[damage]


DAMAGES = [
    *("a bit", "the last bit", "the name", "cut", "one byte short", "emptied", "zeros", "one line"),
    *("no digest", "garbage", "no run"),
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_one_before_is_taken_for_a_damaged_one(tmp_path: Path, damage: str) -> None:
    saved(tmp_path, 1, 2)
    newest = tmp_path / FILE_NAME
    newest.write_bytes(damaged(newest.read_bytes(), damage))
    told: list[str] = []
    state = load_checkpoint(tmp_path, RUN, told.append)
    assert state is not None
    assert state["step"] == 1
    (sentence,) = told
    assert "checkpoint.pt is damaged (" in sentence
    assert sentence.endswith("It is removed, and the one before, checkpoint.previous.pt, is taken.")
    # The good one must not be lost to the damaged one when the next is saved.
    assert not newest.exists()
    saved(tmp_path, 3)
    assert steps_saved(tmp_path) == (3, 1)


@pytest.mark.parametrize("damage", DAMAGES)
def test_two_damaged_ones_are_a_storage_error(tmp_path: Path, damage: str) -> None:
    saved(tmp_path, 1, 2)
    for name in (FILE_NAME, PREVIOUS_NAME):
        path = tmp_path / name
        path.write_bytes(damaged(path.read_bytes(), damage))
    before = sorted(path.name for path in tmp_path.iterdir())
    with pytest.raises(StorageError, match=r"No whole one is left: train anew with --fresh, or delete .*\."):
        load_checkpoint(tmp_path, RUN)
    assert sorted(path.name for path in tmp_path.iterdir()) == before


@pytest.mark.parametrize("name", [FILE_NAME, PREVIOUS_NAME])
def test_a_single_damaged_one_is_a_storage_error_and_not_a_new_start(tmp_path: Path, name: str) -> None:
    saved(tmp_path, 1)
    (tmp_path / FILE_NAME).rename(tmp_path / name)
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-1])
    with pytest.raises(StorageError, match="is damaged"):
        load_checkpoint(tmp_path, RUN)


class Trap:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return (Path.touch, (self.path,))


def test_nothing_in_a_checkpoint_is_executed(tmp_path: Path) -> None:
    touched = tmp_path / "executed"
    content = {"run": RUN, "trap": Trap(touched)}
    whole = io.BytesIO()
    torch.save(content, whole)
    for payload in (pickle.dumps(content), whole.getvalue()):
        (tmp_path / FILE_NAME).write_bytes(with_digest(payload))
        with pytest.raises(DamagedCheckpointError, match="is damaged"):
            read_checkpoint(tmp_path / FILE_NAME)
    assert not touched.exists()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_full_disk_leaves_both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    saved(tmp_path, 1, 2)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def no_space(handle: int) -> None:
        raise OSError(number, "refused")

    monkeypatch.setattr(os, "fsync", no_space)  # where a file system that puts writing off says so
    with pytest.raises(StorageError, match=r"No space is left to write .*checkpoint\.pt|may not be written"):
        saved(tmp_path, 3)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_folder_that_is_gone_is_not_made_again(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="was moved or deleted while the training ran"):
        saved(tmp_path / "gone", 1)
    assert not (tmp_path / "gone").exists()


def test_file_and_folder_are_brought_to_the_disk_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The content before the name changes, the folder after: else a power failure could leave neither."""
    events: list[Any] = []
    sync, replace = os.fsync, Path.replace

    def fsync(handle: int) -> None:
        events.append("folder" if Path(f"/proc/self/fd/{handle}").resolve() == tmp_path else "file")
        sync(handle)

    def moved(self: Path, target: Path) -> Path:
        events.append(target.name)
        return replace(self, target)

    saved(tmp_path, 1)
    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", moved)
    saved(tmp_path, 2)
    assert events == ["file", PREVIOUS_NAME, "file", FILE_NAME, "folder"]
