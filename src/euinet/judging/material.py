"""A model meets data: images it did not learn from, labelled in its order, and far sets in its geometry."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from euinet.answers import IntArray
from euinet.data.far.overlap import get_far_set
from euinet.data.far.sets import FarSet
from euinet.data.sets.datasets import DATASETS, load_dataset
from euinet.data.split.copies import usable_images
from euinet.data.split.fingerprint import dataset_fingerprint
from euinet.errors import UsageError
from euinet.judging.reading import NO_CLASS, Reading, check_shape
from euinet.model.card import ModelCard
from euinet.model.seen import SeenImages
from euinet.records import Dataset, LabelledImages, unknown_label
from euinet.system.files import expanded
from euinet.system.notify import Notify
from euinet.system.words import printable


class Material(NamedTuple):
    """What a model is judged on; nothing of it decides anything."""

    dataset: Dataset  # whose test part is judged
    labels: IntArray  # (N,) of its test images, 0 … K−1 in the model's order, negative = unknown
    unknown: dict[int, str]  # the classes that the model does not know: their numbers and names
    far: tuple[FarSet, ...]


def judging_material(reading: Reading, seen: SeenImages | None, data: str, far: tuple[str, ...]) -> Material:
    """Return what a model is judged on: images of `data` and the far sets, as it reads them.

    Of a model with a backbone that is what the backbone makes of them, for `Model.on_embeddings`.

    Of the data that it was trained on and of a named data set that is the test part, of another folder all
    images; of those with the same pixels one counts. All of a far set are unknown; those that are not are
    left out of it. Raises UsageError when `data` lacks the model's classes or has images of another shape,
    when the model has learned from some of the images, or when nothing is left of a far set; DataError for
    an image that is both known and unknown.
    """
    card, notify = reading.card, reading.notify
    tell_without_digests(seen, notify)
    dataset, _ = find_data(reading, seen, data)
    check_fits(dataset, card)
    unknown = {
        number: name for number, name in enumerate(dataset.class_names) if name not in card.class_names
    }
    nothing = dataset.train.where(np.empty(0, np.int64))
    _, counted, left_out = usable_images(replace(dataset, train=nothing), tuple(unknown))
    if told := left_out.sentence():
        notify(told)
    dataset = replace(dataset, test=dataset.test.where(counted))
    labels = in_model_order(dataset, card)
    if not (labels >= 0).any():
        raise UsageError(
            f"{data} has no images of the model's classes, {', '.join(card.class_names)}: add some."
        )
    sets = [get_far_set(name, dataset, card.class_names, reading.far, notify) for name in far]
    if seen is not None:
        seen.check_new(dataset.test, "judge")
        for one in sets:
            unlabelled = np.full(len(one.images), NO_CLASS)
            seen.check_new(LabelledImages(one.images, unlabelled, one.digests), "judge")
    return Material(dataset, labels, unknown, tuple(sets))


def find_data(reading: Reading, seen: SeenImages | None, data: str) -> tuple[Dataset, bool]:
    """Return the data set `data` as a model reads it, and whether it is what the model was trained on.

    A folder is known by its images and not by its name: it is the training data if it holds all that the
    model has learned from. Another folder's images are all in the test part. Raises UsageError for images of
    another shape than the model's.
    """
    card = reading.card
    if data not in DATASETS:
        dataset, trained_on = _find_folder(reading, seen, data)
        return in_model_names(card, dataset), trained_on
    dataset = reading.load(data)
    check_shape(dataset, card)
    return in_model_names(card, dataset), _has_its_fingerprint(card, dataset)


def in_model_names(card: ModelCard, dataset: Dataset) -> Dataset:
    """Return the very data set that a model was trained on with the names that the model has for its classes.

    They may have been changed since. Another data set stays as it is.
    """
    renamed = not set(card.class_names) <= set(dataset.class_names)
    if not renamed or card.data_fingerprint != dataset_fingerprint(dataset):
        return dataset
    names = [f"{name} (held out)" if name in card.class_names else name for name in dataset.class_names]
    for number, name in zip(card.known_classes, card.class_names, strict=True):
        names[number] = name
    return replace(dataset, class_names=tuple(names))


def tell_without_digests(seen: SeenImages | None, notify: Notify) -> None:
    """Say so where a model cannot tell what it has learned from."""
    if seen is None:
        notify("The model keeps no digests of its training images: whether these are new is not known.")


def unknown_names(dataset: Dataset, card: ModelCard) -> list[str]:
    """Return the classes of a data set that a model does not know."""
    return [name for name in dataset.class_names if name not in card.class_names]


def in_model_order(dataset: Dataset, card: ModelCard) -> IntArray:
    """Return the test labels (N,) in the model's order of classes, which may not be the data set's."""
    places = [
        card.class_names.index(name) if name in card.class_names else unknown_label(number)
        for number, name in enumerate(dataset.class_names)
    ]
    labels: IntArray = np.array(places, dtype=np.int64)[dataset.test.labels]
    return labels


def check_fits(dataset: Dataset, card: ModelCard) -> None:
    """Raise UsageError unless `dataset` has the model's classes."""
    missing = [name for name in card.class_names if name not in dataset.class_names]
    if missing:
        raise UsageError(
            f"The data set {dataset.name} lacks the model's classes {', '.join(missing)}; "
            f"give the data set it was trained on ({card.data}), and other images with --ood."
        )


def _find_folder(reading: Reading, seen: SeenImages | None, data: str) -> tuple[Dataset, bool]:
    folder, card = expanded(data), reading.card
    if not reading.is_given(data):
        load_dataset(data, reading.data_root)  # raises: it is no data set either
    folder = folder.resolve()
    if seen is None:
        dataset = reading.load(data)
        if _has_its_fingerprint(card, dataset):
            return dataset, True
    told: list[str] = []  # said once, of what is used
    whole = reading.whole(folder, told.append)
    if seen is not None and seen.all_among(whole.images):
        return reading.load(data), True
    for sentence in told:
        reading.notify(sentence)
    nothing = whole.images.where(np.empty(0, np.int64))
    return Dataset(printable(folder.name), whole.class_names, nothing, whole.images), False


def _has_its_fingerprint(card: ModelCard, dataset: Dataset) -> bool:
    recorded = card.data_fingerprint
    return card.data == dataset.name if recorded is None else recorded == dataset_fingerprint(dataset)
