"""Is the world still as it was? Images beside calibration images that the classifier gave the same answer.

Two tests, each with one false alarm in a thousand batches at most: do the images of some class look odder
(drift), and are the classes as frequent as they were (news, but no fault of the model)? No torch, and no
scipy, which costs half a second at the start of a command.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from euinet.answers import FloatArray, IntArray
from euinet.model.conformal import Calibration
from euinet.predict.two_samples import mix_p_values, oddness
from euinet.system.words import printable

ALARM = 0.0007  # at most one false alarm in a thousand batches, and room for what only looks random
FEWEST = 20  # images for a test to say anything
NAMED = 3  # classes that the sentence names


@dataclass(frozen=True)
class Share:
    """How frequent an answer is."""

    name: str
    images: float  # share of them
    calibration: float  # share of the calibration images


@dataclass(frozen=True)
class Drift:
    """What N images say of the world that they come from."""

    images: int
    rejected_share: float
    alpha: float | None  # promised
    compared: int  # images whose answer calibration images were given, too
    p_value: float | None  # of images that look as the calibration images do; None: too few to tell
    drifted: bool  # p_value at most ALARM
    different: tuple[str, ...]  # classes whose images look odder; none where only all together show it
    mix_p_value: float | None  # of an unchanged mix of classes; None: too few to tell
    mix_changed: bool  # mix_p_value at most ALARM
    mix: tuple[Share, ...]  # the classes that are more or less frequent

    def to_plain(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)

    def sentence(self) -> str:
        """Return what a person should know."""
        promise = "" if self.alpha is None else f" ({self.alpha:.1%} of known ones may be)"
        start = f"{self.rejected_share:.1%} of {self.images} images were rejected{promise}"
        if self.images < FEWEST:
            return f"{start}; fewer than {FEWEST} tell nothing of drift."
        if self.p_value is None:
            return (
                f"{start}; too few calibration images were given their answers to tell of drift.{self._mix()}"
            )
        if not self.drifted:
            return f"{start}; no sign of drift (p = {self.p_value:.2g}).{self._mix()}"
        whose = f"images of {_names(self.different)}" if self.different else "images of several classes"
        return (
            f"{start}. DRIFT: {whose} look different from those that the model was calibrated with "
            f"(p = {self.p_value:.1g}).{self._mix()}"
        )

    def _mix(self) -> str:
        if not self.mix_changed:
            return ""
        told = ", ".join(
            f"{printable(one.name)} {one.images:.1%} of them, {one.calibration:.1%} of the calibration images"
            for one in self.mix[:NAMED]
        )
        return f" The mix of classes changed: {told}{_more(self.mix)} (p = {self.mix_p_value:.1g})."


class PlaceCounts:
    """How many images of an answer lie between which calibration scores: all that the tests need.

    An image's place is the number of calibration scores of its answer that lie below its own, 0 … n. So there
    are at most n + K different pairs for K classes, however many images.
    """

    def __init__(self) -> None:
        self._counts: Counter[tuple[int, int]] = Counter()

    def add(self, answers: IntArray, places: IntArray) -> None:
        """Count images by their answers (N,) and places (N,)."""
        self._counts.update(zip(answers.tolist(), places.tolist(), strict=True))

    def merge(self, other: PlaceCounts) -> None:
        """Take in what another counted."""
        self._counts.update(other._counts)

    def of(self, calibration: Calibration) -> dict[int, IntArray]:
        """Return of each answer that images were given how many lie at each place, (n+1,)."""
        found: dict[int, IntArray] = {}
        for (answer, place), count in self._counts.items():
            if answer not in found:
                found[answer] = np.zeros(len(calibration.of_answer(answer)) + 1, np.int64)
            found[answer][place] += count
        return dict(sorted(found.items()))

    def to_plain(self) -> list[tuple[int, int, int]]:
        """Return plain values for JSON."""
        return [(*key, count) for key, count in sorted(self._counts.items())]

    @staticmethod
    def from_plain(rows: Sequence[Sequence[int]]) -> PlaceCounts:
        """Return what `to_plain` wrote."""
        found = PlaceCounts()
        found._counts.update({(answer, place): count for answer, place, count in rows})
        return found


def places(calibration: Calibration, ood_score: FloatArray, answers: IntArray) -> IntArray:
    """Return how many calibration scores of the same answer lie below each score (N,), as (N,)."""
    found = np.zeros(len(ood_score), np.int64)
    for answer in np.unique(answers).tolist():
        own = answers == answer
        found[own] = np.searchsorted(calibration.of_answer(answer), ood_score[own], side="left")
    return found


def measure_drift(
    counted: PlaceCounts, rejected: int, calibration: Calibration, class_names: Sequence[str]
) -> Drift:
    """Return what images say that were counted by answer and place, of which so many were rejected."""
    by_answer = counted.of(calibration)
    images = np.array(
        [by_answer[k].sum() if k in by_answer else 0 for k in range(len(class_names))], np.int64
    )
    known = np.bincount(calibration.answers, minlength=len(class_names))
    total = int(images.sum())
    comparable = {answer: own for answer, own in by_answer.items() if len(own) > 1}
    compared = int(sum(own.sum() for own in comparable.values()))
    p_value, alone = oddness(comparable) if compared >= FEWEST else (None, {})
    drifted = p_value is not None and p_value <= ALARM
    odd = sorted((p, answer) for answer, p in alone.items() if drifted and (p <= ALARM or len(alone) == 1))
    mixed = mix_p_values(images, known) if total >= FEWEST else []
    changed = sorted((p, answer) for answer, p in enumerate(mixed) if p <= ALARM)
    return Drift(
        images=total,
        rejected_share=rejected / total if total else 0.0,
        alpha=calibration.alpha,
        compared=compared,
        p_value=p_value,
        drifted=drifted,
        different=tuple(class_names[answer] for _, answer in odd),
        mix_p_value=min(mixed, default=None),
        mix_changed=bool(changed),
        mix=tuple(
            Share(class_names[k], images[k].item() / total, known[k].item() / len(calibration))
            for _, k in changed
        ),
    )


def _names(names: Sequence[str]) -> str:
    return ", ".join(map(printable, names[:NAMED])) + _more(names)


def _more(found: Sequence[object]) -> str:
    return f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
