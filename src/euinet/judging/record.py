"""One model's answers for its test images, as arrays, and as JSON for the page."""

import base64
from dataclasses import asdict, dataclass
from itertools import accumulate
from typing import Any, Literal

import numpy as np

from euinet.answers import BoolArray, FloatArray, IntArray
from euinet.model.conformal import Calibration

Kind = Literal["known", "near", "far"]
"""near: classes of the same data set that the model was not taught; far: other sets."""
KNOWN: Kind = "known"
UNKNOWN = -1
JSON_FORMAT = 1


@dataclass(frozen=True)
class RecordGroup:
    """Test images of one kind; they stand together in the record's arrays."""

    name: str  # "known", "held-out 0", a far set's name
    kind: Kind
    images: int  # in the record
    available: int  # that there were; the record holds a part of them where there are very many


@dataclass(frozen=True, eq=False)
class TestRecord:
    """Scores and best classes of N test images, group after group; K known classes.

    No image is in it. `ood_score` does not depend on the operating point, so the record stays true when the
    model is calibrated anew, and does not when it is trained anew: `model` tells.
    """

    __test__ = False  # pytest: no test

    data: str
    class_names: tuple[str, ...]
    groups: tuple[RecordGroup, ...]  # in the arrays' order; the first is "known"
    ood_score: FloatArray  # (N,) float32, higher = more out-of-distribution
    best_class: IntArray  # (N,), 0 … K−1, the classifier's own choice
    true_class: IntArray  # (N,), 0 … K−1, UNKNOWN
    model: str = ""  # fingerprint of what makes the scores (export/save.py)

    def __len__(self) -> int:
        return len(self.ood_score)

    @property
    def known(self) -> BoolArray:
        """Which images are of known classes, (N,)."""
        known: BoolArray = self.true_class >= 0
        return known

    def of_group(self, name: str) -> slice:
        """Return where the group's images stand. Raises KeyError when there is none of that name."""
        ends = list(accumulate(group.images for group in self.groups))
        for group, end in zip(self.groups, ends, strict=True):
            if group.name == name:
                return slice(end - group.images, end)
        raise KeyError(name)

    def at(self, thresholds: FloatArray) -> BoolArray:
        """Return which images (N,) are rejected by thresholds (K,), one for each best class."""
        rejected: BoolArray = self.ood_score > np.asarray(thresholds, np.float32)[self.best_class]
        return rejected

    def to_json(self, calibration: Calibration | None) -> dict[str, Any]:
        """Return what the page needs to show any operating point.

        Scores are base64 of float32, little endian. Those of `calibration` (None: the model has none, and the
        known test images stand in) come in ascending order, each with its answer.
        """
        return {
            "format": JSON_FORMAT,
            "data": self.data,
            "class_names": list(self.class_names),
            "groups": [asdict(group) for group in self.groups],
            "ood_score": encoded(self.ood_score),
            "best_class": self.best_class.tolist(),
            "true_class": self.true_class.tolist(),
            "calibration": None if calibration is None else calibration_json(calibration),
        }


def calibration_json(calibration: Calibration) -> dict[str, Any]:
    """Return a calibration for the page: how α is set, and the scores that set it, ascending."""
    order = np.argsort(calibration.scores, kind="stable")
    return {
        "alpha": calibration.alpha,
        "per_class": calibration.per_class,
        "images": len(calibration),
        "ood_score": encoded(calibration.scores[order]),
        "answers": calibration.answers[order].tolist(),
    }


def encoded(values: FloatArray) -> str:
    """Return base64 of float32, little endian."""
    return base64.b64encode(values.astype("<f4").tobytes()).decode("ascii")
