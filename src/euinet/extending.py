"""New classes for a model with a backbone, or of embeddings: what was rejected this week is a class by noon.

model's known embeddings + new images → parts → heads learned anew, in seconds → calibrated by old and new
"""

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from euinet.answers import IntArray
from euinet.data.split.fingerprint import image_digests
from euinet.errors import UsageError
from euinet.export.save import save_model
from euinet.fitting import fit_split, own_randomness
from euinet.judging.reading import reading_of
from euinet.model.known import KnownParts, load_known, save_known
from euinet.model.model import Model
from euinet.records import LabelledImages, LeftOut, Split, SplitPositions, joined
from euinet.system.class_names import check_new_classes
from euinet.system.files import expanded
from euinet.system.notify import Notify, silent
from euinet.system.words import counted
from euinet.training.devices import make_fabric

FEWEST = 3  # new images of a class: one to calibrate with, two to learn from
TO_CALIBRATE, TO_SET_RANGES = 0.2, 0.1  # shares of a class's new images
LEAST_WEIGHT = 0.25  # of the median class: a class with fewer images is shown as often as this


class Extended(NamedTuple):
    """A model with more classes, and what was added."""

    model: Model
    new_classes: tuple[str, ...]
    added: dict[str, int]  # images by class, as far as any were added


def extend(
    model: Model,
    data: str | Path,
    out: Path,
    *,
    alpha: float | None = None,
    data_root: Path | None = None,
    notify: Notify = silent,
) -> Extended:
    """Return a model that knows the classes of `data` as well, and write it to `out`.

    `data`: a folder with one subfolder a class, or what else `euinet train` takes; of a class that the model
    knows already they are more images. The backbone stays as it is; heads are learned anew by the same
    settings and seed from the known embeddings that lie beside the model, and calibrated by what was held
    back of old and new. `alpha`: the promise, the model's own without. Raises UsageError for a model that
    cannot be extended, images that it has seen, or too few.
    """
    card, folder = model.card, model.folder
    if not card.width or card.preset.model.logits_given or folder is None:
        raise UsageError(
            f"{model.name} cannot be given classes: only the folder of a model with a backbone, or of one "
            "that reads embeddings, can; others, and attached classifiers, must be trained anew."
        )
    kept = load_known(folder, card.width, len(card.class_names))
    images, names = _new_images(model, data, data_root, notify)
    fresh = ~np.isin(image_digests(images), np.concatenate([image_digests(part) for part in kept]))
    if copies := int((~fresh).sum()):
        notify(f"{counted(copies, 'image')} the model has already: left out.")
    images = images.where(fresh)
    _check_enough(images.labels, names, card.class_names)
    split = _joined(kept, images, names, card.seed)
    preset = card.preset
    wanted = alpha or model.alpha
    preset = preset.model_copy(update={"scoring": preset.scoring.model_copy(update={"alpha": wanted})})
    fabric = make_fabric("cpu")
    with own_randomness(fabric), tempfile.TemporaryDirectory() as temporary:
        shown = replace(split, train=_levelled(split.train, len(names)))
        frozen = model.backbone
        _, trained = fit_split(
            shown, preset, card.seed, Path(temporary), fabric, quiet=True, notify=notify, backbone=frozen
        )
    trained = replace(trained, card=replace(trained.card, command=None))
    saved = save_model(trained, out)
    save_known(split, out)
    counts = np.bincount(images.labels, minlength=len(names))
    return Extended(
        saved,
        names[len(card.class_names) :],
        {name: int(count) for name, count in zip(names, counts, strict=True) if count},
    )


def _new_images(
    model: Model, data: str | Path, data_root: Path | None, notify: Notify
) -> tuple[LabelledImages, tuple[str, ...]]:
    """Return new images as the model reads them, and all classes, the model's first."""
    reading = reading_of(model.card, model.backbone_graph, data_root, notify)
    found = reading.whole(expanded(data), notify)
    check_new_classes(found.class_names)
    return found.images, found.class_names


def _check_enough(labels: IntArray, names: Sequence[str], known: Sequence[str]) -> None:
    counts = np.bincount(labels, minlength=len(names))
    if not len(labels):
        raise UsageError("There is no image that the model has not seen: give new ones.")
    new = range(len(known), len(names))
    few = [f"{names[at]} ({counts[at]})" for at in new if counts[at] < FEWEST]
    if few:
        raise UsageError(
            f"A new class needs {FEWEST} images, different from each other, but there are fewer of "
            f"{', '.join(few)}: give more."
        )


def _joined(kept: KnownParts, images: LabelledImages, names: tuple[str, ...], seed: int) -> Split:
    """Return old and new in three parts; what is old stays in its part."""
    once = np.sort(np.unique(image_digests(images), return_index=True)[1])
    images = images.where(once)
    images = replace(images, images=np.asarray(images.images, np.float16))
    draw = np.random.default_rng(seed)
    chosen: dict[str, list[IntArray]] = {"train": [], "validation": [], "calibration": []}
    for label in np.unique(images.labels):
        order = draw.permutation(np.flatnonzero(images.labels == label))
        first = max(1, round(TO_CALIBRATE * len(order)))
        second = first + round(TO_SET_RANGES * len(order))
        parts = np.split(order, [first, second])
        for part, places in zip(("calibration", "validation", "train"), parts, strict=True):
            chosen[part].append(places)
    both = {
        part: joined(getattr(kept, part), images.where(np.concatenate(places)))
        for part, places in chosen.items()
    }
    positions = np.cumsum([0, *(len(part) for part in both.values())])
    spans = {
        part: np.arange(start, stop)
        for part, start, stop in zip(both, positions[:-1], positions[1:], strict=True)
    }
    nothing = np.empty(0, np.int64)
    return Split(
        dataset="extended",
        class_names=names,
        known_classes=tuple(range(len(names))),
        unknown_classes=(),
        unknown_names=(),
        test=images.where(nothing),
        positions=SplitPositions(**spans, test=nothing),
        left_out=LeftOut(),
        **both,
    )


def _levelled(images: LabelledImages, classes: int) -> LabelledImages:
    """Return training rows with those of small classes repeated: a handful must not drown among thousands."""
    counts = np.bincount(images.labels, minlength=classes)
    least = LEAST_WEIGHT * float(np.median(counts))
    times = np.maximum(1, np.ceil(least / np.maximum(counts, 1))).astype(int)
    return images.where(np.repeat(np.arange(len(images)), times[images.labels]))
