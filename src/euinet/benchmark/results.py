"""What one cell leaves behind, as plain records that go to JSON and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

OWN = "EuiNet"
"""The name of EuiNet itself among the detectors."""

TEST = "test"
"""The name of the held-out classes' test images among the sets of unknown images."""


@dataclass(frozen=True)
class Row:
    """One detector on one set of unknown images against the known test images; fractions, OOD positive."""

    detector: str
    unknown_set: str  # TEST or a far set's name
    auroc: float
    fpr95: float
    aupr_in: float
    aupr_out: float
    oscr: float
    id_accuracy: float  # with the threshold below
    ood_accuracy: float
    threshold: float  # an image is rejected when its ood_score is above it
    score_seconds: float  # fitting the detector and scoring all sets of the sitting

    @property
    def key(self) -> tuple[str, str]:
        """What the row is of."""
        return self.detector, self.unknown_set


@dataclass(frozen=True)
class CellResult:
    """One finished cell: the contents of its result.json."""

    cell: str  # its id
    identity: dict[str, Any]  # what decides the numbers, besides split and seed (see store.Identity)
    held_out: tuple[str, ...]  # names
    pseudo_unknown: str | None  # the known class that plays the unknown one; None: held_out itself is judged
    seed: int
    known_images: int  # among the images judged
    unknown_images: int
    closed_set_accuracy: float
    train_seconds: float
    device: str
    versions: dict[str, str]
    far_fingerprints: dict[str, str]
    far_remarks: dict[str, str]  # what was done to the images, and which were left out
    rows: tuple[Row, ...]

    @property
    def split(self) -> str:
        """The split as tables name it: "4", "4 + 9", or "5 (pseudo, without 4)"."""
        held_out = " + ".join(self.held_out)
        if self.pseudo_unknown is None:
            return held_out
        return f"{self.pseudo_unknown} (pseudo, without {held_out})"

    def row(self, detector: str, unknown_set: str) -> Row:
        """Return the row of one detector on one set. Raises KeyError when the cell has none."""
        for row in self.rows:
            if row.key == (detector, unknown_set):
                return row
        raise KeyError((detector, unknown_set))

    def to_plain(self) -> dict[str, Any]:
        """Return the result as values that JSON knows."""
        return asdict(self)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> CellResult:
        """Return what `to_plain` was given. Raises TypeError or KeyError for anything else."""
        values = dict(plain)
        rows = tuple(Row(**row) for row in values.pop("rows"))
        held_out = tuple(values.pop("held_out"))
        return cls(**values, held_out=held_out, rows=rows)
