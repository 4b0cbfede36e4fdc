"""The operating point of a model, set anew: by known images, or by the calibration scores it keeps."""

from pathlib import Path
from typing import Any, NamedTuple, cast

import numpy as np

from euinet.data.sets.datasets import DATASETS
from euinet.data.split.holdout import split_dataset
from euinet.data.tables.reading import is_table, read_table
from euinet.errors import UsageError
from euinet.judging.material import find_data, tell_without_digests, unknown_names
from euinet.judging.reading import reading_of
from euinet.judging.record_store import copy_record, record_path
from euinet.model.bundled import MODELS_FOLDER
from euinet.model.card import ModelCard
from euinet.model.conformal import Calibration, check_alpha
from euinet.model.model import Model
from euinet.model.names import ONNX_SUFFIX
from euinet.model.opening import find_model, load
from euinet.records import Dataset, LabelledImages, joined
from euinet.system.files import expanded, is_folder
from euinet.system.notify import Notify


class KnownImages(NamedTuple):
    """Known images that a model never saw."""

    images: LabelledImages  # n, as the model reads them; of one with a backbone, what that makes of them
    source: str  # in words


def calibrate_saved(
    name: str,
    data: str | None,
    alpha: float,
    per_class: bool,
    out: Path | None,
    device: str,
    data_root: Path | None,
    notify: Notify,
    labels: Path | None = None,
) -> dict[str, Any]:
    """Calibrate the model `name`, write it to `out` (where it lies without), and return what was set.

    `name` may be an exported file; `out` is then one, too. Without `data` the calibration scores that the
    model keeps are used. Raises UsageError when alpha cannot be promised by so few images, and for a bundled
    model without `out`.
    """
    alpha = check_alpha(alpha)
    path = find_model(name)
    target = _target(name, path, out)
    model = load(name, device)
    if data is None:
        calibrated, source = model.with_alpha(alpha, per_class=per_class), "the scores that the model keeps"
    else:
        tell_without_digests(model.seen, notify)
        known = known_images(model, data, data_root, notify, labels)
        notify(f"Scoring {len(known.images)} known images …")
        calibrated, source = model.calibrated_by(known.images, alpha, per_class=per_class), known.source
        if copies := len(known.images) - calibrated.calibration_images:
            source += f", {copies} copies not counted"
    if target.suffix.lower() == ONNX_SUFFIX:
        calibrated.save_onnx(target)
    else:
        calibrated.save_pretrained(target)
    copy_record(record_path(path), record_path(target), model.description.network)
    calibration = cast(Calibration, calibrated.calibration)
    thresholds, count = calibration.thresholds(len(model.class_names)), len(calibration)
    expected = model.card.expects(alpha)
    return {
        "model": str(target),
        "alpha": alpha,
        "per_class": per_class,
        "calibration_images": count,
        "source": source,
        "expected": expected,
        "threshold": thresholds.tolist() if per_class else float(thresholds[0]),
        "sentence": f"At most {100 * alpha:g} % of known images are rejected by mistake"
        f"{', within those of each answer: a threshold for each class' if per_class else ''}. "
        f"{count} images promise it: {source}. {expected['sentence'] + ' ' if expected else ''}"
        f"Wrote {target}.",
    }


def _target(name: str, path: Path, out: Path | None) -> Path:
    if out is None:
        if path.parent == MODELS_FOLDER:
            raise UsageError(
                f"{name} comes with euinet and stays as it is: give --out for the calibrated model."
            )
        return path
    if path.is_file() and out.suffix.lower() != ONNX_SUFFIX:
        raise UsageError(f"{name} is an exported file: --out must be one, too, and end in {ONNX_SUFFIX}.")
    return out


def known_images(
    model: Model, data: str, data_root: Path | None, notify: Notify, labels: Path | None = None
) -> KnownImages:
    """Return the images of `data` that a model may be calibrated with: of its classes, and never seen by it.

    Of the data that it was trained on that is the calibration part; of other data all images; a folder
    without class folders is taken to hold known images alone. Raises UsageError when there are none.
    """
    card, reading = model.card, reading_of(model.card, model.backbone_graph, data_root, notify, labels)
    if data not in DATASETS and _is_unlabelled(card, data, labels):
        return KnownImages(reading.unlabelled(data), f"the images of {data}")
    dataset, training_data = find_data(reading, model.seen, data)
    unknown = unknown_names(dataset, card)
    if training_data:
        split = split_dataset(dataset, unknown, card.preset.data, card.seed)
        return KnownImages(split.calibration, f"the calibration part of {dataset.name}")
    if model.seen is None and card.data == dataset.name:
        raise UsageError(
            f"{data} has the name of the data that the model was trained on, but other images, and the model "
            "keeps no digests to tell which are new. If all are, give the folder another name."
        )
    found = _of_known_classes(dataset, card.class_names, unknown)
    if not len(found.images):
        raise UsageError(f"{data} has none of the model's classes, {', '.join(card.class_names)}.")
    return found


def _of_known_classes(dataset: Dataset, known: tuple[str, ...], unknown: list[str]) -> KnownImages:
    numbers = [dataset.class_names.index(name) for name in known if name in dataset.class_names]
    parts = (dataset.train, dataset.test)
    images = joined(*(part.where(np.isin(part.labels, numbers)) for part in parts))
    left = f", without {', '.join(unknown)}, which the model does not know" if unknown else ""
    return KnownImages(images, f"all images of {dataset.name}{left}")


def _is_unlabelled(card: ModelCard, data: str, labels: Path | None) -> bool:
    if card.reads_images:
        return _is_plain_folder(expanded(data))
    return labels is None and is_table(data) and read_table(data).labels is None


def _is_plain_folder(folder: Path) -> bool:
    return is_folder(folder) and not any(p.is_dir() and not p.name.startswith(".") for p in folder.iterdir())
