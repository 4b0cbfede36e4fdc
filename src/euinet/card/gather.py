"""Which images the card is about: test images as `euinet evaluate` takes them, far sets, noise."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import numpy as np

from euinet.answers import IntArray
from euinet.card.groups import Group, Kind
from euinet.data.far.noise import NOISE_IMAGES, NoiseKind, noise_images
from euinet.data.far.sets import FarSet, far_names
from euinet.data.split.fingerprint import dataset_fingerprint
from euinet.data.split.stratify import stratified_choice
from euinet.errors import DataError
from euinet.judging.material import judging_material
from euinet.judging.reading import reading_of
from euinet.model.card import ModelCard
from euinet.records import Dataset, unknown_label
from euinet.system.notify import Notify
from euinet.trained.model import TrainedModel

NOISE = ("noise-uniform", "noise-gaussian")
KNOWN_FACTOR = 5
"""Known images judged for each image of another group: a promise of 1 % shows only in thousands of them."""


@dataclass(frozen=True, eq=False)
class Gathered:
    """All images of a card."""

    dataset: str
    fingerprint: str
    known: Group
    unknown: tuple[Group, ...]  # the held-out classes as one group, each far set, each noise


def gather(
    model: TrainedModel,
    data: str,
    far: tuple[str, ...],
    data_root: Path | None,
    notify: Notify,
    limit: int,
    seed: int,
    labels_file: Path | None = None,
) -> Gathered:
    """Return at most `limit` images of each unknown group and KNOWN_FACTOR times as many known ones.

    Classes of `data` that the model does not know are held out. `labels_file`: of a table's rows. Raises
    UsageError when `data` does not fit the model or a far set is nothing or holds only known images,
    DataError when data cannot be had.
    """
    card = model.card
    reading = reading_of(card, None, data_root, notify, labels_file)  # pixels, to be shown and changed
    noise = NOISE if card.reads_images else ()
    names = tuple(name for name in dict.fromkeys(far) if name not in noise)  # noise is there anyway
    dataset, labels, unknown, far_sets = judging_material(reading, model.seen, data, names)
    everything = _test_images(dataset, labels, unknown, card)
    geometry = (card.channels, card.image_size)
    if not (everything.labels >= 0).any():
        raise DataError(f"{dataset.name} has no test images of the model's classes: add some.")

    near = everything.labels < 0
    held_out = _chosen(everything, near, limit, seed, kind="near", name=_held_out(tuple(unknown.values())))
    groups = [held_out] if len(held_out) else []
    groups += [_far_group(one, limit, seed) for one in far_sets]
    groups += [_noise_group(name, geometry, limit) for name in noise]
    return Gathered(
        dataset=dataset.name,
        fingerprint=dataset_fingerprint(dataset),
        known=_chosen(everything, ~near, KNOWN_FACTOR * limit, seed, kind="known", name="known classes"),
        unknown=tuple(groups),
    )


def _held_out(names: tuple[str, ...]) -> str:
    return f"held-out class {names[0]}" if len(names) == 1 else f"{len(names)} held-out classes"


def _test_images(dataset: Dataset, labels: IntArray, unknown: dict[int, str], card: ModelCard) -> Group:
    """Return all test images, known and held out, labelled in the model's order."""
    names = dict(enumerate(card.class_names))
    names |= {unknown_label(number): name for number, name in unknown.items()}
    return Group("known", "all", dataset.test.images, labels, names, len(labels))


def _chosen(group: Group, mask: np.ndarray, most: int, seed: int, *, kind: Kind, name: str) -> Group:
    at = np.flatnonzero(mask)
    chosen = at[stratified_choice(group.labels[at], most, seed)]
    return replace(group.where(chosen), kind=kind, name=name, available=len(at))


def _far_group(far: FarSet, limit: int, seed: int) -> Group:
    labels = np.full(len(far.images), -1, np.int64)
    at = stratified_choice(labels, limit, seed)
    kind: Kind = "far" if far.name in far_names() else "given"
    return Group(kind, far.name, far.images[at], labels[at], {-1: far.name}, len(labels), far.remark)


def _noise_group(name: str, geometry: tuple[int, int], limit: int) -> Group:
    count = min(limit, NOISE_IMAGES)
    kind = cast(NoiseKind, name.removeprefix("noise-"))
    images = noise_images(kind, *geometry, count=count)
    return Group("noise", name, images, np.full(count, -1, np.int64), {-1: name}, NOISE_IMAGES)
