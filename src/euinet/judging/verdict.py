"""What the numbers say plainly: is the model fit for its work? All such sentences, and their thresholds.

A sentence is as strong as its interval: what a 95 % interval does not show is not said. Where a model stands
is measured from guessing (0) to never wrong (1). Up to NEAR that is as good as guessing: an AUROC of 0.6, by
which a threshold that rejects 5 % of known images catches 10 % of unknown ones (for normal scores of equal
spread). Up to POOR, an AUROC of 0.8, it catches a third. Classes are told poorly up to WRONG: of what
guessing gets wrong a quarter is wrong still.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from euinet.judging.promise import FalseRejects, expected_rejections
from euinet.judging.share import Share, wilson_interval
from euinet.model.conformal import Calibration
from euinet.system.words import printable

CHANCE = 0.5  # the AUROC of scores that say nothing
NEAR, POOR, WRONG = 0.2, 0.6, 0.75
MOST = 0.5  # share of unknown images to be rejected, lest most of them are accepted
NAMED = 5  # groups in one sentence

_HEADS = {
    "turned": "This model's scores are the wrong way round: its classes look odder to it than these unknowns",
    "cannot": "This model cannot tell these unknowns from its classes",
    "unshown": "It is not shown that this model can tell these unknowns from its classes",
    "poor": "This model tells these unknowns from its classes poorly",
    "accepted": "This model accepts most of these unknowns as one of its classes",
}


@dataclass(frozen=True)
class Unknowns:
    """Unknown images of one kind against a model's known test images."""

    name: str
    auroc: float
    known: int  # images
    rejected: Share

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % interval of the AUROC."""
        return auroc_interval(self.auroc, self.known, self.rejected.total)

    @property
    def grade(self) -> str | None:
        """Which of the sentences is due; None: none of them."""
        low, high = (_way(bound, CHANCE) for bound in self.interval)
        if high < 0:
            return "turned"
        if high < NEAR:
            return "cannot"
        if low <= NEAR and (high >= POOR or low <= 0):
            return "unshown"
        if high < POOR:
            return "poor"
        return "accepted" if self.rejected.interval[1] < MOST else None

    def told(self) -> str:
        """Return the name with its numbers."""
        low, high = self.interval
        return (
            f"{printable(self.name)} (AUROC {self.auroc:.2f}, 95 % interval {low:.2f} to {high:.2f}; "
            f"{_percent(self.rejected)} of {self.rejected.total:,} rejected)"
        )


def shortcomings(
    right: Share, classes: int, unknown: Sequence[Unknowns], promise: FalseRejects | None
) -> tuple[str, ...]:
    """Return a sentence for each thing that the model does not do, or that nobody tried; none is good news.

    `right`: known test images whose best class is their own, of `classes`. `promise`: those rejected, where a
    share was promised.
    """
    return (*_of_classes(right, 1 / classes), *of_unknowns(unknown), *_of_promise(promise))


def verdict(metrics: Mapping[str, Any], classes: int, calibration: Calibration | None) -> dict[str, Any]:
    """Return what the metrics of `euinet evaluate` say: a `sentence`, and the `shortcomings` in it."""
    known, unknown = int(metrics["n_id"]), []
    for name, row in (metrics["near"] | metrics["far"]).items():
        unknown.append(Unknowns(name, row["auroc"], known, _share(row["ood_accuracy"], row["n_ood"])))
    rejected, promise = _share(metrics["known_rejected"], known), None
    if calibration is not None and calibration.alpha is not None:
        expected = None
        if not calibration.per_class:
            expected = expected_rejections(calibration.alpha, len(calibration), known)
        promise = FalseRejects(calibration.alpha, rejected, expected)
    right = _share(metrics["closed_set_accuracy"], known)
    found = shortcomings(right, classes, unknown, promise)
    return {"sentence": plainly(found, right, unknown), "shortcomings": list(found)}


def plainly(found: Sequence[str], right: Share, unknown: Sequence[Unknowns]) -> str:
    """Return the shortcomings as one text, or what speaks for the model where there are none."""
    if found:
        return " ".join(found)
    hardest = min(unknown, key=lambda one: one.auroc)
    return (
        f"On what was tried nothing speaks against this model: {_percent(right)} of known images look most "
        f"like their own class, and unknown ones are told from them, the hardest being {hardest.told()}."
    )


def auroc_interval(auroc: float, known: int, unknown: int) -> tuple[float, float]:
    """Return a 95 % interval of an AUROC of so many images, 0 … 1; (0, 1) without any.

    Whatever the scores' distributions, it varies no more than a share of the fewer images does (Birnbaum and
    Klose, "Bounds for the variance of the Mann-Whitney statistic", Annals of Mathematical Statistics 28,
    1957): theirs is the interval, and ten images never show much.
    """
    fewer = min(known, unknown)
    return wilson_interval(auroc * fewer, fewer)


def _of_classes(right: Share, guessing: float) -> Iterator[str]:
    low, high = (_way(bound, guessing) for bound in right.interval)
    seen = (
        f"{_percent(right)} of {right.total:,} known images look most like their own class, where guessing "
        f"gives {100 * guessing:.3g} %"
    )
    if not right.total:
        yield "No image of its classes was tried: nothing is known of how well it tells them."
    elif high < NEAR:
        yield f"This model tells its own classes hardly better than guessing: {seen}."
    elif low <= 0:
        yield f"It is not shown that this model tells its own classes better than guessing: {seen}."
    elif high < WRONG:
        yield f"This model tells its own classes poorly: {seen}."


def of_unknowns(unknown: Sequence[Unknowns]) -> Iterator[str]:
    """Yield what is to be said of unknown images, worst first."""
    if not unknown:
        yield "No unknown image was tried: nothing is known of what this model does with any."
    for grade, head in _HEADS.items():
        told = [one.told() for one in sorted(unknown, key=lambda one: one.auroc) if one.grade == grade]
        more = f" and {len(told) - NAMED} more" if len(told) > NAMED else ""
        if told:
            yield f"{head}: {', '.join(told[:NAMED])}{more}."


def _of_promise(promise: FalseRejects | None) -> Iterator[str]:
    if promise is not None and promise.rejected is not None and promise.verdict == "more":
        rejected = promise.rejected
        yield (
            f"The promise is not kept on these images: {_percent(rejected)} of {rejected.total:,} known ones "
            f"were rejected, and alpha promises {100 * promise.alpha:.3g} % at most. They differ from the "
            "calibration images: calibrate with images from where the model will be used."
        )


def _way(value: float, guessing: float) -> float:
    """Return where a value stands between guessing (0) and never wrong (1)."""
    return (value - guessing) / (1 - guessing)


def _share(value: float, total: int) -> Share:
    return Share(round(value * total), total)


def _percent(share: Share) -> str:
    return "no" if share.value is None else f"{100 * share.value:.1f} %"
