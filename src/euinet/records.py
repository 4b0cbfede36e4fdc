"""What passes between the stages, with shapes. Plain NumPy: no torch in this file.

What the networks alone pass on is in `networks/records.py` and `training/records.py`.

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

import numpy as np

from euinet.answers import BoolArray, Digests, Float32Array, IntArray, PixelArray, StoredArray
from euinet.system.class_names import check_new_classes


def unknown_label(original_class: int) -> int:
    """Return the negative label that stands for held-out class `original_class` (0 → −1, 4 → −5)."""
    return -1 - original_class


def original_class(label: int, known_classes: tuple[int, ...]) -> int:
    """Return the data set's own class number for a known (≥ 0) or unknown (< 0) label."""
    return known_classes[label] if label >= 0 else -1 - label


_KINDS = {(np.dtype(np.uint8), 4), (np.dtype(np.float32), 2), (np.dtype(np.float16), 2)}


@dataclass(frozen=True)
class LabelledImages:
    """Images as stored, or embeddings in their place, with their labels.

    `images`: uint8, (N, C, H, W), 0 … 255; or float16 or float32, (N, F): one embedding a row, a NumPy array
    or what is indexed like one and reads its rows when they are asked for. `labels`: int64, (N,).
    `digests`: uint64, (N,), of the pixels that embeddings were made of (data/split/fingerprint.py); None: a
    row is what it is by its own numbers.
    """

    images: StoredArray  # (N, C, H, W) or (N, F)
    labels: IntArray  # (N,)
    digests: Digests | None = None  # (N,)

    def __post_init__(self) -> None:
        kind, shape = self.images.dtype, self.images.shape
        if (kind, len(shape)) not in _KINDS:
            raise ValueError(
                f"images must be uint8 of shape (N, C, H, W), or embeddings float32 of shape (N, F), not "
                f"{kind} {shape}"
            )
        if self.labels.dtype != np.int64 or self.labels.shape != shape[:1]:
            raise ValueError(
                f"labels must be int64 of shape ({len(self.images)},), not {self.labels.dtype} "
                f"{self.labels.shape}"
            )
        if self.digests is not None and self.digests.shape != shape[:1]:
            raise ValueError(f"{len(self.images)} images have {len(self.digests)} digests")

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def are_vectors(self) -> bool:
        """Whether these are embeddings, (N, F), and no images."""
        return len(self.images.shape) == 2

    def where(self, mask: BoolArray | IntArray) -> LabelledImages:
        """Return the images at a boolean mask (N,), or at positions (M,) in their order."""
        digests = None if self.digests is None else self.digests[mask]
        return LabelledImages(self.images[mask], self.labels[mask], digests)


def joined(*parts: LabelledImages) -> LabelledImages:
    """Return all images of the parts, in their order."""
    digests = [part.digests for part in parts if part.digests is not None]
    return LabelledImages(
        np.concatenate([part.images for part in parts]),
        np.concatenate([part.labels for part in parts]),
        np.concatenate(digests) if len(digests) == len(parts) else None,
    )


@dataclass(frozen=True)
class Dataset:
    """A data set before any class is held out; labels are the data set's own, 0 … len(class_names) − 1."""

    name: str
    class_names: tuple[str, ...]
    train: LabelledImages
    test: LabelledImages
    validation: BoolArray | None = (
        None  # (N,) of `train`: only these set ranges and calibrate, none is learned
    )
    test_share: float = 0.0  # of each class, taken away for `test`; 0: the test images came as such

    def __post_init__(self) -> None:
        check_new_classes(self.class_names)  # before anything is learned that could not be kept


@dataclass(frozen=True)
class SplitPositions:
    """Where each image of a `Split` came from, so that a leak can be proven or ruled out.

    int64 positions: `train`, `validation`, `calibration` in `Dataset.train`, `test` in `Dataset.test`.
    """

    train: IntArray
    validation: IntArray
    calibration: IntArray
    test: IntArray


@dataclass(frozen=True)
class LeftOut:
    """How many images are in no part of a `Split`, and why (data/split/copies.py)."""

    copies: int = 0  # have the pixels of another training or test image, which is used
    in_test: int = 0  # training images that have the pixels of a test image
    two_classes: int = 0  # have the pixels of an image of another class

    def sentence(self) -> str:
        """Return what a person should know; nothing where nothing was left out."""
        reasons = {
            "copies of other images": self.copies,
            "that are in the test part, too": self.in_test,
            "that stand in several classes": self.two_classes,
        }
        told = [f"{count:,} {reason}" for reason, count in reasons.items() if count]
        return f"Left out by their pixels, for each image is used once: {', '.join(told)}." if told else ""


@dataclass(frozen=True)
class Split:
    """Four parts that share no pixels. Only `test` holds unknown classes, under negative labels.

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
    left_out: LeftOut = LeftOut()


@dataclass(frozen=True)
class Decision:
    """EuiNet's answer for N images: a class or "none of these", and why.

    `scores` enter the one softmax: column 0 is the active threshold h_a = α·h + γ (eq. 4),
    columns 1 … K are the temperature-scaled class logits. `ood_score` = α·h + γ − max of the class columns;
    above `threshold` it means rejected. Calibration moves γ by that threshold, so that column 0 is
    α·h + γ − threshold and the softmax's top is "none of these" exactly where the image is rejected.
    """

    labels: IntArray  # (N,), 0 … K−1 or REJECT
    ood_score: Float32Array  # (N,)
    scores: Float32Array  # (N, K+1)
    probabilities: Float32Array  # (N, K+1), softmax of `scores`; column 0 is "none of these"
    disc_score: Float32Array  # (N,), h before scaling, 0 … 1
    threshold: Float32Array  # (N,) of the image's `ood_score`; 0 where nothing was calibrated

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
    ood_score: Float32Array  # (N,), higher = more out-of-distribution
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
    images: PixelArray  # (N, C, H, W), test images
    labels: IntArray  # (N,), 0 … K−1, or negative for an unknown class
    decision: Decision  # EuiNet's, on the test images
    detectors: tuple[DetectorResult, ...]  # EuiNet first, then its parts and the baselines
    fakes: Float32Array  # (M, C, H, W), −1 … 1, the generator's last samples
    metrics: dict[str, object]  # the contents of metrics.json
    history: tuple[dict[str, float], ...]  # the training log: "step", "epoch", losses
    settings: dict[str, object]  # the preset, as nested plain values
