"""What a search is asked to do, which cells judge each trial, and what makes two searches the same."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Any, Literal

import numpy as np

from euinet.benchmark.cell import split_of
from euinet.benchmark.plan import Cell, parse_hold_out
from euinet.benchmark.work import Materials, load_materials
from euinet.data.split.fingerprint import dataset_fingerprint
from euinet.errors import StorageError, UsageError
from euinet.networks.trunks import trunk_maker
from euinet.presets import Preset
from euinet.records import Dataset
from euinet.system.differing import differing
from euinet.system.files import write_text
from euinet.system.notify import Notify
from euinet.system.version import VERSION
from euinet.training.devices import DeviceName, Precision, make_fabric
from euinet.tune.space import Searched, read_value

IDENTITY_FILE = "tune.json"

Way = Literal["maximize", "minimize"]
"""Which way an objective is better, in Optuna's words."""

OBJECTIVES: dict[str, Way] = {"auroc": "maximize", "oscr": "maximize", "fpr95": "minimize"}
"""What a trial can be judged by, the mean over its cells, and which way is better."""


@dataclass(frozen=True)
class SearchRequest:
    """The command's options: plain values, so that they can be sent to another process."""

    data: str
    hold_out: str  # classes separated by commas; empty: none
    preset: Preset  # with what --set changes
    fixed: Mapping[str, str]  # what --set changes
    space: tuple[Searched, ...]
    trials: int
    splits: int  # how many known classes play the unknown one in turn
    seeds: int
    seed: int
    objective: str
    out: Path
    jobs: int
    device: DeviceName
    precision: Precision
    data_root: Path | None

    def check(self) -> None:
        """Raise UsageError for a number below 1, an unknown objective or an unknown backbone."""
        for name in ("trials", "splits", "seeds", "jobs"):
            if getattr(self, name) < 1:
                raise UsageError(f"--{name} is {getattr(self, name)}, but must be at least 1.")
        if self.objective not in OBJECTIVES:
            raise UsageError(
                f"There is no objective '{self.objective}'; choose one of {', '.join(OBJECTIVES)}."
            )

        searched = [one.choices for one in self.space if one.setting == "model.backbone"]
        for name in (self.preset.model.backbone, *map(read_value, chain(*searched))):
            trunk_maker(self.preset.model.model_copy(update={"backbone": name}))

    @property
    def maximized(self) -> bool:
        """Whether a larger objective is better."""
        return OBJECTIVES[self.objective] == "maximize"


@dataclass(frozen=True)
class Judges:
    """The cells that judge every trial alike: pseudo-unknown classes × seeds."""

    data: str
    held_out: tuple[int, ...]
    pseudo: tuple[int, ...]
    seeds: tuple[int, ...]

    def cells(self, preset: Preset) -> tuple[Cell, ...]:
        """Return the cells of a trial with these settings."""
        return tuple(
            Cell(self.data, self.held_out, seed, preset, pseudo)
            for seed in self.seeds
            for pseudo in self.pseudo
        )


def held_out_classes(text: str, dataset: Dataset) -> tuple[int, ...]:
    """Return the class numbers that --hold-out names, ascending; none for an empty text.

    Raises UsageError for a wrong one, and for several splits, of which a search has one.
    """
    if not text:
        return ()
    splits = parse_hold_out(text, dataset)
    if len(splits) > 1:
        raise UsageError(
            f"--hold-out '{text}' names {len(splits)} splits, but a search has one: give classes separated "
            "by commas; they stay unknown to it together."
        )
    return splits[0]


def blinded(dataset: Dataset, held_out: tuple[int, ...]) -> Dataset:
    """Return the data set without test images and without images of the held-out classes.

    So whatever is done with it cannot depend on them; `pseudo_dataset` does not use them either.
    """
    known = ~np.isin(dataset.train.labels, held_out)
    return replace(
        dataset,
        train=dataset.train.where(known),
        test=dataset.test.where(np.empty(0, np.int64)),
        validation=None if dataset.validation is None else dataset.validation[known],
    )


def choose_judges(asked: SearchRequest, dataset: Dataset) -> Judges:
    """Return the judging cells: `asked.splits` known classes, evenly spread, beginning after the held-out.

    Raises UsageError when too few classes are known, DataError when one has too few images: before any
    training.
    """
    held_out = held_out_classes(asked.hold_out, dataset)
    count = len(dataset.class_names)
    first = max(held_out, default=-1) + 1
    known = [n % count for n in range(first, first + count) if n % count not in held_out]
    if len(known) < 3:
        raise UsageError(
            f"Only {len(known)} classes are known: a pseudo-unknown needs at least 3, so hold out fewer."
        )
    if asked.splits > len(known):
        raise UsageError(
            f"--splits is {asked.splits}, but only {len(known)} classes are known to play the unknown one."
        )
    pseudo = tuple(known[at * len(known) // asked.splits] for at in range(asked.splits))
    judges = Judges(asked.data, held_out, pseudo, tuple(range(asked.seed, asked.seed + asked.seeds)))
    for cell in judges.cells(asked.preset):
        split_of(cell, dataset)
    return judges


def search_identity(asked: SearchRequest, judges: Judges, dataset: Dataset, precision: str) -> dict[str, Any]:
    """Return what decides every trial's settings and numbers, as plain values; --trials only adds to them."""
    names = dataset.class_names
    return {
        "data": dataset.name,
        "data_fingerprint": dataset_fingerprint(dataset),
        "held_out": [names[number] for number in judges.held_out],
        "pseudo_unknowns": [names[number] for number in judges.pseudo],
        "seeds": list(judges.seeds),
        "seed": asked.seed,
        "objective": asked.objective,
        "preset": asked.preset.model_dump(mode="json"),
        "search": {searched.setting: searched.to_plain() for searched in asked.space},
        "precision": precision,
        "euinet": VERSION,
    }


def claim(out: Path, identity: Mapping[str, Any]) -> None:
    """Mark `out` as this search's. Raises UsageError when it is another's, naming what differs."""
    path = out / IDENTITY_FILE
    if path.is_file():
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise StorageError(
                f"{path} cannot be read, so it is not known which search {out} is of; choose another --out."
            ) from error
        if different := differing(found, identity):
            raise UsageError(
                f"{out} belongs to a search with another {', '.join(different)}: trials of both must not be "
                "mixed, so choose another --out, or give the same options as before."
            )
    write_text(path, json.dumps(identity, indent=2) + "\n")


def prepare(asked: SearchRequest, notify: Notify | None) -> tuple[Judges, Materials, dict[str, object]]:
    """Return the judging cells, the images that may help to choose, and the search's identity."""
    materials = load_materials(asked.data, (), asked.data_root, notify)
    judges = choose_judges(asked, materials.dataset)
    precision = str(make_fabric(asked.device, asked.precision).strategy.precision.precision)
    identity = search_identity(asked, judges, materials.dataset, precision)
    return judges, replace(materials, dataset=blinded(materials.dataset, judges.held_out)), identity
