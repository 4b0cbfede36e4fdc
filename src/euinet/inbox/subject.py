"""What an inbox needs of the model that is served: its answers, its features, and a name for both."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from euinet.answers import Answer
from euinet.inbox.pictures import Pixels

if TYPE_CHECKING:
    from euinet.trained.model import Model

Features = Callable[[Pixels], npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Subject:
    """A model as an inbox sees it."""

    key: str  # another for other weights or calibration scores
    class_names: tuple[str, ...]
    shape: tuple[int, int, int]  # (C, H, W) of the images that it reads
    alpha: float | None
    calibration_images: int  # 0: there are no p-values
    features: Features  # (N, C, H, W) → (N, F), what the classifier reads
    answer: Callable[[Pixels], Answer]  # (C, H, W) → its answer

    @staticmethod
    def of(model: Model) -> Subject:
        """Return what an inbox needs of a model."""
        card, calibration = model.card, model.calibration
        return Subject(
            key=_key(model),
            class_names=card.class_names,
            shape=(card.channels, card.image_size, card.image_size),
            alpha=None if calibration is None else calibration.alpha,
            calibration_images=0 if calibration is None else len(calibration),
            features=lambda pixels: _features(model, pixels),
            answer=lambda pixels: model.predict(pixels[np.newaxis])[0],
        )


def _key(model: Model) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(model.network.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().data)
    if model.calibration is not None:
        digest.update(np.ascontiguousarray(model.calibration.scores).data)
    return digest.hexdigest()[:16]


def _features(model: Model, pixels: Pixels) -> npt.NDArray[np.float32]:
    import torch

    from euinet.scoring.inference import in_batches

    device = next(model.network.parameters()).device
    with torch.no_grad():
        (found,) = in_batches(lambda inputs: model.folded(inputs).features, pixels, device)
    return np.asarray(found.flatten(1).numpy(), np.float32)
