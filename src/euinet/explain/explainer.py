"""Why a model answers as it does: the same decision as `Model.predict`, with all that led to it."""

import base64
from typing import Any

import numpy as np
import numpy.typing as npt

from euinet.explain.bank import Neighbour, NeighbourBank
from euinet.model.model import Model

PIXELS = 127.5  # of 0 … 255 in one unit of the network's −1 … 1
_STEP = np.float32(2 / 255)


class Explainer:
    """Explains a model's answers; with a bank it names the nearest training images too."""

    def __init__(self, model: Model, bank: NeighbourBank | None = None) -> None:
        self.model, self.bank = model, bank

    def explain(self, pixels: npt.NDArray[np.uint8]) -> list[dict[str, Any]]:
        """Return an explanation for each of uint8 images (N, C, H, W), plain values for JSON:

        `answer`, as `Answer.to_plain`; `threshold`, α·h + γ of eq. 4 less the calibrated threshold, and
        `logits` by class name, the K + 1 numbers that enter the softmax; `disc_score`, h; `disc_added`, what
        h adds to the threshold; `image`, what the network was given; `change`, what the perturbation added,
        in pixels 0 … 255, None where embeddings are perturbed and not pixels; `neighbours`, nearest first,
        empty without a bank. Raises UsageError for another shape or type. Where the model has no answer:
        `error` alone.
        """
        answers, read = self.model.answer_with_reasons(pixels)
        with np.errstate(over="ignore", invalid="ignore"):
            change = _change(self.model, pixels, read["perturbed"])
            near: list[list[Neighbour]] = [[] for _ in pixels]
            if self.bank is not None and len(pixels):
                near = self.bank.nearest(read["features"])
        rows = answers.rows
        return [
            row
            if "error" in row
            else {
                "answer": row,
                "threshold": float(read["scores"][at, 0]),
                "disc_score": float(read["disc_score"][at]),
                "disc_added": float(read["disc_added"][at]),
                "logits": dict(zip(answers.class_names, read["scores"][at, 1:].tolist(), strict=True)),
                "image": _plain_image(pixels[at]) if self.model.card.reads_images else None,
                "change": None if change is None else _plain_values(change[at]),
                "neighbours": [_plain(neighbour) for neighbour in near[at]],
            }
            for at, row in enumerate(rows)
        ]


def _change(
    model: Model, pixels: npt.NDArray[np.uint8], perturbed: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32] | None:
    """Return what the perturbation added to images (N, C, H, W); None where it was to their embeddings."""
    if model.card.width:
        return None
    return np.asarray((perturbed - (pixels * _STEP - np.float32(1))) * PIXELS, np.float32)


def _plain(neighbour: Neighbour) -> dict[str, Any]:
    return {"label": neighbour.label, "distance": neighbour.distance, "image": _plain_image(neighbour.pixels)}


def _plain_image(pixels: npt.NDArray[np.uint8]) -> dict[str, Any]:
    """Return a uint8 image (C, H, W), 0 … 255, as {"shape", "pixels"}."""
    return {"shape": list(pixels.shape), "pixels": _base64(np.ascontiguousarray(pixels, dtype=np.uint8))}


def _plain_values(values: npt.NDArray[np.float32]) -> dict[str, Any]:
    """Return numbers (C, H, W) as {"shape", "values"}: float32, little endian."""
    return {
        "shape": list(values.shape),
        "values": _base64(np.ascontiguousarray(values, dtype="<f4")),
    }


def _base64(array: npt.NDArray[Any]) -> str:
    return base64.b64encode(array.tobytes()).decode("ascii")
