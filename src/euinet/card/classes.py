"""Weak spots: known classes that suffer, unknown ones that pass for known, groups that are not told apart."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from euinet.card.groups import AnsweredGroup, Kind
from euinet.judging.metrics import detection_metrics
from euinet.judging.share import Share

TAKEN_FOR = 3  # classes named for each unknown one


@dataclass(frozen=True)
class KnownRow:
    """The test images of one known class."""

    name: str
    right: Share  # accepted and given their own class
    own_class: Share  # the classifier's answer alone
    rejected: Share  # by mistake
    accepted_right: Share  # of those accepted
    confused_with: str | None  # the classifier's most frequent wrong answer
    confused: int


@dataclass(frozen=True)
class UnknownRow:
    """The images of one class or set that the model does not know."""

    kind: Kind
    name: str
    rejected: Share
    taken_for: tuple[tuple[str, int], ...]  # the classes that accepted ones were given, most frequent first


def known_rows(known: AnsweredGroup) -> tuple[KnownRow, ...]:
    """Return a row for each known class with test images, the weakest (least `right`) first."""
    names = known.answers.class_names
    rows = [_known_row(known, label, names) for label in range(len(names)) if (known.labels == label).any()]
    return tuple(sorted(rows, key=lambda row: (row.right.value or 0.0, -row.right.total)))


def unknown_rows(unknown: Sequence[AnsweredGroup]) -> tuple[UnknownRow, ...]:
    """Return a row for each held-out class, far set and noise, the least rejected first."""
    rows = [
        _unknown_row(judged, label) for judged in unknown for label in np.unique(judged.labels)[::-1].tolist()
    ]
    return tuple(sorted(rows, key=lambda row: row.rejected.value or 0.0))


def _known_row(known: AnsweredGroup, label: int, names: Sequence[str]) -> KnownRow:
    at = known.labels == label
    rejected, own = known.rejected[at], known.own_class[at]
    wrong = np.bincount(known.answers.best_classes[at][~own], minlength=len(names))
    return KnownRow(
        name=names[label],
        right=Share.of(own & ~rejected),
        own_class=Share.of(own),
        rejected=Share.of(rejected),
        accepted_right=Share.of(own[~rejected]),
        confused_with=names[int(wrong.argmax())] if wrong.any() else None,
        confused=int(wrong.max()),
    )


def _unknown_row(judged: AnsweredGroup, label: int) -> UnknownRow:
    at = judged.labels == label
    names = judged.answers.class_names
    given = np.bincount(judged.answers.best_classes[at & ~judged.rejected], minlength=len(names))
    most = [k for k in np.argsort(-given, kind="stable")[:TAKEN_FOR].tolist() if given[k]]
    return UnknownRow(
        kind=judged.group.kind,
        name=judged.group.class_names[label],
        rejected=Share.of(judged.rejected[at]),
        taken_for=tuple((names[k], int(given[k])) for k in most),
    )


@dataclass(frozen=True)
class Detection:
    """One group of unknown images against the known test images."""

    kind: Kind
    name: str
    rejected: Share  # at the model's own threshold
    auroc: float  # the chance that an unknown image looks odder than a known one
    fpr95: float  # known images flagged where 95 % of the unknown ones are caught
    available: int  # images there were
    remark: str | None


def detections(known: AnsweredGroup, unknown: Sequence[AnsweredGroup]) -> tuple[Detection, ...]:
    """Return the measures of each unknown group, in the order given."""
    return tuple(_detection(known, one) for one in unknown)


def _detection(known: AnsweredGroup, unknown: AnsweredGroup) -> Detection:
    scores = np.concatenate([known.answers.ood_score, unknown.answers.ood_score])
    labels = np.concatenate([np.zeros(len(known.group), np.int64), np.full(len(unknown.group), -1, np.int64)])
    measures = detection_metrics(scores, labels)
    group = unknown.group
    return Detection(
        kind=group.kind,
        name=group.name,
        rejected=Share.of(unknown.rejected),
        auroc=measures["auroc"],
        fpr95=measures["fpr95"],
        available=group.available,
        remark=group.remark,
    )
