"""A reject option for a classifier that runs: its answers stay, EuiNet says when not to believe them.

classifier → graph of features and logits → rows of known images → parts → discriminator and memory on the
features, active threshold, promise → a model with the classifier in its one file
"""

import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor, nn

from euinet.answers import Float32Array
from euinet.attached.classifiers import (
    Attached,
    Classifier,
    classes_of,
    declared_colours,
    declared_names,
    from_file,
    from_module,
    read_rows,
    with_features,
)
from euinet.attached.known import (
    UNLABELLED,
    a_few_labelled,
    given_labels,
    known_from_folder,
    known_from_images,
    part_known,
    with_answers,
)
from euinet.attached.normalising import Colours, best_normalising, normalising
from euinet.errors import ExportError, UsageError
from euinet.export.save import runtime_model, save_model
from euinet.fitting import fit_split, own_randomness
from euinet.images.given import read_images
from euinet.model.backbone import OnnxEmbedder
from euinet.model.conformal import check_alpha
from euinet.model.model import Model
from euinet.presets import WITH_LOGITS, get_preset, setting_text
from euinet.records import LabelledImages
from euinet.system.files import expanded, is_folder
from euinet.system.notify import Notify, silent
from euinet.training.devices import make_fabric

TRIED = 200  # known images on which ways to normalise are compared


class Rows(NamedTuple):
    """What a classifier says of known images."""

    known: LabelledImages  # rows (N, F+K)
    classes: int  # K
    class_names: tuple[str, ...] | None
    attached: Attached | None  # None: it cannot be a graph


def attach(
    classifier: nn.Module | str | Path,
    known: Any,
    labels: Sequence[Any] | None = None,
    *,
    class_names: Sequence[str] | None = None,
    alpha: float | None = 0.01,
    image_size: int | None = None,
    normalise: str = "",
    layer: str | None = None,
    logits: str = "",
    features: str = "",
    settings: Mapping[str, Any] | None = None,
    seed: int = 0,
    data_root: Path | None = None,
    out: str | Path | None = None,
    notify: Notify = silent,
    progress: Notify = silent,
) -> Model:
    """Return a model that answers as `classifier` does, or says "none of these"; α is promised.

    `classifier`: a module of torch that gives logits (B, K), as a tensor or under `.logits`, or an ONNX file.
    It is neither changed nor trained. `known`: images of its classes that it was not trained on, for the
    promise is of such: a folder, or what `Model.predict` takes, or a loader of batches (inputs, labels) or
    inputs, as the module reads them. `labels`: names or numbers from 0; without any, those of class folders,
    else the classifier's own answers. `class_names`: K, in the order of the logits; without, those that the
    classifier carries with it, those of the class folders, or "class 0" ….

    `image_size`, `normalise` (a name of `normalising.KNOWN`, or means/deviations): how the classifier reads
    images, where it does not say so itself. Without, the way is taken by which it is most often right, and
    `notify` told. `layer`: the last linear layer of a module; `logits`, `features`: tensors of a file, where
    they are not found. `settings`: of the preset embeddings. `out`: a folder for the model.

    A module that cannot be written as ONNX gives a model that reads rows of `classifier_rows`, and `notify`
    is told why. Raises UsageError, DataError and StorageError, one sentence each.
    """
    promised = None if alpha is None else check_alpha(alpha)
    wanted = {**WITH_LOGITS, "scoring.alpha": promised, **(settings or {})}
    preset = get_preset("embeddings", {path: setting_text(path, value) for path, value in wanted.items()})
    names = None if class_names is None else tuple(map(str, class_names))
    if names is None and labels is not None and all(isinstance(label, str) for label in labels):
        names = tuple(sorted(set(labels)))  # as the folders of a folder
    if isinstance(classifier, nn.Module) and _is_loader(known):
        rows = _rows_of_loader(classifier, known, normalise, layer, notify)
    else:
        found = (
            from_module(classifier, image_size, layer)
            if isinstance(classifier, nn.Module)
            else from_file(expanded(classifier), image_size, logits, features)
        )
        names = names or found.class_names
        rows = _rows_of_images(found, known, labels, names, normalise, data_root, notify, progress)
    names, images = names or rows.class_names, rows.known
    if labels is not None:
        images = replace(images, labels=given_labels(labels, names, len(images)))
    all_known = with_answers(images, rows.classes, names)
    split = part_known(all_known, _name_of(known), seed)
    for told in (_right(images, rows.classes), split.left_out.sentence(), _parts(split)):
        if told:
            notify(told)
    fabric, frozen = make_fabric("cpu"), rows.attached.backbone if rows.attached else None
    with own_randomness(fabric), tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "training"
        fitted = fit_split(split, preset, seed, folder, fabric, quiet=True, notify=notify, backbone=frozen)
    if out is None:
        return runtime_model(fitted.model, "attached")
    return save_model(fitted.model, Path(out) / "model")


def classifier_rows(classifier: nn.Module, inputs: Tensor, layer: str | None = None) -> Float32Array:
    """Return what a classifier's last linear layer reads and gives, (B, F+K): rows for a model of embeddings.

    `inputs` (B, …) as the classifier reads them. Raises UsageError where it has no such layer.
    """
    return read_rows(with_features(classifier, layer, inputs[:1]), inputs)


