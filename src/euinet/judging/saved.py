"""A saved model on a data set's test images and on far sets: what `euinet evaluate` does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from euinet.answers import IntArray
from euinet.data.far.overlap import get_far_set
from euinet.data.sets.datasets import DATASET_NAMES, load_dataset
from euinet.data.split.holdout import hold_out_classes
from euinet.errors import UsageError
from euinet.judging.evaluate import decision_metrics, far_decision_metrics
from euinet.judging.record_make import FarScores, make_record
from euinet.judging.record_store import RECORD_FILE, model_fingerprint, save_record
from euinet.pretrained import MODELS_FOLDER
from euinet.records import Dataset, Split
from euinet.system.notify import Notify
from euinet.trained.model import ModelCard, load_model
from euinet.training.devices import DeviceName, make_fabric


def evaluate_saved(
    folder: Path,
    data: str,
    far_sets: tuple[str, ...],
    device: DeviceName,
    data_root: Path | None,
    notify: Notify,
    *,
    record: bool = False,
) -> dict[str, Any]:
    """Return the metrics of the model in `folder` on `data`'s test images and on each far set.

    The classes the model does not know are unknown; all images of a far set are, and those that are not are
    left out of it. With `record` the answers are kept beside the model (test_record/). Raises UsageError when
    `data` has other classes or images of another shape than the model was trained on, or when nothing is left
    of a far set.
    """
    fabric = make_fabric(device, "32-true")
    model = load_model(folder, fabric.device)
    card = model.card
    image_size = None if data in DATASET_NAMES else card.image_size  # named sets keep their own
    dataset = load_dataset(data, data_root, image_size=image_size, notify=notify)
    check_fits(dataset, card)
    # before anything is scored: a wrong path must not cost minutes
    geometry = (card.channels, card.image_size)
    far = [get_far_set(name, dataset, card.class_names, geometry, data_root, notify) for name in far_sets]
    unknown = [name for name in dataset.class_names if name not in card.class_names]
    split = hold_out_classes(dataset, unknown, seed=card.seed)

    notify(f"Scoring {len(split.test)} test images …")
    labels = in_model_order(split, card)
    decision = model.decide(split.test.images)
    metrics: dict[str, Any] = {
        "data": dataset.name,
        "held_out": list(split.unknown_classes),
        "preset": card.preset.name,
        "seed": card.seed,
        "alpha": None if model.calibration is None else model.calibration.alpha,
        **decision_metrics(decision, labels),
        "train_seconds": card.metrics.get("train_seconds"),
        "device": str(fabric.device),
        "versions": card.metrics.get("versions", {}),
    }
    known_scores = decision.ood_score[labels >= 0]
    metrics["far"] = {}
    far_scores = []
    for far_set in far:
        notify(f"Scoring {len(far_set.images)} images of {far_set.name} …")
        far_scores.append(FarScores(far_set.name, model.decide(far_set.images)))
        metrics["far"][far_set.name] = far_decision_metrics(far_scores[-1].decision, known_scores, far_set)
    if record:
        held_out = dict(zip(split.unknown_classes, split.unknown_names, strict=True))
        made = make_record(
            *(dataset.name, card.class_names, decision, labels, held_out, far_scores),
            model_fingerprint(folder),
        )
        save_record(made, folder)
        notify(f"Wrote the test record of {len(made)} images, {folder / RECORD_FILE}.")
    return metrics


def check_may_record(name: str, folder: Path) -> None:
    """Raise UsageError where a user's record would be written into the package."""
    if folder.parent == MODELS_FOLDER:
        raise UsageError(
            f"{name} comes with euinet and keeps the test record that it came with: copy its folder first "
            f"({folder}), and give the copy."
        )


def in_model_order(split: Split, card: ModelCard) -> IntArray:
    """Return the test labels (N,) in the model's order of classes, which may not be the data set's."""
    labels = split.test.labels
    order = np.array([card.class_names.index(name) for name in split.class_names], dtype=np.int64)
    return np.where(labels >= 0, order[np.maximum(labels, 0)], labels)


def check_fits(dataset: Dataset, card: ModelCard) -> None:
    """Raise UsageError unless `dataset` has the model's classes and images of the model's shape."""
    missing = [name for name in card.class_names if name not in dataset.class_names]
    if missing:
        raise UsageError(
            f"The data set {dataset.name} lacks the model's classes {', '.join(missing)}; "
            f"give the data set it was trained on ({card.data}), and other images with --ood."
        )
    check_shape(dataset, card)


def check_shape(dataset: Dataset, card: ModelCard) -> None:
    """Raise UsageError unless the images of `dataset` have the model's shape."""
    shape = tuple(dataset.test.images.shape[1:])
    if shape != (card.channels, card.image_size, card.image_size):
        raise UsageError(
            f"The images of {dataset.name} are {shape[0]} × {shape[1]} × {shape[2]}, the model reads "
            f"{card.channels} × {card.image_size} × {card.image_size} (channels, height, width)."
        )
