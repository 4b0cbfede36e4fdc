"""Which images there are, of which classes and parts: a few bytes an image, and none is decoded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from euinet.answers import BoolArray
from euinet.data.embedded.contents import Content
from euinet.data.sets.layout import TEST, TRAIN, VALIDATION, WHOLE
from euinet.data.sets.left_out import NotUsed
from euinet.images.names import PassedOver

PARTS = (WHOLE, TRAIN, VALIDATION, TEST)
NO_CLASS = -1  # the label of an image of a place that has no classes


class Contents(Protocol):
    """The contents of many image files, one after another."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[Content]: ...


@dataclass(frozen=True, eq=False)
class Listing:
    """Images with their classes and parts; N of them, in the order in which they are read."""

    place: Path  # what the user named
    class_names: tuple[str, ...]  # in label order
    labels: np.ndarray  # (N,) int32, 0 … len(class_names) − 1, or NO_CLASS
    parts: np.ndarray  # (N,) int8, places in PARTS
    contents: Contents
    passed: PassedOver
    beside: int = 0  # images in no class
    folders: Mapping[tuple[str, str], Path] = field(
        default_factory=dict
    )  # of (part, class); tables have none

    def __len__(self) -> int:
        return len(self.labels)

    def of_part(self, part: str) -> BoolArray:
        """Return which images (N,) are in a part."""
        mask: BoolArray = self.parts == PARTS.index(part)
        return mask

    def classes_by_part(self) -> dict[str, list[str]]:
        """Return the classes that have images, by each part that has any."""
        labelled = self.labels != NO_CLASS
        found = {part: np.unique(self.labels[self.of_part(part) & labelled]) for part in PARTS}
        return {part: [self.class_names[k] for k in labels] for part, labels in found.items() if len(labels)}

    def not_used(self) -> NotUsed:
        """Return the count of what is not used, as far as listing knows."""
        return NotUsed(self.passed, self.beside, len(self))
