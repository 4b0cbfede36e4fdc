"""What a benchmark is asked to do, and the images it does it with."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from euinet.benchmark.plan import Cell
from euinet.benchmark.results import OWN, TEST
from euinet.data.far.overlap import leave_out_known
from euinet.data.far.sets import FarSet, load_far
from euinet.data.sets.datasets import load_dataset
from euinet.data.split.fingerprint import fingerprint
from euinet.errors import UsageError
from euinet.records import Dataset
from euinet.system.notify import Notify
from euinet.training.devices import DeviceName, Precision


@dataclass(frozen=True)
class Materials:
    """All images, loaded once a process."""

    dataset: Dataset
    far_sets: Mapping[str, FarSet]  # in the data set's shape, as they came

    def far_fingerprints(self) -> dict[str, str]:
        """Return what tells one far set from another of the same name."""
        return {name: fingerprint(far.images) for name, far in self.far_sets.items()}

    def far_for(self, cell: Cell, name: str) -> FarSet:
        """Return a far set without images that may not count as unknown in `cell`.

        That is, of known classes; with a pseudo-unknown also of the classes held out, which nothing may
        be chosen by. Raises UsageError when nothing is left.
        """
        hidden = () if cell.pseudo is not None else cell.held_out
        names = [
            class_name for number, class_name in enumerate(self.dataset.class_names) if number not in hidden
        ]
        return leave_out_known(self.far_sets[name], self.dataset, names)


@dataclass(frozen=True)
class Work:
    """What to do with each cell, and where: plain values, so that it can be sent to another process."""

    data: str
    detectors: tuple[str, ...]  # EuiNet first
    far: tuple[str, ...]  # names or folders, as given
    class_names: tuple[str, ...]  # of the data set, all of them
    unknown_sets: tuple[str, ...]  # TEST, then the far sets' own names
    identity: dict[str, Any]
    far_fingerprints: dict[str, str]
    out: Path
    device: DeviceName
    precision: Precision
    data_root: Path | None

    @property
    def wanted(self) -> set[tuple[str, str]]:
        """The detectors and sets that a finished cell must have."""
        return {(detector, name) for detector in self.detectors for name in self.unknown_sets}


def load_materials(
    data: str, far: tuple[str, ...], data_root: Path | None, notify: Notify | None = None
) -> Materials:
    """Return the data set and the far sets in its shape.

    Raises UsageError for an unknown name, a far set given twice or one that is the data set itself.
    """
    dataset = load_dataset(data, data_root, notify=notify)
    _, channels, height, _ = dataset.test.images.shape
    found: dict[str, FarSet] = {}
    for given in far:
        far_set = load_far(given, channels, height, data_root, notify=notify)
        if far_set.name in found or far_set.name in (TEST, dataset.name):
            what = "given twice" if far_set.name in found else f"the name of {dataset.name}'s own test images"
            raise UsageError(f"The far set '{far_set.name}' is {what}; give each other set once.")
        found[far_set.name] = far_set
    return Materials(dataset, found)


def with_own(detectors: tuple[str, ...]) -> tuple[str, ...]:
    """Return the detectors with EuiNet itself first, which everything is compared with."""
    return (OWN, *(name for name in detectors if name != OWN))
