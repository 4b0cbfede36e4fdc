"""The embeddings that made a model, beside it: what a class that is added later is told apart from.

`known-embeddings.safetensors` in the model's folder, of models that read embeddings or have a backbone: two
bytes a number, at most MOST rows, the classes in turn. Its parts stay what they were, so that no image that
was learned from ever calibrates.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np

from euinet.data.split.fingerprint import image_digests
from euinet.data.split.stratify import turn_by_turn
from euinet.errors import StorageError, UsageError
from euinet.model.check import read_header
from euinet.records import LabelledImages, Split
from euinet.system.files import write_bytes
from euinet.system.words import quoted

KNOWN_FILE = "known-embeddings.safetensors"
PARTS = ("train", "validation", "calibration")
MOST = 50_000  # rows of a part that are kept: of 1,280 numbers each, 128 MB
MAX_FILE_BYTES = 2**31


class KnownParts(NamedTuple):
    """Embeddings (N, F) of known images with labels, 0 … K−1, by what they are for."""

    train: LabelledImages
    validation: LabelledImages
    calibration: LabelledImages


def save_known(split: Split, folder: Path) -> None:
    """Write the embeddings of a split to a model's folder, whole or not at all. Raises StorageError."""
    from safetensors.numpy import save

    tensors = {}
    for part in PARTS:
        images: LabelledImages = getattr(split, part)
        chosen = images.where(np.sort(turn_by_turn(images.labels)[:MOST]))
        tensors[f"{part}.embeddings"] = np.ascontiguousarray(chosen.images, np.float16)
        tensors[f"{part}.labels"] = chosen.labels.astype(np.int32)
        tensors[f"{part}.digests"] = image_digests(chosen).view(np.int64)
    write_bytes(folder / KNOWN_FILE, save(tensors))


def load_known(folder: Path, width: int, classes: int) -> KnownParts:
    """Return the embeddings beside a model.

    Raises UsageError where there are none, StorageError for damaged ones.
    """
    from safetensors.numpy import load_file

    path = folder / KNOWN_FILE
    if not path.is_file():
        raise UsageError(
            f"The model in {folder} has no {KNOWN_FILE}, the embeddings of its known images, beside it: copy "
            "the whole folder, or train it again."
        )
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ValueError(f"it is larger than {MAX_FILE_BYTES} bytes")
        header = read_header(path)
        for part in PARTS:
            shape = header[f"{part}.embeddings"]["shape"]
            if header[f"{part}.embeddings"]["dtype"] != "F16" or len(shape) != 2 or shape[1] != width:
                raise ValueError(f"its embeddings have the shape {shape}")
        tensors = load_file(path)
        return KnownParts(*(_part(tensors, part, classes) for part in PARTS))
    except Exception as error:  # json, safetensors and the file system each have their own kinds
        raise StorageError(
            f"The embeddings in {path} are damaged ({quoted(error)}): copy the whole model anew."
        ) from error


def _part(tensors: dict[str, np.ndarray], part: str, classes: int) -> LabelledImages:
    rows, labels = tensors[f"{part}.embeddings"], tensors[f"{part}.labels"].astype(np.int64)
    if not np.isfinite(rows).all() or (len(labels) and not 0 <= labels.min() <= labels.max() < classes):
        raise ValueError("a number in it cannot be")
    return LabelledImages(rows, labels, tensors[f"{part}.digests"].view(np.uint64))
