"""Who answers: a model's folder by torch, or an exported file by onnxruntime; no caller sees a difference."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from euinet.answers import Answers
from euinet.images.preprocessing import Preprocessing

ONNX_SUFFIX = ".onnx"


@dataclass(frozen=True)
class Facts:
    """What a predictor says of itself."""

    model: str  # as it was asked for
    class_names: tuple[str, ...]
    preprocessing: Preprocessing
    alpha: float | None  # promised share of false alarms; None: no promise was set
    calibration_images: int  # 0: there are no p-values
    device: str = "cpu"  # cpu, cuda or mps
    fingerprint: str = ""  # of the model's files: another for another model


class Predictor(Protocol):
    """Something that answers for images in the model's geometry."""

    @property
    def facts(self) -> Facts:
        """Return what the predictor says of itself."""

    def predict(self, pixels: np.ndarray) -> Answers:
        """Return the answers for uint8 images (N, C, H, W)."""


class TorchPredictor:
    """A model's folder, or a bundled model's name."""

    def __init__(self, model: str, device: str = "cpu") -> None:
        # not above: torch costs seconds, and an exported model does without
        from euinet.model.names import CONFIG_FILE, WEIGHTS_FILE
        from euinet.pretrained import resolve_model
        from euinet.trained.model import load_model
        from euinet.training.devices import make_fabric

        folder = resolve_model(model)
        self.model = load_model(folder, make_fabric(device, "32-true").device)  # type: ignore[arg-type]
        card, calibration = self.model.card, self.model.calibration
        self.facts = Facts(
            model=model,
            class_names=card.class_names,
            preprocessing=card.preprocessing,
            alpha=None if calibration is None else calibration.alpha,
            calibration_images=0 if calibration is None else len(calibration),
            device=next(self.model.network.parameters()).device.type,
            fingerprint=fingerprint(folder / CONFIG_FILE, folder / WEIGHTS_FILE),
        )

    def predict(self, pixels: np.ndarray) -> Answers:
        """Return the answers for uint8 images (N, C, H, W)."""
        return self.model.predict(pixels)


def fingerprint(*files: Path) -> str:
    """Return the SHA-256 of files' content, in hexadecimal digits."""
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def open_predictor(model: str, device: str = "cpu") -> Predictor:
    """Return who answers for `model`: a folder, a bundled model's name, or an exported .onnx file.

    Raises UsageError when there is no such model, StorageError when it is damaged.
    """
    if Path(model).suffix.lower() == ONNX_SUFFIX:
        from euinet.predict.onnx_engine import OnnxPredictor

        return OnnxPredictor(model)
    return TorchPredictor(model, device)
