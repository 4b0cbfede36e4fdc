"""Why a model answers as it does: the same decision as `Model.predict`, with all that led to it."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from euinet.explain.bank import Neighbour, NeighbourBank
from euinet.explain.plain import plain_image, plain_values
from euinet.networks import to_network_range
from euinet.scoring.inference import in_batches, read_perturbed
from euinet.scoring.threshold import RawScores
from euinet.trained.model import Model

PIXELS = 127.5  # of 0 … 255 in one unit of the network's −1 … 1


class Explainer:
    """Explains a model's answers; with a bank it names the nearest training images too."""

    def __init__(self, model: Model, bank: NeighbourBank | None = None) -> None:
        self.model, self.bank = model, bank

    def explain(self, pixels: Tensor | npt.NDArray[np.uint8]) -> list[dict[str, Any]]:
        """Return an explanation for each of uint8 images (N, C, H, W), plain values for JSON:

        `answer`, as `Answer.to_plain`; `threshold`, α·h + γ less the calibrated threshold, and `logits` by
        class name, the K + 1 numbers that enter the softmax; `disc_score`, h; `image`, what the network was
        given; `change`, what the perturbation added, in pixels 0 … 255; `neighbours`, nearest first, empty
        without a bank. Raises UsageError for another shape or type.
        """
        images = self.model.pixels(pixels)
        if len(images) == 0:
            return []
        raw, perturbed, features = self._read(images)
        decision = self.model.decide_from(raw)
        answers = self.model.answers(decision)
        change = ((perturbed - to_network_range(images)) * PIXELS).numpy()
        shown = images.numpy()
        near: list[list[Neighbour]] = [[] for _ in images]
        if self.bank is not None:
            near = self.bank.nearest(features.numpy())
        return [
            {
                "answer": answers[at].to_plain(),
                "threshold": float(decision.scores[at, 0]),
                "disc_score": float(decision.disc_score[at]),
                "logits": dict(zip(answers.class_names, decision.scores[at, 1:].tolist(), strict=True)),
                "image": plain_image(shown[at]),
                "change": plain_values(change[at]),
                "neighbours": [_plain(neighbour) for neighbour in near[at]],
            }
            for at in range(len(images))
        ]

    def _read(self, images: Tensor) -> tuple[RawScores, Tensor, Tensor]:
        """Return raw scores, perturbed images and features of uint8 images, on the CPU."""
        network, settings = self.model.folded, self.model.card.preset.scoring

        def read(inputs: Tensor) -> tuple[Tensor, ...]:
            raw, perturbed, features = read_perturbed(network, inputs, settings)
            parts = (perturbed, features, raw.class_logits, raw.disc_logits)
            return parts if raw.distance is None else (*parts, raw.distance)

        device: torch.device = next(network.parameters()).device
        perturbed, features, *scores = in_batches(read, images, device)
        return RawScores(*scores), perturbed, features


def _plain(neighbour: Neighbour) -> dict[str, Any]:
    return {
        "label": neighbour.label,
        "distance": neighbour.distance,
        "image": plain_image(neighbour.pixels),
    }
