"""The operating point: a promised share of false alarms, set by known calibration images alone.

Split-conformal calibration (Vovk et al. 2005; Bates et al. 2023, "Testing for Outliers with Conformal
p-values"): nothing that makes the score has seen the calibration images (model/seen.py), so the score of one
more known image, drawn like them, is as likely to take any rank among theirs. P(a known image is rejected)
≤ α follows from that alone, for any network. It promises nothing about how many unknown images are caught.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import numpy as np

from euinet.answers import FloatArray, IntArray
from euinet.errors import UsageError
from euinet.system.numbers import as_written


@dataclass(frozen=True, eq=False)
class Calibration:
    """Scores of n known images that decided nothing else, and the promise made by them.

    With `per_class` each class the classifier may answer has a threshold of its own, from the calibration
    images that it gives this answer; the promise then holds among the images of each answer.
    """

    scores: FloatArray  # (n,) `ood_score`
    answers: IntArray  # (n,) the classifier's best class, 0 … K−1
    alpha: float | None = (
        None  # promised share of false alarms; None: the threshold stays where ranges put it, 0
    )
    per_class: bool = False

    def __post_init__(self) -> None:
        if not np.isfinite(self.scores).all():
            wrong = np.count_nonzero(~np.isfinite(self.scores))
            raise UsageError(
                f"{wrong} of {len(self)} calibration scores are no finite numbers, and such promise "
                "nothing: calibrate with images that the model can answer."
            )
        if self.alpha is not None and type(self.alpha) is not float:
            object.__setattr__(self, "alpha", check_alpha(self.alpha))

    def __len__(self) -> int:
        return len(self.scores)

    def thresholds(self, classes: int) -> FloatArray:
        """Return the threshold (K,) of each class's `ood_score`: above it an image is rejected.

        It is the ⌈(n+1)(1−α)⌉-th smallest calibration score. Raises UsageError when there are too few.
        """
        if self.alpha is None:
            return np.zeros(classes, np.float32)
        if not self.per_class:
            return np.full(classes, conformal_threshold(self.ordered, self.alpha), np.float32)
        each = [conformal_threshold(self.of_answer(k), self.alpha) for k in range(classes)]
        return np.array(each, np.float32)

    def compared(self, classes: int) -> IntArray:
        """Return with how many calibration scores an image of each best class is compared, (K,)."""
        if self.per_class:
            return np.bincount(self.answers, minlength=classes)
        return np.full(classes, len(self))

    @cached_property
    def ordered(self) -> FloatArray:
        """All scores (n,), ascending."""
        return np.sort(self.scores)

    @cached_property
    def _by_answer(self) -> dict[int, FloatArray]:
        order = np.lexsort((self.scores, self.answers))
        found, starts = np.unique(self.answers[order], return_index=True)
        return dict(zip(found.tolist(), np.split(self.scores[order], starts)[1:], strict=True))

    def of_answer(self, answer: int) -> FloatArray:
        """Return the scores (n,) of the calibration images that were given an answer, ascending."""
        return self._by_answer.get(answer, self.scores[:0])

    def p_values(self, ood_score: FloatArray, answers: IntArray) -> FloatArray:
        """Return for scores (N,) of images with these best classes (N,) their p-values (N,) float64.

        (1 + number of calibration scores ≥ this one) / (n + 1): 1/(n+1) … 1, uniform for known images.
        """
        if not self.per_class:
            return p_values(self.ordered, ood_score)
        found = np.empty(len(ood_score), np.float64)
        for k in np.unique(answers):
            own = answers == k
            found[own] = p_values(self.of_answer(k), ood_score[own])
        return found


def conformal_rank(count: int, alpha: float) -> int:
    """Return ⌈(n+1)(1−α)⌉ for n = `count`, that is n + 1 − ⌊α(n+1)⌋; α is taken as written: 0.1 = 1/10."""
    return count + 1 - math.floor(Fraction(repr(alpha)) * (count + 1))


def fewest_images(alpha: float) -> int:
    """Return how many calibration images α needs: the least n with α(n+1) ≥ 1."""
    return math.ceil(1 / Fraction(repr(alpha))) - 1


def smallest_alpha(count: int) -> float:
    """Return the least α that `count` calibration images can promise, rounded up to three digits."""
    exact = Fraction(1, count + 1)
    digits = 2 - math.floor(math.log10(exact))
    rounded: float = math.ceil(exact * 10**digits) / 10**digits
    return rounded


def conformal_threshold(ordered: FloatArray, alpha: float) -> float:
    """Return the ⌈(n+1)(1−α)⌉-th of scores (n,), ascending. Raises UsageError when n is too small for α."""
    rank = conformal_rank(len(ordered), alpha)
    if rank > len(ordered):
        raise UsageError(too_few(len(ordered), alpha))
    return float(ordered[rank - 1])


def p_values(ordered: FloatArray, ood_score: FloatArray) -> FloatArray:
    """Return (1 + #{calibration ≥ score}) / (n + 1) for `ood_score` (N,): (N,) float64; NaN has none, NaN.

    `ordered`: the calibration's scores (n,), ascending.
    """
    at_least = len(ordered) - np.searchsorted(ordered, ood_score, side="left")
    found: FloatArray = np.where(np.isnan(ood_score), np.nan, (1 + at_least) / (len(ordered) + 1))
    return found


def check_alpha(alpha: Any) -> float:
    """Return α, a real number of any type, as it is written. Raise UsageError unless between 0 and 0.5."""
    value = as_written(alpha)
    if not 0 < value < 0.5:
        raise UsageError(
            f"alpha is {_shown(alpha, value)}, but must lie between 0 and 0.5: it is a number, the share "
            "of known images that may be rejected by mistake, such as 0.01."
        )
    return value


def _shown(alpha: Any, value: float) -> str:
    if math.isnan(value) and not isinstance(alpha, int):  # one of thousands of digits cannot be written
        return " ".join(repr(alpha).split())[:60]
    return f"{value:.12g}"


def check_enough(calibration: Calibration, class_names: Sequence[str]) -> None:
    """Raise UsageError, with the number needed, unless each threshold has calibration images enough."""
    if calibration.alpha is None:
        return
    check_alpha(calibration.alpha)
    if not calibration.per_class:
        if conformal_rank(len(calibration), calibration.alpha) > len(calibration):
            raise UsageError(too_few(len(calibration), calibration.alpha))
        return
    counts = np.bincount(calibration.answers, minlength=len(class_names))
    needed = fewest_images(calibration.alpha)
    short = [f"{name} ({n})" for name, n in zip(class_names, counts, strict=True) if n < needed]
    if short:
        raise UsageError(
            f"A threshold for each class at alpha {calibration.alpha} needs {needed} calibration images that "
            f"the classifier gives to each, but there are fewer of {', '.join(short)}: give more images, a "
            "larger alpha, or one threshold for all classes."
        )


def too_few(count: int, alpha: float) -> str:
    """Return the sentence for `count` calibration images that cannot promise α."""
    least = f" or an alpha of at least {smallest_alpha(count):g}" if count > 1 else ""
    return (
        f"alpha {alpha} cannot be promised by {count} calibration images: at least {fewest_images(alpha)} "
        f"are needed; give more known images{least}."
    )
