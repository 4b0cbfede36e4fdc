"""What the trunk made of known images: features far from all of them are not known, whatever the logits."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CLOSEST = 1e-5  # closer than this is float16's noise


class KnownMemory(nn.Module):
    """Features of known training images, an equal number a class, each scaled to length 1.

    The distance of an image is d = 1 − the mean cosine to its `neighbours` nearest rows, 0 … 2; log d is what
    is used, because known images' own distances spread over a factor of a hundred. Nearest
    neighbours in a trained network's features are a strong detector (Sun et al. 2022, "Out-of-Distribution
    Detection with Deep Nearest Neighbors"); here they lower the class logits of what lies far from all.
    """

    rows: Tensor

    def __init__(self, rows: int, features: int, neighbours: int) -> None:
        super().__init__()
        self.neighbours = neighbours
        self.register_buffer("rows", torch.zeros(rows, features))

    def forward(self, features: Tensor) -> Tensor:
        """Return log d (B,) of pooled features (B, F)."""
        cosine = F.normalize(features.float(), dim=1) @ self.rows.T  # (B, rows)
        distance = 1 - cosine.topk(self.neighbours, dim=1).values.mean(dim=1)
        return distance.clamp(min=CLOSEST).log()

    @torch.no_grad()
    def remember(self, features: Tensor, labels: Tensor) -> None:
        """Keep the first rows of (N, F) features, as equal a number of each of (N,) labels as there are.

        Rows that are left over stay 0: their cosine is 0, which no trunk that ends in a ReLU goes below, so
        they are near to nothing. Raises ValueError without images.
        """
        if len(features) == 0:
            raise ValueError("there are no known images to remember")
        chosen = turn_by_turn(labels)[: len(self.rows)]
        self.rows.zero_()
        # float16's precision is enough for a cosine, and halves the model's file
        self.rows[: len(chosen)] = F.normalize(features[chosen].float(), dim=1).half().float()


def turn_by_turn(labels: Tensor) -> Tensor:
    """Return the positions of (N,) labels so that the classes take turns until each is used up."""
    turn = torch.empty_like(labels)
    for label in labels.unique():
        own = labels == label
        turn[own] = torch.arange(int(own.sum()), device=labels.device)
    return turn.argsort(stable=True)
