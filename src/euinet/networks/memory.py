"""What the trunk made of known images: features far from all of them are not known, whatever the logits."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from euinet.data.split.stratify import turn_by_turn

CLOSEST = 1e-5  # closer than this is float16's noise
RIDGE = 1e-3  # share of the mean variance that is added to every direction's own


class KnownMemory(nn.Module):
    """Features of known training images as two detectors keep them; the distance is the product of theirs.

    `rows` are single images, an equal number a class, each scaled to length 1; the first distance is 1 − the
    mean cosine to the `neighbours` nearest, 0 … 2 (Sun et al. 2022, "Out-of-Distribution Detection with Deep
    Nearest Neighbors"). `means` and `whiten` say how each class spreads; the second is the squared
    Mahalanobis distance to the nearest class, over F (Lee et al. 2018, "A Simple Unified Framework for
    Detecting Out-of-Distribution Samples and Adversarial Attacks"). One looks at directions, the other at
    lengths too. The logarithm is what is used, because known images' own distances spread over a factor of
    a hundred; by it the class logits of what lies far from all are lowered.
    """

    rows: Tensor
    means: Tensor
    whiten: Tensor

    def __init__(self, classes: int, per_class: int, features: int, neighbours: int) -> None:
        super().__init__()
        self.neighbours = neighbours
        self.register_buffer("rows", torch.zeros(classes * per_class, features))
        self.register_buffer("means", torch.zeros(classes, features))
        self.register_buffer("whiten", torch.eye(features))

    def forward(self, features: Tensor) -> Tensor:
        """Return log(d_neighbours · d_Mahalanobis) (B,) of features (B, F)."""
        features = features.float()
        cosine = F.normalize(features, dim=1) @ self.rows.T  # (B, rows)
        to_images = 1 - cosine.topk(self.neighbours, dim=1).values.mean(dim=1)
        whitened, centres = features @ self.whiten, self.means @ self.whiten  # (B, F), (K, F)
        to_classes = (whitened.unsqueeze(1) - centres).square().mean(dim=2).amin(dim=1)
        return to_images.clamp(min=CLOSEST).log() + to_classes.clamp(min=CLOSEST).log()

    @torch.no_grad()
    def remember(self, features: Tensor, labels: Tensor) -> None:
        """Take in features (N, F) of labels (N,), 0 … K−1: all tell the spread, each class's first are rows.

        Rows that are left over stay 0: their cosine is 0, which no trunk that ends in a ReLU goes below, so
        they are near to nothing. A class without an image has its mean where all images' is. Raises
        ValueError without images.
        """
        if len(features) == 0:
            raise ValueError("there are no known images to remember")
        features = features.float()
        chosen = torch.from_numpy(turn_by_turn(labels.cpu().numpy())[: len(self.rows)])
        self.rows.zero_()
        self.rows[: len(chosen)] = _half(F.normalize(features[chosen], dim=1))

        self.means.copy_(features.mean(dim=0).expand_as(self.means))
        for label in labels.unique().tolist():
            self.means[label] = features[labels == label].mean(dim=0)
        self.means.copy_(_half(self.means))
        around = features - self.means[labels]
        covariance = around.T @ around / len(around)
        ridge = RIDGE * covariance.diagonal().mean().clamp(min=CLOSEST)
        variances, directions = torch.linalg.eigh(covariance.double())
        self.whiten.copy_(_half((directions * (variances.clamp(min=0) + ridge).rsqrt()).float()))


def _half(values: Tensor) -> Tensor:
    """Round to what float16 can hold: enough for a distance, and half the space in the model's file."""
    return values.half().float()
