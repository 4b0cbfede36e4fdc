"""Checkpoints: written whole or not at all, two kept, damage noticed, nothing in them executed.

A file is one line, `euinet checkpoint 2 SHA-256`, and what torch wrote, of which that is the digest. The
newest is checkpoint.pt, the one before checkpoint.previous.pt: at every moment a whole one is under one of
the names.
"""

import hashlib
import io
import os
from pathlib import Path
from typing import Any

import torch

from euinet.errors import StorageError, TrainingError, UsageError
from euinet.system.differing import differing
from euinet.system.files import remove_file, write_atomically
from euinet.system.notify import Notify

FORMAT_VERSION = 2  # 1 had no digest
FILE_NAME, PREVIOUS_NAME = "checkpoint.pt", "checkpoint.previous.pt"
FOLLOWING = ("images ", "image_content ")  # parts of `run` that others decide, but for other data
NAMED = 4  # differences to another run; a preset has dozens of settings
MAGIC = b"euinet checkpoint "
LONGEST_HEADER = 200  # bytes
ZIP_MAGIC = b"PK\x03\x04"  # what torch writes; version 1 was nothing else


class DamagedCheckpointError(StorageError):
    """A checkpoint is not what was written."""


def save_checkpoint(folder: Path, state: dict[str, Any]) -> Path:
    """Write `state` (tensors and plain values) to `folder`/checkpoint.pt and return the path.

    The file appears under its name only when it is complete and on the disk, and the one before stays as
    checkpoint.previous.pt: a crash, a full disk or a kill costs no more than what came after. Raises
    StorageError when it cannot be written, or `folder` is no longer there: a run whose folder was moved away
    must not go on in a new one.
    """
    path = folder / FILE_NAME
    if not folder.is_dir():
        raise StorageError(f"{folder} was moved or deleted while the training ran; run the command again.")
    content = io.BytesIO()  # torch's own writer turns "disk full" into a bare RuntimeError
    torch.save(state, content)
    payload = content.getbuffer()
    header = MAGIC + f"{FORMAT_VERSION} {hashlib.sha256(payload).hexdigest()}\n".encode()
    with write_atomically(path) as temporary:
        with temporary.open("wb") as file:
            file.write(header)
            file.write(payload)
            file.flush()
            os.fsync(file.fileno())  # a disk that is full must say so before anything is moved
        if path.exists():
            path.replace(folder / PREVIOUS_NAME)
    return path


def load_checkpoint(
    folder: Path, run: dict[str, Any], notify: Notify = lambda _: None
) -> dict[str, Any] | None:
    """Return the newest whole checkpoint in `folder`, which must be of the run described by `run`, or None.

    `run` is what decides a training's course (data, classes, settings, seed). A damaged checkpoint.pt is
    removed, which `say` is told, and the one before is taken. Raises UsageError for a checkpoint of another
    run, naming what differs; TrainingError for one of another format; StorageError when both are damaged.
    """
    newest, previous = folder / FILE_NAME, folder / PREVIOUS_NAME
    if not newest.is_file() and not previous.is_file():
        return None
    try:
        state = read_checkpoint(newest if newest.is_file() else previous)
    except DamagedCheckpointError as error:
        if not (newest.is_file() and previous.is_file()):
            raise _nothing_left(folder, error) from error
        try:
            state = read_checkpoint(previous)
        except DamagedCheckpointError as second:
            raise _nothing_left(folder, second) from second
        notify(f"{error} It is removed, and the one before, {PREVIOUS_NAME}, is taken.")
        remove_file(newest)  # or the next save would put it in the place of the good one
    _refuse_other(folder, state["run"], run)
    return state


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Return the state that `save_checkpoint` wrote to `path`.

    Raises DamagedCheckpointError when a bit of it differs, TrainingError when another version wrote it.
    """
    try:
        with path.open("rb") as file:
            header, payload = file.readline(LONGEST_HEADER), file.read()
    except OSError as error:
        raise StorageError(f"The checkpoint {path} cannot be read: {error.strerror or error}.") from error
    words = header.removeprefix(MAGIC).split()
    if header.startswith(ZIP_MAGIC):
        words = [b"1", b""]
    elif not header.startswith(MAGIC) or len(words) != 2 or not words[0].isdigit():
        raise DamagedCheckpointError(f"The checkpoint {path} is damaged (its first line is not one).")
    version = int(words[0])
    if version != FORMAT_VERSION:
        raise TrainingError(
            f"The checkpoint {path} has format {version}, this version of euinet reads {FORMAT_VERSION}; "
            "go on with the version that wrote it, choose another --out, or train anew with --fresh."
        )
    if hashlib.sha256(payload).hexdigest().encode() != words[1]:
        raise DamagedCheckpointError(f"The checkpoint {path} is damaged (its digest does not match).")
    try:
        state: dict[str, Any] = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
        state["run"]
    except Exception as error:  # torch raises many kinds for what is no plain state
        raise DamagedCheckpointError(
            f"The checkpoint {path} is damaged ({type(error).__name__} when it was read)."
        ) from error
    return state


def drop_checkpoints(folder: Path) -> None:
    """Remove the checkpoints in `folder`, the older first. Raises StorageError."""
    remove_file(folder / PREVIOUS_NAME)
    remove_file(folder / FILE_NAME)


def _nothing_left(folder: Path, error: StorageError) -> StorageError:
    return StorageError(f"{error} No whole one is left: train anew with --fresh, or delete {folder}.")


def _refuse_other(folder: Path, found: dict[str, Any], wanted: dict[str, Any]) -> None:
    different = [
        f"{path} (there {there}, here {here})" for path, (there, here) in differing(found, wanted).items()
    ]
    # Another seed or other classes held out part the images otherwise: to name that too would mislead.
    causes = [text for text in different if not text.startswith(FOLLOWING)]
    if different := causes or different:
        more = [f"{len(different) - NAMED} more"] if len(different) > NAMED else []
        raise UsageError(
            f"{folder} holds the checkpoint of another run, which differs in "
            f"{', '.join(different[:NAMED] + more)}. Choose another --out, or replace that run with --fresh."
        )
