"""New classes for a model with a backbone, or of embeddings, and more images for old ones.

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
from euinet.extending.parts import levelled, old_and_new
from euinet.fitting import fit_split, own_randomness
from euinet.judging.reading import reading_of
from euinet.model.known import load_known, save_known
from euinet.model.model import Model
from euinet.records import LabelledImages
from euinet.system.class_names import check_new_classes
from euinet.system.files import expanded
from euinet.system.notify import Notify, silent
from euinet.system.words import counted
from euinet.training.devices import make_fabric

FEWEST = 3  # new images of a class: one to calibrate with, two to learn from


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
    split = old_and_new(kept, images, names, card.seed)
    preset = card.preset
    wanted = alpha or model.alpha
    preset = preset.model_copy(update={"scoring": preset.scoring.model_copy(update={"alpha": wanted})})
    fabric = make_fabric("cpu")
    with own_randomness(fabric), tempfile.TemporaryDirectory() as temporary:
        shown = replace(split, train=levelled(split.train, len(names)))
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
