"""Making a record while a model is evaluated: nothing is scored twice."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from euinet.answers import FloatArray, IntArray
from euinet.data.split.stratify import stratified_choice
from euinet.judging.record import KNOWN, UNKNOWN, Kind, RecordGroup, TestRecord
from euinet.judging.record_store import MOST_GROUPS
from euinet.records import Decision, unknown_label
from euinet.system.words import printable

MOST_IMAGES = 10_000  # of the data set's test images: known and held out together
MOST_FAR = 2_000  # of each far set
SEPARATE = 32  # held-out classes that each have a group of their own
SEED = 0  # which images are kept when there are more must never depend on an experiment's seed


class FarScores(NamedTuple):
    """What was answered for a far set."""

    name: str
    decision: Decision


class _Part(NamedTuple):
    group: RecordGroup
    ood_score: FloatArray
    best_class: IntArray
    true_class: IntArray


def make_record(
    data: str,
    class_names: tuple[str, ...],
    decision: Decision,
    labels: IntArray,
    unknown: dict[int, str],
    far: Sequence[FarScores],
    model: str,
) -> TestRecord:
    """Return the record of a model's decision for test images with these labels (N,), negative = unknown.

    `unknown`: the held-out classes' numbers in the data set and their names. Of more than MOST_IMAGES test
    images a part is kept in which each class has its share; of a far set, MOST_FAR.
    """
    chosen = stratified_choice(labels, MOST_IMAGES, SEED)
    available = {int(label): int((labels == label).sum()) for label in np.unique(labels)}
    kept, scores, best = labels[chosen], decision.ood_score[chosen], decision.classifier_labels[chosen]

    def part(name: str, kind: Kind, mask: np.ndarray, there: int) -> _Part:
        group = RecordGroup(name, kind, int(mask.sum()), there)
        true = np.where(kept[mask] >= 0, kept[mask], UNKNOWN)
        return _Part(group, scores[mask], best[mask], true)

    parts = [part(KNOWN, "known", kept >= 0, sum(n for label, n in available.items() if label >= 0))]
    if len(unknown) <= SEPARATE:
        for number, name in unknown.items():
            label = unknown_label(number)
            parts.append(part(f"held-out {name}", "near", kept == label, available.get(label, 0)))
    else:
        there = sum(n for label, n in available.items() if label < 0)
        parts.append(part(f"{len(unknown)} held-out classes", "near", kept < 0, there))
    for one in far[: MOST_GROUPS - len(parts)]:
        parts.append(_far_part(one, {other.group.name for other in parts}))
    parts = [one for one in parts if one.group.images or one.group.kind == KNOWN]
    return TestRecord(
        data=printable(data),
        class_names=class_names,
        groups=tuple(one.group for one in parts),
        ood_score=np.concatenate([one.ood_score for one in parts]).astype(np.float32),
        best_class=np.concatenate([one.best_class for one in parts]).astype(np.int64),
        true_class=np.concatenate([one.true_class for one in parts]).astype(np.int64),
        model=model,
    )


def _far_part(far: FarScores, taken: set[str]) -> _Part:
    name = printable(far.name)
    while name in taken:  # a folder may be called "known", or be given twice
        name = f"far set {name}"
    total = len(far.decision.ood_score)
    chosen = stratified_choice(np.zeros(total, np.int64), MOST_FAR, SEED)
    return _Part(
        RecordGroup(name, "far", len(chosen), total),
        far.decision.ood_score[chosen],
        far.decision.classifier_labels[chosen],
        np.full(len(chosen), UNKNOWN, np.int64),
    )
