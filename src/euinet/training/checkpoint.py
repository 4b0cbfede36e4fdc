"""Checkpoints: written whole or not at all, read without executing anything in them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import torch

from euinet.errors import StorageError, TrainingError
from euinet.files import write_atomically

FORMAT_VERSION = 1
FILE_NAME = "checkpoint.pt"


def save_checkpoint(folder: Path, state: dict[str, Any]) -> Path:
    """Write `state` (tensors and plain values) to `folder`/checkpoint.pt and return the path.

    The file appears under its name only when it is complete, so that a crash, a full disk or a kill
    leaves the previous checkpoint in place. Raises StorageError when it cannot be written.
    """
    path = folder / FILE_NAME
    content = io.BytesIO()  # torch's own writer turns "disk full" into a bare RuntimeError
    torch.save({"format_version": FORMAT_VERSION, **state}, content)
    with write_atomically(path) as temporary:
        temporary.write_bytes(content.getbuffer())
    return path


def load_checkpoint(folder: Path, run: dict[str, Any]) -> dict[str, Any]:
    """Read `folder`/checkpoint.pt, which must belong to the run described by `run`.

    `run` is what decides a training's course (data, classes, settings, seed). Raises TrainingError when
    there is no checkpoint, or one of another run; StorageError when the file is damaged.
    """
    path = folder / FILE_NAME
    if not path.is_file():
        raise TrainingError(
            f"There is no checkpoint to resume from in {folder}; leave out --resume to start anew."
        )
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        version, saved_run = state["format_version"], state["run"]
    except Exception as error:  # torch raises many kinds for a damaged zip or pickle
        raise StorageError(
            f"The checkpoint {path} is damaged ({type(error).__name__}); delete it and train anew."
        ) from error
    if version != FORMAT_VERSION:
        raise TrainingError(
            f"The checkpoint {path} has format {version}, this version of euinet reads {FORMAT_VERSION}; "
            "resume with the version that wrote it, or train anew."
        )
    different = sorted(key for key in run if saved_run.get(key) != run[key])
    if different:
        raise TrainingError(
            f"The checkpoint {path} belongs to a run with another {', '.join(different)}; "
            "resume with the same options, or choose another --out."
        )
    return state
