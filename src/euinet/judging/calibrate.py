"""The operating point of a saved model, set anew: by known images, or by the calibration scores it keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from euinet.answers import PixelArray
from euinet.data.sets.datasets import DATASET_NAMES, load_dataset
from euinet.data.split.fingerprint import dataset_fingerprint
from euinet.data.split.holdout import split_dataset
from euinet.errors import DataError, UsageError
from euinet.images.inputs import find_inputs
from euinet.judging.record_store import copy_record
from euinet.judging.saved import check_shape
from euinet.model.conformal import Calibration, check_alpha
from euinet.pretrained import MODELS_FOLDER, resolve_model
from euinet.records import Dataset
from euinet.system.notify import Notify
from euinet.trained.model import Model, load_model
from euinet.training.devices import DeviceName, make_fabric


class KnownImages(NamedTuple):
    """Known images that a model never saw."""

    images: PixelArray  # (n, C, H, W)
    source: str  # in words


def calibrate_saved(
    name: str,
    data: str | None,
    alpha: float,
    per_class: bool,
    out: Path | None,
    device: DeviceName,
    data_root: Path | None,
    notify: Notify,
) -> dict[str, Any]:
    """Calibrate the model `name`, write it to `out` (its own folder without), and return what was set.

    Without `data` the calibration scores that the model keeps are used. Raises UsageError when alpha cannot
    be promised by so few images, and for a bundled model without `out`.
    """
    check_alpha(alpha)
    folder = resolve_model(name)
    if out is None and folder.parent == MODELS_FOLDER:
        raise UsageError(f"{name} comes with euinet and stays as it is: give --out for the calibrated model.")
    model = load_model(folder, make_fabric(device, "32-true").device)
    if data is None:
        calibrated, source = model.with_alpha(alpha, per_class=per_class), "the scores that the model keeps"
    else:
        known = known_images(model, data, data_root, notify)
        notify(f"Scoring {len(known.images)} known images …")
        calibrated, source = model.calibrate(known.images, alpha, per_class=per_class), known.source
    calibrated.save_pretrained(out or folder)
    if out is not None:
        copy_record(folder, out)
    calibration = cast(Calibration, calibrated.calibration)
    thresholds, count = calibration.thresholds(len(model.card.class_names)), len(calibration)
    return {
        "model": str(out or folder),
        "alpha": alpha,
        "per_class": per_class,
        "calibration_images": count,
        "source": source,
        "threshold": thresholds.tolist() if per_class else float(thresholds[0]),
        "sentence": f"At most {100 * alpha:g} % of known images are rejected by mistake. "
        f"{count} images promise it: {source}. Wrote {out or folder}.",
    }


def known_images(model: Model, data: str, data_root: Path | None, notify: Notify) -> KnownImages:
    """Return the images of `data` that a model may be calibrated with: of its classes, and never seen by it.

    Of the data that it was trained on that is the calibration part; of other data all images; a folder
    without class folders is taken to hold known images alone. Raises UsageError when there are none, or when
    `data` has the training data's name but not its images: some of them may have been trained on.
    """
    card = model.card
    if data not in DATASET_NAMES and _is_plain_folder(Path(data).expanduser()):
        return _plain_folder(model, data, notify)
    image_size = None if data in DATASET_NAMES else card.image_size
    dataset = load_dataset(data, data_root, image_size=image_size, notify=notify)
    check_shape(dataset, card)
    unknown = [name for name in dataset.class_names if name not in card.class_names]
    if len(dataset.class_names) == len(unknown):
        raise UsageError(f"{data} has none of the model's classes, {', '.join(card.class_names)}.")
    same_name = card.data == dataset.name
    if same_name and card.data_fingerprint in (None, dataset_fingerprint(dataset)):
        split = split_dataset(dataset, unknown, card.preset.data, card.seed)
        return KnownImages(split.calibration.images, f"the calibration part of {dataset.name}")
    if same_name:
        raise UsageError(
            f"{data} has the name of the data that the model was trained on, but other images: some may have "
            "been trained on, and such images promise nothing. If all are new, give the folder another name."
        )
    return _of_known_classes(dataset, card.class_names, unknown)


def _of_known_classes(dataset: Dataset, known: tuple[str, ...], unknown: list[str]) -> KnownImages:
    numbers = [dataset.class_names.index(name) for name in known if name in dataset.class_names]
    parts = (dataset.train, dataset.test)
    images = np.concatenate([part.images[np.isin(part.labels, numbers)] for part in parts])
    left = f", without {', '.join(unknown)}, which the model does not know" if unknown else ""
    return KnownImages(images, f"all images of {dataset.name}{left}")


def _is_plain_folder(folder: Path) -> bool:
    return folder.is_dir() and not any(p.is_dir() and not p.name.startswith(".") for p in folder.iterdir())


def _plain_folder(model: Model, data: str, notify: Notify) -> KnownImages:
    reads = [read for source in find_inputs([data]).sources for read in source.read(model.card.preprocessing)]
    good = [read.pixels for read in reads if read.pixels is not None]
    broken = [read.error for read in reads if read.error]
    if not good:
        raise DataError(f"No image of {data} can be read; the first: {broken[0]}")
    if broken:
        notify(f"{len(broken)} of {len(reads)} files were left out, the first because {broken[0]}")
    return KnownImages(np.stack(good), f"the images of {data}")
