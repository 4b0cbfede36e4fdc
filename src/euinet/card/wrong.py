"""The most wrongly judged images: what a number does not show."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from euinet.answers import BoolArray, FloatArray, IntArray, PixelArray
from euinet.card.groups import AnsweredGroup

SHOWN = 12


@dataclass(frozen=True, eq=False)
class WrongImage:
    """One image, what it is, and the answer it got."""

    image: PixelArray | None  # (C, H, W); None: an embedding, which cannot be shown
    truth: str  # class name, or the far set's name
    label: str | None  # the model's answer; None: none of these
    best_class: str  # the classifier's own choice, rejected or not
    p_value: float | None
    ood_score: float


@dataclass(frozen=True, eq=False)
class WrongImages:
    """All errors of one kind, of which the surest are shown."""

    total: int
    shown: tuple[WrongImage, ...]


def known_rejected(known: AnsweredGroup) -> WrongImages:
    """Return the known images rejected, the least p-value (the highest `ood_score`) first."""
    return _shown(known, known.rejected, -1)


def known_misnamed(known: AnsweredGroup) -> WrongImages:
    """Return the known images accepted as another class, the highest p-value first."""
    return _shown(known, ~known.rejected & ~known.own_class, 1)


def unknown_accepted(unknown: Sequence[AnsweredGroup]) -> WrongImages:
    """Return the unknown images of all these groups accepted, the highest p-value first."""
    found = [_shown(judged, ~judged.rejected, 1) for judged in unknown]
    images = [image for one in found for image in one.shown]
    images.sort(key=lambda wrong: (-(wrong.p_value or 0.0), wrong.ood_score))
    return WrongImages(sum(one.total for one in found), tuple(images[:SHOWN]))


def _shown(judged: AnsweredGroup, mask: BoolArray, sign: int) -> WrongImages:
    answers = judged.answers
    at = np.flatnonzero(mask)
    first = at[_surest(answers.ood_score[at], None if answers.p_value is None else answers.p_value[at], sign)]
    return WrongImages(len(at), tuple(_wrong(judged, position) for position in first[:SHOWN].tolist()))


def _wrong(judged: AnsweredGroup, position: int) -> WrongImage:
    group, answer = judged.group, judged.answers[position]
    return WrongImage(
        image=group.images[position] if group.images.ndim == 4 else None,
        truth=group.class_names[int(group.labels[position])],
        label=answer.label,
        best_class=answer.best_class,
        p_value=answer.p_value,
        ood_score=answer.ood_score,
    )


def _surest(ood_score: FloatArray, p_value: FloatArray | None, sign: int) -> IntArray:
    """Return an order (N,): by least p-value (`sign` −1) or highest (1), then by how odd the score is.

    Many images share the least p-value that the calibration images allow, so that the score has to decide.
    """
    likeliness = np.zeros(len(ood_score)) if p_value is None else p_value
    order: IntArray = np.lexsort((sign * ood_score, -sign * likeliness))
    return order
