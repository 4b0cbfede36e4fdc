"""What an inbox needs of the model that is served: its answers, its features, and a name for both."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from euinet.answers import Answer
from euinet.errors import StorageError
from euinet.inbox.pictures import Pixels
from euinet.model.conformal import Calibration
from euinet.model.model import Model

Features = Callable[[Pixels], npt.NDArray[np.float32]]


@dataclass(frozen=True)
class Subject:
    """A model as an inbox sees it."""

    key: str  # another for other weights or calibration scores
    class_names: tuple[str, ...]
    shape: tuple[int, int, int]  # (C, H, W) of the images that it reads
    alpha: float | None
    calibration: Calibration | None  # None: there are no p-values
    features: Features  # (N, C, H, W) → (N, F), what the classifier reads
    answer: Callable[[Pixels], Answer]  # (C, H, W) → its answer; StorageError where there is none

    @staticmethod
    def of(model: Model) -> Subject:
        """Return what an inbox needs of a model."""
        card = model.card

        def answer(pixels: Pixels) -> Answer:
            found = model.answer(pixels[np.newaxis])
            if found.errors is not None:
                raise StorageError(str(found.errors[0]))
            return found[0]

        return Subject(
            key=_key(model),
            class_names=card.class_names,
            shape=(card.channels, card.image_size, card.image_size),
            alpha=model.alpha,
            calibration=model.calibration or None,
            features=lambda pixels: model.run(pixels, ("features",))["features"],
            answer=answer,
        )


def _key(model: Model) -> str:
    digest = hashlib.sha256(model.description.network.encode())
    if model.calibration is not None:
        digest.update(np.ascontiguousarray(model.calibration.scores).data)
    return digest.hexdigest()[:16]
