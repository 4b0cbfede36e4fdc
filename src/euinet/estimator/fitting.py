"""What needs torch behind the estimators: training on arrays, and reading a model row by row."""

import copy
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from euinet.answers import IntArray, StoredArray
from euinet.data.split.holdout import split_dataset
from euinet.fitting import fit_split, own_randomness
from euinet.presets import Preset
from euinet.records import Dataset, LabelledImages, Split
from euinet.system.notify import Notify
from euinet.trained.model import TrainedModel
from euinet.training.devices import DeviceName, make_fabric

Read = TypeVar("Read")


def part_images(
    images: StoredArray, labels: IntArray, class_names: tuple[str, ...], preset: Preset, seed: int
) -> Split:
    """Return images (n, C, S, S) or embeddings (n, d) with labels (n,), 0 … K−1, parted as the preset says.

    None are for a test.

    Raises DataError for a class with too few images.
    """
    known = LabelledImages(images, labels.astype(np.int64))
    nothing = np.empty(0, np.int64)
    return split_dataset(Dataset("X", class_names, known, known.where(nothing)), [], preset.data, seed)


def fitted_model(
    split: Split,
    images: npt.NDArray[np.uint8] | None,
    preset: Preset,
    seed: int,
    *,
    per_class: bool,
    device: DeviceName,
    quiet: bool,
    notify: Notify,
) -> TrainedModel:
    """Return a model trained on `split`, the preset's α promised or the least that can be, which is told.

    `images` (n, C, H, W): what was put into the squares of the split; None of embeddings. The model knows
    them again in that form too, in which they may be given to it later. No file stays, no global random state
    changes.

    Raises UsageError for a device that there is not or, with `per_class`, for too few calibration images,
    TrainingError when training diverged or learned nothing.
    """
    fabric = make_fabric(device)
    with own_randomness(fabric), tempfile.TemporaryDirectory() as folder:
        _, model = fit_split(split, preset, seed, Path(folder), fabric, quiet=quiet, notify=notify)
    learned = np.concatenate([split.positions.train, split.positions.validation])
    if images is not None and model.seen is not None:
        model = replace(model, seen=model.seen.also(images[learned], model.card.preprocessing))
    alpha = None if model.calibration is None else model.calibration.alpha
    return model.with_alpha(alpha, per_class=True) if per_class else model


def read_one_by_one(read: Callable[[StoredArray], Read], images: StoredArray) -> Read:
    """Return a model's `decide` or `predict` of images (n, C, S, S), n ≥ 1, each in a pass of its own.

    Libraries add in another order for another batch size and another place in the batch, on one thread too,
    and scikit-learn demands that a row's last digit depends on neither. It costs a millisecond or two a row:
    `model_.predict` is for many.
    """
    parts: list[dict[str, Any]] = []
    record: Any = None
    for image in images:
        record = read(image[None])
        parts.append({name: value for name, value in vars(record).items() if isinstance(value, np.ndarray)})
    joined: Read = replace(
        record, **{name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    )
    return joined


def on_cpu(model: TrainedModel) -> TrainedModel:
    """Return the model with its network on the CPU, a copy of it where it is elsewhere."""
    if next(model.network.parameters()).device.type == "cpu":
        return model
    return replace(model, network=copy.deepcopy(model.network).cpu())
