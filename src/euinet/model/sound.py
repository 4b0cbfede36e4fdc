"""Whether what a network said of an image is an answer: numbers that follow from each other.

Weights that are damaged, made to mislead, or too large for float32 on some image end in NaN or an infinity.
No comparison with NaN is true, so such an image would get a class, unrejected. It has an error instead, like
an image that cannot be read.
"""

from collections.abc import Mapping

import numpy as np

from euinet.answers import REJECT, Answers, BoolArray
from euinet.errors import StorageError
from euinet.model.conformal import Calibration

ADDED_UP = 1e-3  # by how much K+1 probabilities of float32 may miss 1
ROUNDED = 1e-6  # of a p-value, by which its float32 may differ
REMEDY = "its weights are damaged, or its training diverged; copy the model anew or train it again"
_NO_NUMBER = "a number in it is not finite"
_NO_SHARES = "its probabilities do not add up to 1"
_NO_LABEL = "its label does not follow from its score"
_NO_P_VALUE = "its p-value does not follow from its score"


def unsound(
    found: Mapping[str, np.ndarray], calibration: Calibration | None, classes: int
) -> list[str | None]:
    """Return for each of N images what is wrong with a decision file's outputs for it; None: nothing.

    Of the outputs (`decision_file.OUTPUTS`) those that are there are looked at.
    """
    wrong: dict[str, BoolArray] = {_NO_NUMBER: ~finite(found)}
    with np.errstate(invalid="ignore", over="ignore"):
        if (shares := found.get("probabilities")) is not None:
            apart = np.abs(shares.sum(axis=1, dtype=np.float64) - 1) > ADDED_UP
            wrong[_NO_SHARES] = apart | (shares < 0).any(axis=1)
        if {"label", "best_class", "ood_score"} <= found.keys():
            best, score = found["best_class"], found["ood_score"].astype(np.float32)
            thresholds = np.zeros(classes, np.float32)
            if calibration is not None:
                thresholds = calibration.thresholds(classes)
            wrong[_NO_LABEL] = found["label"] != np.where(score > thresholds[best], REJECT, best)
            if calibration is not None and "p_value" in found:
                wanted = calibration.p_values(score, best)
                wrong[_NO_P_VALUE] = ~(np.abs(found["p_value"] - wanted) <= ROUNDED * wanted)
    reasons: list[str | None] = [None] * len(next(iter(found.values())))
    for reason, rows in wrong.items():
        for at in np.flatnonzero(rows).tolist():
            reasons[at] = reasons[at] or reason
    return reasons


def finite(found: Mapping[str, np.ndarray]) -> BoolArray:
    """Return at which images (N,) all outputs are finite numbers."""
    each = [np.isfinite(v).all(axis=tuple(range(1, v.ndim))) for v in found.values() if v.dtype.kind == "f"]
    finite: BoolArray = np.logical_and.reduce(each)
    return finite


def check_sound(found: Mapping[str, np.ndarray], calibration: Calibration | None, classes: int) -> None:
    """Raise StorageError unless all N images have an answer: what is counted or learned must not miss one."""
    reasons = [reason for reason in unsound(found, calibration, classes) if reason is not None]
    if reasons:
        raise StorageError(
            f"The model has no answer for {len(reasons)} of {len(next(iter(found.values())))} images "
            f"({reasons[0]}): {REMEDY}."
        )


def sound_answers(
    found: Mapping[str, np.ndarray], calibration: Calibration | None, class_names: tuple[str, ...]
) -> Answers:
    """Return the answers that a decision file's outputs give, with an error where they are no answer.

    p-values are float64 fractions k/(n+1): as float32, 0.1 would lie above α = 0.1.
    """
    best, score = found["best_class"], found["ood_score"]
    answers = Answers(
        class_names=class_names,
        labels=found["label"],
        best_classes=best,
        ood_score=score,
        p_value=None if calibration is None else calibration.p_values(score, best),
        probabilities=found["probabilities"],
    )
    reasons = unsound(found, calibration, len(class_names))
    if not any(reasons):
        return answers
    errors = tuple(reason and _sentence(reason) for reason in reasons)
    places = [-1 if reason else at for at, reason in enumerate(reasons)]
    return answers.spread(np.array(places), errors)


def _sentence(reason: str) -> str:
    return f"The model has no answer for this image ({reason}): {REMEDY}."
