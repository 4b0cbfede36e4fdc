"""The images that a card is about, by kind, and what the model answers for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from euinet.answers import Answers, BoolArray, IntArray, StoredArray

Kind = Literal["known", "near", "given", "far", "noise"]
"""near: classes of the same data set that the model was not taught; given: a user's own images, near or far
as it may be; far: other sets by their names; noise: random pixels."""


@dataclass(frozen=True, eq=False)
class Group:
    """Images of one kind, N of them."""

    kind: Kind
    name: str  # of the group: a far set's name, or what it is
    images: StoredArray  # (N, C, H, W), or embeddings (N, F)
    labels: IntArray  # (N,), 0 … K−1 in the model's order where known, else negative
    class_names: Mapping[int, str]  # by label
    available: int  # images there were to choose the N from
    remark: str | None = None  # what was done to a far set

    def __len__(self) -> int:
        return len(self.labels)

    def where(self, positions: IntArray) -> Group:
        """Return the images at `positions`, in their order."""
        return replace(self, images=self.images[positions], labels=self.labels[positions])


@dataclass(frozen=True, eq=False)
class AnsweredGroup:
    """A group with the model's answers for its images."""

    group: Group
    answers: Answers

    @property
    def labels(self) -> IntArray:
        """The true labels, (N,)."""
        return self.group.labels

    @property
    def rejected(self) -> BoolArray:
        """Which images got "none of these", (N,)."""
        return self.answers.rejected

    @property
    def own_class(self) -> BoolArray:
        """Whether the classifier's best class is the image's own, rejected or not, (N,)."""
        own: BoolArray = self.answers.best_classes == self.labels
        return own
