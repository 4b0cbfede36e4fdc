"""The test images by their data set's own label, and the names of the joint softmax's entries."""

from dataclasses import dataclass

from euinet.answers import REJECT, BoolArray
from euinet.records import EvaluationRecord, unknown_label


@dataclass(frozen=True)
class LabelGroup:
    """The test images of one class of the data set.

    `label` is its value in `EvaluationRecord.labels`: ≥ 0 known, < 0 unknown.
    """

    number: int  # the data set's own class number
    name: str
    label: int

    @property
    def known(self) -> bool:
        """Whether the class was in training."""
        return self.label >= 0

    @property
    def right_column(self) -> int:
        """The joint softmax's entry that is the right answer: 0 (reject) for an unknown class."""
        return self.label + 1 if self.known else 0

    def mask(self, record: EvaluationRecord) -> BoolArray:
        """Return which of the N test images belong to the class, (N,)."""
        mask: BoolArray = record.labels == self.label
        return mask


def label_groups(record: EvaluationRecord) -> tuple[LabelGroup, ...]:
    """Return every class of the data set, in the order of its own class numbers.

    Raises ValueError when a test image carries a label that is neither a known nor an unknown class.
    """
    known = [
        LabelGroup(number, name, label)
        for label, (number, name) in enumerate(zip(record.known_classes, record.class_names, strict=True))
    ]
    unknown = [
        LabelGroup(number, name, unknown_label(number))
        for number, name in zip(record.unknown_classes, record.unknown_names, strict=True)
    ]
    groups = tuple(sorted(known + unknown, key=lambda group: group.number))
    strays = sorted(set(record.labels.tolist()) - {group.label for group in groups})
    if strays:
        raise ValueError(
            f"test labels {strays} belong to no class of the record; "
            f"allowed are {sorted(group.label for group in groups)}"
        )
    return groups


def entry_names(record: EvaluationRecord) -> tuple[str, ...]:
    """Return the K+1 entries' names, reject first and named after a single unknown class: "0 (reject)"."""
    reject = f"{record.unknown_names[0]} (reject)" if len(record.unknown_names) == 1 else "reject"
    return (reject, *record.class_names)


def part_of(images: BoolArray, what: BoolArray) -> tuple[int, int]:
    """Return of how many of the `images` (N,) it is so, and how many they are."""
    return int((images & what).sum()), int(images.sum())


def is_known(record: EvaluationRecord) -> BoolArray:
    """Return which of the N test images belong to a known class, (N,)."""
    known: BoolArray = record.labels >= 0
    return known


def is_rejected(record: EvaluationRecord) -> BoolArray:
    """Return which of the N test images EuiNet called "none of these", (N,)."""
    rejected: BoolArray = record.decision.labels == REJECT
    return rejected
