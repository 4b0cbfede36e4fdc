"""What EuiNet answers for images, as plain NumPy arrays: the same record whoever computed it.

No torch in this file: a decision from an exported model needs none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

REJECT = -1
"""Predicted label that means "none of these"."""

FloatArray = npt.NDArray[np.floating[Any]]
Float32Array = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
PixelArray = npt.NDArray[np.uint8]
"""Stored pixels, 0 … 255; images are (N, C, H, W)."""


@dataclass(frozen=True)
class Answer:
    """EuiNet's answer for one image."""

    label: str | None  # a class's name; None: none of these
    best_class: str  # the classifier's own choice, rejected or not
    rejected: bool
    ood_score: float  # higher = more out-of-distribution
    p_value: float | None  # share of known images that look as odd; None without calibration scores
    reject_probability: float  # of "none of these" in the one softmax
    probabilities: dict[str, float]  # of each class in the one softmax

    def to_plain(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return dict(vars(self))


@dataclass(frozen=True, eq=False)
class Answers:
    """EuiNet's answers for N images, K known classes."""

    class_names: tuple[str, ...]
    labels: IntArray  # (N,), 0 … K−1 or REJECT
    best_classes: IntArray  # (N,), 0 … K−1
    ood_score: FloatArray  # (N,), higher = more out-of-distribution; rejected where above the threshold
    p_value: FloatArray | None  # (N,), 1/(n+1) … 1; rejected where ≤ α
    probabilities: FloatArray  # (N, K+1), the one softmax; column 0 is "none of these"

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def rejected(self) -> BoolArray:
        """Which images belong to none of the classes, (N,)."""
        rejected: BoolArray = self.labels == REJECT
        return rejected

    @property
    def names(self) -> list[str | None]:
        """The class names, None where rejected."""
        return [None if label == REJECT else self.class_names[label] for label in self.labels]

    def __getitem__(self, index: int) -> Answer:
        label, best = int(self.labels[index]), int(self.best_classes[index])
        row = self.probabilities[index].tolist()
        return Answer(
            label=None if label == REJECT else self.class_names[label],
            best_class=self.class_names[best],
            rejected=label == REJECT,
            ood_score=float(self.ood_score[index]),
            p_value=None if self.p_value is None else float(self.p_value[index]),
            reject_probability=row[0],
            probabilities=dict(zip(self.class_names, row[1:], strict=True)),
        )

    def __iter__(self) -> Iterator[Answer]:
        return (self[index] for index in range(len(self)))
