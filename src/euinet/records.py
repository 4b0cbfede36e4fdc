"""What passes between the stages, with shapes.

Signs and words, the same everywhere:

* a *known* class is in training, an *unknown* class is held out;
* known labels are 0 … K−1 (positions in `class_names`), an unknown label is `unknown_label(c)`,
  always negative, so that digit 0 held out can never be taken for "class 0";
* `ood_score` is one number per image, **higher = more out-of-distribution**.

Letters in shapes: N images, B images in a batch, K known classes, C channels, H × W pixels,
F features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from euinet.answers import REJECT as REJECT
from euinet.answers import IntArray as IntArray

FloatArray = npt.NDArray[np.float32]


def unknown_label(original_class: int) -> int:
    """Return the negative label that stands for held-out class `original_class` (0 → −1, 4 → −5)."""
    return -1 - original_class


def original_class(label: int, known_classes: tuple[int, ...]) -> int:
    """Return the data set's own class number for a known (≥ 0) or unknown (< 0) label."""
    return known_classes[label] if label >= 0 else -1 - label


@dataclass(frozen=True)
class LabelledImages:
    """Images as stored, with their labels.

    `images`: uint8, (N, C, H, W), 0 … 255. `labels`: int64, (N,).
    """

    images: Tensor  # (N, C, H, W) uint8
    labels: Tensor  # (N,) int64

    def __post_init__(self) -> None:
        if self.images.dtype != torch.uint8 or self.images.ndim != 4:
            raise ValueError(
                f"images must be uint8 of shape (N, C, H, W), not {self.images.dtype} "
                f"{tuple(self.images.shape)}"
            )
        if self.labels.dtype != torch.int64 or self.labels.shape != self.images.shape[:1]:
            raise ValueError(
                f"labels must be int64 of shape ({len(self.images)},), not {self.labels.dtype} "
                f"{tuple(self.labels.shape)}"
            )

    def __len__(self) -> int:
        return len(self.labels)

    def where(self, mask: Tensor) -> LabelledImages:
        """Return the images at a boolean mask or an index tensor, in its order."""
        return LabelledImages(self.images[mask], self.labels[mask])


@dataclass(frozen=True)
class Dataset:
    """A data set before any class is held out; labels are the data set's own, 0 … len(class_names) − 1."""

    name: str
    class_names: tuple[str, ...]
    train: LabelledImages
    test: LabelledImages


@dataclass(frozen=True)
class SplitPositions:
    """Where each image of a `Split` came from, so that a leak can be proven or ruled out.

    int64 positions: `train`, `validation`, `calibration` in `Dataset.train`, `test` in `Dataset.test`.
    """

    train: Tensor
    validation: Tensor
    calibration: Tensor
    test: Tensor


@dataclass(frozen=True)
class Split:
    """Four disjoint parts. Only `test` holds unknown classes, under negative labels.

    `known_classes` and `unknown_classes` are the data set's own class numbers;
    label k ≥ 0 in any part is `known_classes[k]`.
    """

    dataset: str
    class_names: tuple[str, ...]  # of the K known classes, in label order
    known_classes: tuple[int, ...]
    unknown_classes: tuple[int, ...]
    unknown_names: tuple[str, ...]
    train: LabelledImages
    validation: LabelledImages
    calibration: LabelledImages
    test: LabelledImages
    positions: SplitPositions


class Batch(NamedTuple):
    """One training batch as the networks see it."""

    images: Tensor  # (B, C, H, W) float, −1 … 1
    targets: Tensor  # (B, K) float, what share of the image is of which class; rows sum to 1
    posed: Tensor | None = None  # (P, C, H, W), turned or mirrored (data/poses.py); None: no such task
    pose_labels: Tensor | None = None  # (P,) int64, class and pose in one number


