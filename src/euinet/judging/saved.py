"""A saved model on a data set's test images and on far sets: what `euinet evaluate` does."""

from pathlib import Path
from typing import Any

import numpy as np

from euinet.answers import FloatArray
from euinet.errors import UsageError
from euinet.judging.evaluate import decision_metrics, far_decision_metrics, near_metrics
from euinet.judging.material import judging_material
from euinet.judging.reading import reading_of
from euinet.judging.record_make import FarScores, make_record
from euinet.judging.record_store import record_path, save_record
from euinet.judging.verdict import verdict
from euinet.model.bundled import MODELS_FOLDER
from euinet.model.conformal import Calibration
from euinet.model.model import Model
from euinet.system.notify import Notify


def evaluate_saved(
    model: Model,
    data: str,
    far_sets: tuple[str, ...],
    data_root: Path | None,
    notify: Notify,
    *,
    record: Path | None = None,
    labels_file: Path | None = None,
) -> dict[str, Any]:
    """Return the metrics of a model on images of `data` and on each far set; see `judging_material`.

    The classes the model does not know are unknown. With `record` the answers are kept in that file
    (judging/record.py). Raises as `judging_material` does.
    """
    card = model.card
    reading = reading_of(card, model.backbone_graph, data_root, notify, labels_file)
    # before anything is scored: a wrong path must not cost minutes
    dataset, labels, unknown, far = judging_material(reading, model.seen, data, far_sets)
    notify(f"Scoring {len(labels)} test images of {dataset.name} …")
    judged = model.on_embeddings  # a backbone has done its part, in the material
    decision = judged.decide(dataset.test.images)
    metrics: dict[str, Any] = {
        "data": dataset.name,
        "held_out": list(unknown),
        "preset": card.preset.name,
        "seed": card.seed,
        "alpha": model.alpha,
        **decision_metrics(decision, labels),
        "near": near_metrics(decision, labels, unknown),
        "train_seconds": card.metrics.get("train_seconds"),
        "device": model.device,
        "versions": card.metrics.get("versions", {}),
    }
    known_scores = decision.ood_score[labels >= 0]
    metrics["far"] = {}
    far_scores = []
    for far_set in far:
        notify(f"Scoring {len(far_set.images)} images of {far_set.name} …")
        far_scores.append(FarScores(far_set.name, judged.decide(far_set.images)))
        metrics["far"][far_set.name] = far_decision_metrics(far_scores[-1].decision, known_scores, far_set)
    tell_if_calibrated_with(known_scores, model.calibration, notify)
    metrics["expected"] = card.expects(model.alpha)
    metrics["verdict"] = verdict(metrics, len(card.class_names), model.calibration)
    if record is not None:
        made = make_record(
            *(dataset.name, card.class_names, decision, labels, unknown, far_scores),
            model.description.network,
        )
        save_record(made, record)
        notify(f"Wrote the test record of {len(made)} images, {record}.")
    return metrics


def tell_if_calibrated_with(
    scores: FloatArray, calibration: Calibration | None, notify: Notify, chance: float = 0.01
) -> None:
    """Say so where known images (N,) have the very scores of calibration images, more than by `chance`.

    These set the threshold, so that their share rejected shows nothing.
    """
    same = 0 if calibration is None else int(np.isin(scores, calibration.scores).sum())
    if same > max(1, chance * len(scores)):
        notify(
            f"{same} of {len(scores)} known images have the very scores of calibration images: they set the "
            "threshold, and what is rejected of them does not show whether the promise is kept."
        )


def own_record(name: str, path: Path) -> Path:
    """Return where the test record of the user's model at `path` stands.

    Raises UsageError where it would be written into the package.
    """
    if path.parent == MODELS_FOLDER:
        raise UsageError(
            f"{name} comes with euinet and keeps the test record that it came with: copy its folder first "
            f"({path}), and give the copy."
        )
    return record_path(path)
