"""What benign changes do to known images: how many are rejected, how many classes are still right."""

from collections.abc import Callable
from dataclasses import dataclass

from euinet.answers import Answers, PixelArray
from euinet.card.changes import Change, Strength, benign_changes
from euinet.card.groups import Group
from euinet.judging.share import Share
from euinet.system.notify import Notify

Predict = Callable[[PixelArray], Answers]


@dataclass(frozen=True, eq=False)
class Changed:
    """Known images under one change at one strength."""

    label: str  # the strength, with its unit
    rejected: Share
    own_class: Share  # the classifier's best class is still the image's own, rejected or not
    example: PixelArray  # (C, H, W), the first of the images, so changed


@dataclass(frozen=True, eq=False)
class ChangeRow:
    """One kind of change, the mildest strength first."""

    name: str
    what: str
    strengths: tuple[Changed, ...]


@dataclass(frozen=True, eq=False)
class Stress:
    """All changes, beside the same images unchanged."""

    unchanged: Changed
    rows: tuple[ChangeRow, ...]

    @property
    def worst(self) -> tuple[ChangeRow, Changed]:
        """The change and strength at which most images are rejected."""
        pairs = [(row, changed) for row in self.rows for changed in row.strengths]
        return max(pairs, key=lambda pair: pair[1].rejected.value or 0.0)


def measure_stress(predict: Predict, known: Group, seed: int, notify: Notify) -> Stress:
    """Return the answers' shares for known images (N, C, H, W) under each benign change."""
    changes = benign_changes(known.images.shape[-1])
    images = f"{len(known):,} known images"
    rows = []
    for number, change in enumerate(changes, start=1):
        notify(f"Benign change {number} of {len(changes)}: {change.name}, on {images} …")
        rows.append(_row(predict, known, change, seed))
    unchanged = _judge(predict, known, "unchanged", known.images, known.images[0])
    return Stress(unchanged, tuple(rows))


def _row(predict: Predict, known: Group, change: Change, seed: int) -> ChangeRow:
    def at(strength: Strength) -> Changed:
        example = strength.example(known.images[0])
        return _judge(predict, known, strength.label, strength.apply(known.images, seed), example)

    return ChangeRow(change.name, change.what, tuple(map(at, change.strengths)))


def _judge(predict: Predict, known: Group, label: str, images: PixelArray, example: PixelArray) -> Changed:
    answers = predict(images)
    own_class = Share.of(answers.best_classes == known.labels)
    return Changed(label, Share.of(answers.rejected), own_class, example)