class Mixing(NamedTuple):
    """Which rows of a batch are mixed into features that lie between two classes: a + s·(b − a)."""

    first: Tensor  # (M,) int64, positions a
    second: Tensor  # (M,) int64, positions b
    share: Tensor  # (M, 1) float, s

    def of(self, rows: Tensor) -> Tensor:
        """Return the mixtures (M, F) of the rows (B, F)."""
        return torch.lerp(rows[self.first], rows[self.second], self.share.to(rows.dtype))


class DiscriminatorBatch(NamedTuple):
    """What the model discriminator learns from in one step: reals, and three kinds of what is none."""

    reals: Tensor  # (R, C, H, W) float, −1 … 1
    fakes: Tensor  # (M, C, H, W), the GAN's
    outliers: Tensor  # (P, C, H, W), made of known images; P may be 0
    mixing: Mixing  # of rows of `reals`, into features between two classes; may name none


class Outputs(NamedTuple):
    """What EuiNet's one forward pass gives (a named tuple, so that torch.export and Fabric see into it)."""

    class_logits: Tensor  # (B, K), before any temperature
    disc_logits: Tensor  # (B,), h = sigmoid(disc_logits): 0 real … 1 fake
    features: Tensor  # (B, F), what the classifier reads: the trunk's last stage
    pose_logits: Tensor | None = None  # (P, K·8), in training only


@dataclass(frozen=True)
class Decision:
    """EuiNet's answer for N images: a class or "none of these", and why.

    `scores` enter the one softmax: column 0 is the active threshold h_a = α·h + γ (eq. 4),
    columns 1 … K are the temperature-scaled class logits. `ood_score` = α·h + γ − max of the class columns;
    above `threshold` it means rejected. Calibration moves γ by that threshold, so that column 0 is
    α·h + γ − threshold and the softmax's top is "none of these" exactly where the image is rejected.
    """

    labels: IntArray  # (N,), 0 … K−1 or REJECT
    ood_score: FloatArray  # (N,)
    scores: FloatArray  # (N, K+1)
    probabilities: FloatArray  # (N, K+1), softmax of `scores`; column 0 is "none of these"
    disc_score: FloatArray  # (N,), h before scaling, 0 … 1
    threshold: FloatArray  # (N,) of the image's `ood_score`; 0 where nothing was calibrated

    @property
    def classifier_labels(self) -> IntArray:
        """The classifier's own choice, without the reject option, (N,)."""
        labels: IntArray = self.scores[:, 1:].argmax(axis=1)
        return labels


@dataclass(frozen=True)
class DetectorResult:
    """One detector's scores on the test images, and its decision rule."""

    name: str  # for example "EuiNet", "vanilla ODIN"
    description: str  # one sentence: what the score is and how its threshold was set
    ood_score: FloatArray  # (N,), higher = more out-of-distribution
    threshold: float  # an image is rejected when ood_score > threshold
    auroc: float
    fpr95: float
    id_accuracy: float  # known test images right and not rejected, 0 … 1
    ood_accuracy: float  # unknown test images rejected, 0 … 1


@dataclass(frozen=True)
class EvaluationRecord:
    """All that the figures, tables and report.html are drawn from; nothing is computed twice."""

    dataset: str
    class_names: tuple[str, ...]  # of the K known classes, in label order
    known_classes: tuple[int, ...]  # the data set's own numbers
    unknown_classes: tuple[int, ...]
    unknown_names: tuple[str, ...]
    images: Tensor  # (N, C, H, W) uint8, test images
    labels: IntArray  # (N,), 0 … K−1, or negative for an unknown class
    decision: Decision  # EuiNet's, on the test images
    detectors: tuple[DetectorResult, ...]  # EuiNet first, then its parts and the baselines
    fakes: FloatArray  # (M, C, H, W), −1 … 1, the generator's last samples
    metrics: dict[str, object]  # the contents of metrics.json
    history: tuple[dict[str, float], ...]  # the training log: "step", "epoch", losses
    settings: dict[str, object]  # the preset, as nested plain values