def _rows_of_images(
    found: Classifier,
    known: Any,
    labels: Sequence[Any] | None,
    names: tuple[str, ...] | None,
    normalise: str,
    data_root: Path | None,
    notify: Notify,
    progress: Notify,
) -> Rows:
    colours = normalising(normalise, found.reads.channels) if normalise else found.declared
    if colours is None:
        colours = _best_colours(found, known, labels, names, notify)
    attached = found.graph(colours)
    embedder = OnnxEmbedder(attached.backbone.content, found.reads)
    if isinstance(known, str | Path) and is_folder(place := expanded(known)):
        images, own = known_from_folder(place, embedder, names, data_root, notify, progress)
        return Rows(images, attached.classes, own, attached)
    return Rows(known_from_images(known, embedder), attached.classes, None, attached)


def _best_colours(
    found: Classifier,
    known: Any,
    labels: Sequence[Any] | None,
    names: tuple[str, ...] | None,
    notify: Notify,
) -> Colours:
    """Return the way to normalise under which the classifier is most often right on some known images."""
    images, numbers = a_few_labelled(known, labels, names, TRIED, found.reads)
    if not images:
        next(iter(read_images(known, found.reads)), None)  # raises where there is no image at all
        raise UsageError(
            f"How {found.name} wants pixels to be normalised is not known, and without labels it cannot be "
            "found out: say it (--normalise imagenet, 0..1, -1..1, 0..255, or means/deviations)."
        )
    channels = found.reads.channels

    def accuracy(name: str) -> tuple[float, int]:
        attached = found.graph(normalising(name, channels))
        rows = known_from_images(images, OnnxEmbedder(attached.backbone.content, found.reads)).images
        answers = np.asarray(rows)[:, -attached.classes :].argmax(axis=1)
        return float((answers == numbers).mean()), attached.classes

    name, told = best_normalising(accuracy)
    notify(told)
    return normalising(name, channels)


def _rows_of_loader(
    module: nn.Module, loader: Iterable[Any], normalise: str, layer: str | None, notify: Notify
) -> Rows:
    """Return rows of what a loader gives, and the graph where it is known how pixels become that."""
    rows, labels, tapped = [], [], None
    for batch in loader:
        pair = isinstance(batch, tuple | list) and len(batch) == 2
        inputs, target = batch if pair else (batch, None)
        if not isinstance(inputs, Tensor):
            raise UsageError(
                f"The loader gives {type(inputs).__name__}, but must give tensors, or pairs of inputs and "
                "labels."
            )
        tapped = tapped or with_features(module, layer, inputs[:1])
        rows.append(read_rows(tapped, inputs))
        labels.append(np.full(len(inputs), UNLABELLED) if target is None else np.asarray(target, np.int64))
        shape = tuple(inputs.shape[1:])
    if tapped is None:
        raise UsageError("The loader gives no batch: give one with known images.")
    known = LabelledImages(np.concatenate(rows), np.concatenate(labels))
    attached = _graph_of_inputs(tapped.classifier, shape, normalise, tapped.layer, notify)
    return Rows(known, classes_of(tapped, rows[0]), declared_names(module), attached)


def _graph_of_inputs(
    module: nn.Module, shape: tuple[int, ...], normalise: str, layer: str, notify: Notify
) -> Attached | None:
    """Return a module's graph for pixels that become inputs of this shape; None, and why, if it has none."""
    if len(shape) != 3 or shape[0] not in (1, 3) or shape[1] != shape[2]:
        notify(f"Inputs of the shape {shape} are no square images: the model reads rows of classifier_rows.")
        return None
    if not normalise and declared_colours(module) is None:
        notify(
            "How pixels become what the loader gives is not known: the model reads rows of classifier_rows. "
            "With normalise it would read images."
        )
        return None
    found = from_module(module, shape[1], layer)
    try:
        return found.graph(normalising(normalise, shape[0]) if normalise else found.declared or ((), ()))
    except ExportError as error:
        notify(f"{error} The model reads rows of classifier_rows instead.")
        return None


def _right(images: LabelledImages, classes: int) -> str:
    labelled = np.flatnonzero(images.labels >= 0)
    if not len(labelled):
        return ""
    answers = np.asarray(images.images[labelled])[:, -classes:].argmax(axis=1)
    share = (answers == images.labels[labelled]).mean()
    return f"The classifier is right on {share:.2%} of {len(labelled):,} labelled known images."


def _parts(split: Any) -> str:
    return (
        f"{len(split.train):,} known images to learn from, {len(split.validation):,} to set ranges by, "
        f"{len(split.calibration):,} to promise. The promise is of images that the classifier was not "
        "trained on: if it was on these, it is not kept."
    )


def _is_loader(known: Any) -> bool:
    """Return whether this gives batches as a module reads them: a DataLoader, or what iterates as one."""
    from torch.utils.data import DataLoader

    return isinstance(known, DataLoader)


def _name_of(known: Any) -> str:
    return expanded(known).resolve().name if isinstance(known, str | Path) else "known images"
