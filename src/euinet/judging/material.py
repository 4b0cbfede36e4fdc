"""A model meets data: test images with their labels in the model's order, and far sets in its geometry."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from euinet.answers import IntArray
from euinet.data.far.overlap import get_far_set
from euinet.data.far.sets import FarSet
from euinet.data.sets.datasets import DATASETS, load_dataset
from euinet.data.split.holdout import hold_out_classes
from euinet.errors import UsageError
from euinet.model.card import ModelCard
from euinet.records import Dataset, Split
from euinet.system.notify import Notify


class Material(NamedTuple):
    """What a model is judged on; nothing of it decides anything."""

    dataset: Dataset
    split: Split  # classes that the model does not know are held out
    labels: IntArray  # (N,) of `split.test`, 0 … K−1 in the model's order, negative = unknown
    far: tuple[FarSet, ...]


def judging_material(
    card: ModelCard, data: str, far: tuple[str, ...], data_root: Path | None, notify: Notify
) -> Material:
    """Return what a model is judged on: `data`'s test images and the far sets, in its geometry.

    All images of a far set are unknown; those that are not are left out of it. Raises UsageError when `data`
    has other classes or images of another shape than the model was trained on, or when nothing is left of a
    far set.
    """
    dataset = model_data(card, data, data_root, notify)
    check_fits(dataset, card)
    geometry = (card.channels, card.image_size)
    sets = [get_far_set(name, dataset, card.class_names, geometry, data_root, notify) for name in far]
    split = hold_out_classes(dataset, unknown_names(dataset, card), seed=card.seed)
    return Material(dataset, split, in_model_order(split, card), tuple(sets))


def model_data(card: ModelCard, data: str, data_root: Path | None, notify: Notify) -> Dataset:
    """Return the data set `data`, a folder's images in the model's size. Raises UsageError for others."""
    image_size = None if data in DATASETS else card.image_size  # named sets keep their own
    dataset = load_dataset(data, data_root, image_size=image_size, notify=notify)
    shape = tuple(dataset.test.images.shape[1:])
    if shape != (card.channels, card.image_size, card.image_size):
        raise UsageError(
            f"The images of {dataset.name} are {shape[0]} × {shape[1]} × {shape[2]}, the model reads "
            f"{card.channels} × {card.image_size} × {card.image_size} (channels, height, width)."
        )
    return dataset


def unknown_names(dataset: Dataset, card: ModelCard) -> list[str]:
    """Return the classes of a data set that a model does not know."""
    return [name for name in dataset.class_names if name not in card.class_names]


def in_model_order(split: Split, card: ModelCard) -> IntArray:
    """Return the test labels (N,) in the model's order of classes, which may not be the data set's."""
    labels = split.test.labels
    order = np.array([card.class_names.index(name) for name in split.class_names], dtype=np.int64)
    return np.where(labels >= 0, order[np.maximum(labels, 0)], labels)


def check_fits(dataset: Dataset, card: ModelCard) -> None:
    """Raise UsageError unless `dataset` has the model's classes."""
    missing = [name for name in card.class_names if name not in dataset.class_names]
    if missing:
        raise UsageError(
            f"The data set {dataset.name} lacks the model's classes {', '.join(missing)}; "
            f"give the data set it was trained on ({card.data}), and other images with --ood."
        )
