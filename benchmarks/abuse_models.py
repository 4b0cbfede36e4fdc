"""A model's folder with faults, drawn from a seed: bits turned, pieces lost, sound files of other values."""

from __future__ import annotations

import json
import math
import random
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import euinet
from abuse_inputs import mutated
from euinet.judging.record_store import load_record
from euinet.model.decision_file import KEY
from euinet.model.onnx_part import OnnxPart

VALUES: tuple[Any, ...] = (
    *(None, True, -1, 0, 1, 2**31, 2**63, 10**400, 0.5, -0.0, 1e308, "", "x" * 5000, "\x1b[2J", [], {}, [[]]),
    *(float("nan"), float("inf"), "NaN", ["a"], {"a": 1}),
)
NUMBERS = (float("nan"), float("inf"), -float("inf"), 0.0, -1.0, 3e38, 1e-40)


class Folders:
    """Damages one file of a model's folder and asks what is left for an answer."""

    def __init__(self, source: Path, folder: Path) -> None:
        self.folder = folder
        shutil.copytree(source, folder, dirs_exist_ok=True)
        self.sound = {path.name: path.read_bytes() for path in source.iterdir() if path.is_file()}
        self.images = np.random.default_rng(0).integers(0, 256, (2, 28, 28), np.uint8)
        self.kinds: dict[str, Callable[[random.Random], str]] = {
            file: (lambda draw, file=file: self.damaged(file, draw))  # type: ignore[misc]
            for file in ("config.json", "model.safetensors", "decision.onnx", "record.safetensors")
        }

    def damaged(self, file: str, draw: random.Random) -> str:
        """Return "answered" with finite numbers, or raise the refusal."""
        content = self.sound[file]
        structured = {".json": self._other_json, ".onnx": self._other_onnx}.get(
            Path(file).suffix, self._other_tensors
        )
        content = structured(content, draw) if draw.random() < 0.6 else mutated(content, [content], draw)
        try:
            (self.folder / file).write_bytes(content)
            return self._ask(file)
        finally:
            (self.folder / file).write_bytes(self.sound[file])

    def _ask(self, file: str) -> str:
        model = euinet.load(self.folder, threads=1)
        if file == "record.safetensors":
            told: list[str] = []
            record = load_record(self.folder / file, model.description.network, told.append)
            if record is not None:
                json.dumps(record.to_json(model.calibration), allow_nan=False)
            return "answered" if record is not None else "refused"
        if file in ("config.json", "model.safetensors"):
            trained = model.torch()
            score = trained.decide(self.images[:, None]).ood_score
            return "answered" if np.isfinite(score).all() else f"not finite: {score}"
        rows = model.predict(self.images).rows
        json.dumps(rows, allow_nan=False)
        for row in rows:
            if "error" not in row and not all(map(math.isfinite, row["probabilities"].values())):
                return f"not finite: {row}"
        return "refused" if all("error" in row for row in rows) else "answered"

    def _other_json(self, content: bytes, draw: random.Random) -> bytes:
        return json.dumps(_changed(json.loads(content), draw)).encode()

    def _other_tensors(self, content: bytes, draw: random.Random) -> bytes:
        (length,) = struct.unpack("<Q", content[:8])
        body = bytearray(content[8 + length :])
        if draw.random() < 0.5:  # weights that are no numbers, the file sound
            at = 4 * draw.randrange(len(body) // 4 - 8)
            code = draw.choice(("<f", "<e"))
            number = draw.choice(NUMBERS) if code == "<f" else draw.choice(NUMBERS[:5])
            body[at : at + struct.calcsize(code) * 4] = struct.pack(code, number) * 4
            return content[: 8 + length] + bytes(body)
        header = json.dumps(_changed(json.loads(content[8 : 8 + length]), draw)).encode()
        size = draw.choice((len(header), len(header), 0, 2**40, 2**64 - 1))
        return struct.pack("<Q", size) + header + bytes(body)

    def _other_onnx(self, content: bytes, draw: random.Random) -> bytes:
        part = OnnxPart(content)
        if draw.random() < 0.4:
            described = json.loads(part.metadata(KEY) or "{}")
            part.set_metadata(KEY, json.dumps(_changed(described, draw)))
            return part.to_bytes()
        names = list(part.constants(""))
        name = draw.choice(names)
        values = part.constant(name).copy()
        flat = values.reshape(-1)
        if len(flat):
            at = draw.randrange(len(flat))
            with np.errstate(all="ignore"):
                flat[at : at + draw.choice((1, 8, len(flat)))] = np.array(draw.choice((*NUMBERS, 7))).astype(
                    values.dtype
                )
        part.set_constant(name, values)
        return part.to_bytes()


def _changed(document: Any, draw: random.Random) -> Any:
    """Return a document with one value, at any depth, another, gone or doubled."""
    if isinstance(document, dict) and document and draw.random() < 0.9:
        key = draw.choice(list(document))
        if draw.random() < 0.1:
            return {name: value for name, value in document.items() if name != key}
        return {**document, key: _changed(document[key], draw)}
    if isinstance(document, list) and document and draw.random() < 0.8:
        at = draw.randrange(len(document))
        return [*document[:at], _changed(document[at], draw), *document[at + draw.choice((0, 1, 1)) :]]
    return draw.choice(VALUES)
