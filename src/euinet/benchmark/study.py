"""The finished cells as one table of numbers: a measure by split and seed.

A mean never mixes cells: means over splits use only seeds that have them all.
"""

import statistics
from collections.abc import Callable
from dataclasses import dataclass

from euinet.benchmark.results import TEST, CellResult, Row

Measure = Callable[[CellResult], float]


@dataclass(frozen=True)
class Study:
    """The finished cells to look at, and which of their detectors and sets."""

    results: tuple[CellResult, ...]
    planned: tuple[tuple[str, int], ...]  # id and seed of all cells asked for
    detectors: tuple[str, ...]  # EuiNet first
    rivals: tuple[str, ...]  # those of the detectors that are others' methods
    far_sets: tuple[str, ...]

    @property
    def missing(self) -> tuple[str, ...]:
        """Cells that were asked for and have no result."""
        found = {result.cell for result in self.results}
        return tuple(cell for cell, _ in self.planned if cell not in found)

    @property
    def splits(self) -> tuple[str, ...]:
        """The splits with at least one result, in the order of the plan."""
        return tuple(dict.fromkeys(result.split for result in self.results))

    @property
    def complete(self) -> dict[int, tuple[CellResult, ...]]:
        """The results of each seed of which no cell is missing."""
        absent = set(self.missing)
        partial = {seed for cell, seed in self.planned if cell in absent}
        by_seed: dict[int, list[CellResult]] = {}
        for result in self.results:
            if result.seed not in partial:
                by_seed.setdefault(result.seed, []).append(result)
        return {seed: tuple(by_seed[seed]) for seed in sorted(by_seed)}


def of_row(name: str, detector: str, unknown_set: str = TEST) -> Measure:
    """Return the measure `name` of a cell's row for one detector and set."""

    def measure(result: CellResult) -> float:
        row: Row = result.row(detector, unknown_set)
        return float(getattr(row, name))

    return measure


def over_seeds(study: Study, split: str, measure: Measure) -> list[float]:
    """Return a measure of one split, one value a seed, seeds ascending."""
    cells = sorted((r for r in study.results if r.split == split), key=lambda result: result.seed)
    return [measure(result) for result in cells]


def over_splits(study: Study, measure: Measure) -> list[float]:
    """Return a measure's mean over all splits, one value for each complete seed."""
    return [statistics.fmean(measure(result) for result in cells) for cells in study.complete.values()]
