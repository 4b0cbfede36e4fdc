"""An exported file is kept only if it answers as the model does: on images that no data set is needed for."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from euinet.artifact import Model
from euinet.data.outliers import noise
from euinet.errors import EuiNetError, ExportError
from euinet.predict.onnx_engine import OnnxPredictor
from euinet.records import Decision
from euinet.scoring.joint import apply_temperature

TOLERANCE = 1e-4
IMAGES = 24
BATCHES = (1, 7, IMAGES)  # the answer must not depend on how many come together, nor be made for one number

Outputs = dict[str, npt.NDArray[np.generic]]


def check_export(model: Model, file: Path) -> None:
    """Raise ExportError unless the ONNX `file` answers as `model` does, on the CPU.

    The images are noise, clouds and blobs. All scores must agree to 1e-4 of their image's largest, and so
    must the labels where the `ood_score` is not as near to its threshold. Within the file labels and p-values
    must follow from its scores exactly.
    """
    images = probe_images(model)
    expected = model.decide(images)
    try:
        predictor = OnnxPredictor(str(file))
        for count in BATCHES:
            found = predictor.run(images[:count].numpy())
            for problem in (differs(model, expected, found, count), contradicts(model, found)):
                if problem is not None:
                    raise ExportError(
                        f"The exported file does not answer as the model does ({problem}), so it was not "
                        "kept; predict with the model's folder instead."
                    )
    except ExportError:
        raise
    except EuiNetError as error:
        raise ExportError(f"The exported file cannot be used, so it was not kept: {error}") from error


def probe_images(model: Model) -> Tensor:
    """Return IMAGES uint8 images in the model's size, the same each time: noise, clouds and blobs."""
    card = model.card
    size = (IMAGES, card.channels, card.image_size, card.image_size)
    drawn = noise(torch.empty(size), torch.empty(size), torch.Generator().manual_seed(0))
    return ((drawn + 1) * 127.5).round().to(torch.uint8)


def differs(model: Model, expected: Decision, found: Outputs, count: int) -> str | None:
    """Return what the file says otherwise of the first `count` images than the model; None: nothing."""
    scores = expected.scores[:count]
    settings = model.card.preset.scoring
    unit = float(apply_temperature(torch.tensor(1.0), settings.temperature, settings.temperature_rule))
    # at T = 10⁻³ all scores of an image lie within a few hundredths: 1e-4 would hide a great difference
    allowed = TOLERANCE * (min(unit, 1.0) + np.abs(scores).max(axis=1))
    pairs = {
        "ood_score": (expected.ood_score, allowed),
        "scores": (expected.scores, allowed[:, None]),
        "probabilities": (expected.probabilities, TOLERANCE),
        "disc_score": (expected.disc_score, TOLERANCE),
    }
    for name, (wanted, bound) in pairs.items():
        difference = np.abs(found[name] - wanted[:count])
        if not (difference <= bound).all():  # not a number counts as a difference
            return f"{name} differs by {difference.max():.2g}"
    clear = np.abs(expected.ood_score - expected.threshold)[:count] > allowed
    if (found["label"] != expected.labels[:count])[clear].any():
        return "labels differ"
    best, second = (np.sort(scores[:, 1:], axis=1)[:, place] for place in (-1, -2))
    if (found["best_class"] != expected.classifier_labels[:count])[best - second > allowed].any():
        return "the classifier's own choices differ"
    return None


def contradicts(model: Model, found: Outputs) -> str | None:
    """Return where the file's labels or p-values do not follow from its own scores; None: nowhere."""
    best, ood_score = found["best_class"].astype(np.int64), found["ood_score"].astype(np.float32)
    calibration = model.calibration or None
    classes = len(model.card.class_names)
    thresholds = np.zeros(classes, np.float32) if calibration is None else calibration.thresholds(classes)
    if (found["label"] != np.where(ood_score > thresholds[best], -1, best)).any():
        return "labels do not follow from scores"
    if calibration is not None:
        wanted = calibration.p_values(ood_score, best).astype(np.float32)
        if not np.allclose(found["p_value"].astype(np.float32), wanted, rtol=1e-6, atol=0):
            return "p-values do not follow from scores"
    return None
