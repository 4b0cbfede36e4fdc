"""What the trunk made of known images: features far from all of them are not known, whatever the logits."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from euinet.data.split.stratify import turn_by_turn

CLOSEST = 1e-5  # closer than this is float16's noise
RIDGE = 1e-3  # share of the mean variance that is added to every direction's own
_AT_A_TIME = 8192  # features that are summed up in one product
_NEVER = -1e4  # log-odds of a class that nothing is known of
PROJECTION_RIDGE, RELATIVE_RIDGE = 1.0, 3.0  # the same, for KnownDistances


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
        """Return log(d_neighbours · d_Mahalanobis) (B, 1) of features (B, F)."""
        features = features.float()
        cosine = F.normalize(features, dim=1) @ self.rows.T  # (B, rows)
        to_images = 1 - cosine.topk(self.neighbours, dim=1).values.mean(dim=1)
        whitened, centres = features @ self.whiten, self.means @ self.whiten  # (B, F), (K, F)
        to_classes = (whitened.unsqueeze(1) - centres).square().mean(dim=2).amin(dim=1)
        return (to_images.clamp(min=CLOSEST).log() + to_classes.clamp(min=CLOSEST).log()).unsqueeze(1)

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


class KnownDistances(nn.Module):
    """Features of known training images as three detectors keep them, each with a distance of its own.

    `neighbours`: 1 − the mean cosine to the `neighbours` nearest of `rows`, 0 … 2, seen from `origin` (Sun et
    al. 2022, as above). `projection`: minus the largest log-odds of a class against all, where each
    spreads as all do around their own means (linear discriminant analysis, Fisher 1936). `relative`: the
    squared Mahalanobis distance to the nearest class less that to the middle of all, 1/F of it (Ren et al.
    2021, "A Simple Fix to Mahalanobis Distance for Improving Near-OOD Detection"). Both covariances are
    shrunk towards a sphere, which is what makes them tell near unknowns (docs/embeddings.md).

    The quadratic forms of both distances are one matrix, and all that a class adds is linear.
    """

    rows: Tensor  # (R, F), of length 1
    origin: Tensor  # (F,)
    linear: Tensor  # (K, F), for `projection`
    offset: Tensor  # (K,)
    quadratic: Tensor  # (F, F), for `relative`
    towards: Tensor  # (K, F)
    beside: Tensor  # (K,)
    weights: Tensor  # (3,), what a deviation of each counts for beside one of the best logit

    def __init__(self, classes: int, per_class: int, features: int, neighbours: int) -> None:
        super().__init__()
        self.neighbours = neighbours
        for name, shape in (
            ("rows", (classes * per_class, features)),
            ("origin", (features,)),
            ("linear", (classes, features)),
            ("offset", (classes,)),
            ("quadratic", (features, features)),
            ("towards", (classes, features)),
            ("beside", (classes,)),
        ):
            self.register_buffer(name, torch.zeros(shape))
        self.register_buffer("weights", torch.ones(3))

    def forward(self, features: Tensor) -> Tensor:
        """Return the distances (B, 3) of features (B, F): neighbours, projection, relative."""
        features = features.float()
        cosine = F.normalize(features + self.origin, dim=1) @ self.rows.T  # (B, R)
        to_rows = 1 - cosine.topk(self.neighbours, dim=1).values.mean(dim=1)
        projection = -(features @ self.linear.T + self.offset).amax(dim=1)
        common = ((features @ self.quadratic) * features).sum(dim=1)
        relative = common + (features @ self.towards.T + self.beside).amin(dim=1)
        return torch.stack([to_rows, projection, relative], dim=1)

    @torch.no_grad()
    def remember(
        self, features: Tensor, labels: Tensor, origin: Tensor | None = None, moments: Moments | None = None
    ) -> None:
        """Take in features (N, F) of labels (N,), 0 … K−1: all tell the spread, each class's first are rows.

        `origin` (F,): what to add to features before their directions are compared; 0 without. `moments`:
        the features', where they are known already. Raises ValueError without images.
        """
        if len(features) == 0:
            raise ValueError("there are no known images to remember")
        features = features.float()
        self.origin.copy_(torch.zeros_like(self.origin) if origin is None else origin)
        chosen = torch.from_numpy(turn_by_turn(labels.cpu().numpy())[: len(self.rows)])
        self.rows.zero_()
        self.rows[: len(chosen)] = _half(F.normalize(features[chosen] + self.origin, dim=1))
        moments = moments or Moments.of(features, labels, len(self.offset))
        for name, value in moments.distances()._asdict().items():
            getattr(self, name).copy_(_half(value.float()) if value.ndim == 2 else value)


class Moments(NamedTuple):
    """What is summed over features of N images, K classes: of some classes it is the sum of theirs."""

    counts: Tensor  # (K,)
    sums: Tensor  # (K, F)
    squares: Tensor  # (F, F), of all images' features around 0
    around: Tensor  # (F, F), around their own class's mean

    @staticmethod
    def of(features: Tensor, labels: Tensor, classes: int) -> Moments:
        """Sum over features (N, F) of labels (N,), in float64."""
        counts = torch.bincount(labels, minlength=classes).double()
        sums, squares = (counts.new_zeros(size, features.shape[1]) for size in (classes, features.shape[1]))
        for part, of in zip(features.split(_AT_A_TIME), labels.split(_AT_A_TIME), strict=True):
            sums.index_add_(0, of, part.double())
            squares += part.double().T @ part.double()
        means = sums / counts.clamp(min=1).unsqueeze(1)
        return Moments(counts, sums, squares, squares - (means * counts.unsqueeze(1)).T @ means)

    def without(self, label: int, features: Tensor) -> Moments:
        """Return the moments without a class, whose features (M, F) are given."""
        kept = torch.arange(len(self.counts), device=self.counts.device) != label
        features = features.double()
        own, mean = features.T @ features, features.mean(dim=0)
        return Moments(
            self.counts[kept],
            self.sums[kept],
            self.squares - own,
            self.around - own + len(features) * torch.outer(mean, mean),
        )

    def distances(self) -> QuadraticForms:
        """Return what `projection` and `relative` are computed with."""
        count = self.counts.sum()
        middle = self.sums.sum(dim=0) / count
        seen = (self.counts > 0).unsqueeze(1)
        means = torch.where(seen, self.sums / self.counts.clamp(min=1).unsqueeze(1), middle)
        within = self.around / count
        total = self.squares / count - torch.outer(middle, middle)
        sharp = _inverse(within, PROJECTION_RIDGE)
        linear = (means - middle) @ sharp  # (K, F)
        offset = -((means + middle) * linear).sum(dim=1) / 2
        offset = torch.where(seen.squeeze(1), offset, _NEVER)
        near, far = _inverse(within, RELATIVE_RIDGE), _inverse(total, RELATIVE_RIDGE)
        width = len(middle)
        towards = -2 * (means @ near - middle @ far) / width
        beside = (((means @ near) * means).sum(dim=1) - middle @ far @ middle) / width
        return QuadraticForms(linear, offset, (near - far) / width, towards, beside)


class QuadraticForms(NamedTuple):
    """The numbers of two distances; see `KnownDistances`."""

    linear: Tensor
    offset: Tensor
    quadratic: Tensor
    towards: Tensor
    beside: Tensor


def _inverse(covariance: Tensor, ridge: float) -> Tensor:
    """Return the inverse of a covariance (F, F), `ridge` mean variances added in each direction; float32.

    These make it well conditioned, and float64 would take three times as long.
    """
    sphere = ridge * covariance.diagonal().mean().clamp(min=CLOSEST)
    shrunk = (covariance + sphere * torch.eye(len(covariance)).to(covariance)).float()
    return torch.cholesky_inverse(torch.linalg.cholesky(shrunk)).to(covariance)


def _half(values: Tensor) -> Tensor:
    """Round to what float16 can hold: enough for a distance, and half the space in the model's file."""
    rounded = values.half().float()
    return rounded if bool(rounded.isfinite().all()) else values
