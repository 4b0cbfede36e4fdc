"""A trained model on a split: EuiNet's decision, its parts alone, the baselines, all on the same images."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from euinet.data.far.sets import FarSet
from euinet.judging.metrics import (
    closed_set_accuracy,
    decide_at,
    detection_metrics,
    id_accuracy,
    ood_accuracy,
    oscr,
)
from euinet.model.card import LogitRange
from euinet.presets import ScoringSettings
from euinet.records import Decision, DetectorResult, FloatArray, Split
from euinet.scoring.baselines import (
    gan_discriminator_scores,
    threshold_accepting,
    vanilla_odin_scores,
)
from euinet.scoring.inference import decide_from_scores, raw_scores
from euinet.scoring.threshold import RawScores
from euinet.trained.model import Model

DESCRIPTIONS = {
    "EuiNet": "Eq. 4's active threshold minus the best class score, after the perturbation.",
    "EuiNet, no perturbation": "The same with ε = 0.",
    "maximum logit": "The classifier alone: minus its best logit.",
    "model discriminator": "The model discriminator alone: h.",
    "vanilla ODIN": "Minus the best softmax probability at T = 1000, ε = 0.0012 (Liang et al. 2018).",
    "GAN discriminator": "What the GAN's own discriminator holds for fake (Ryu et al. 2018).",
}
"""What each detector's score is. The first four reject the same share of known validation images,
`known_rejected`; the two baselines 5 %, as ODIN's paper does."""


def decision_metrics(decision: Decision, labels: np.ndarray) -> dict[str, float | int | None]:
    """Return the measures of EuiNet's decision on test labels (N,), negative = unknown; fractions.

    Those that need unknown images are None where there are none.
    """
    measures: dict[str, float | int | None] = {
        "n_id": int((labels >= 0).sum()),
        "n_ood": int((labels < 0).sum()),
        "id_accuracy": id_accuracy(decision.labels, labels),
        "closed_set_accuracy": closed_set_accuracy(decision.classifier_labels, labels),
    }
    if measures["n_ood"] == 0:
        return measures | dict.fromkeys(("ood_accuracy", "auroc", "fpr95", "aupr_in", "aupr_out", "oscr"))
    return (
        measures
        | {"ood_accuracy": ood_accuracy(decision.labels, labels)}
        | detection_metrics(decision.ood_score, labels)
        | {"oscr": oscr(decision.ood_score, decision.classifier_labels, labels)}
    )


def euinet_decision(
    model: nn.Module,
    images: Tensor,
    settings: ScoringSettings,
    logit_range: LogitRange,
    thresholds: Tensor | None = None,
) -> Decision:
    """Return EuiNet's decision for uint8 images (N, C, H, W); thresholds (K,) as in `joint.decide`."""
    return decide_from_scores(raw_scores(model, images, settings), settings, logit_range, thresholds)


def far_metrics(model: Model, known_scores: FloatArray, far: FarSet) -> dict[str, float | int | str]:
    """Return auroc, fpr95, the share rejected, the count and, if there is one, the remark of a far set.

    `known_scores`: the `ood_score` (N,) of the known test images that it is told apart from.
    """
    return far_decision_metrics(model.decide(far.images), known_scores, far)


def far_decision_metrics(
    decision: Decision, known_scores: FloatArray, far: FarSet
) -> dict[str, float | int | str]:
    """Return what `far_metrics` does, of a far set's decision that was taken already."""
    scores = np.concatenate([known_scores, decision.ood_score])
    labels = np.concatenate([np.zeros(len(known_scores), np.int64), np.full(len(far.images), -1, np.int64)])
    measures = detection_metrics(scores, labels)
    found: dict[str, float | int | str] = {
        "auroc": measures["auroc"],
        "fpr95": measures["fpr95"],
        "ood_accuracy": ood_accuracy(decision.labels, labels[len(known_scores) :]),
        "n_ood": len(far.images),
    }
    return found | ({"remark": far.remark} if far.remark else {})


def compare_detectors(
    model: nn.Module,
    gan_discriminator: nn.Module | None,
    split: Split,
    settings: ScoringSettings,
    logit_range: LogitRange,
    decision: Decision,
) -> tuple[DetectorResult, ...]:
    """Return EuiNet's result on `split.test`, then its parts' alone, then the baselines'.

    Thresholds of all but EuiNet are read off `split.validation`: its parts reject the same share of
    known images as EuiNet's preset asks for, the baselines 5 %, as ODIN's paper does.
    """
    labels = split.test.labels.numpy()
    validation, test = split.validation.images, split.test.images

    def result(name: str, description: str, ood_score: Tensor, threshold: float) -> DetectorResult:
        scores = ood_score.numpy()
        decided = decide_at(scores, threshold, decision.classifier_labels)
        measures = detection_metrics(scores, labels)
        return DetectorResult(
            name=name,
            description=description,
            ood_score=scores,
            threshold=threshold,
            auroc=measures["auroc"],
            fpr95=measures["fpr95"],
            id_accuracy=id_accuracy(decided, labels),
            ood_accuracy=ood_accuracy(decided, labels),
        )

    own = torch.from_numpy(decision.ood_score)
    rows = [result("EuiNet", DESCRIPTIONS["EuiNet"], own, float(decision.threshold[0]))]

    # EuiNet's parts need no perturbation: one pass serves all three.
    plain = settings.model_copy(update={"epsilon": 0.0})
    known_raw, test_raw = raw_scores(model, validation, plain), raw_scores(model, test, plain)
    parts: dict[str, Callable[[RawScores], Tensor]] = {
        "EuiNet, no perturbation": lambda raw: torch.from_numpy(
            decide_from_scores(raw, plain, logit_range).ood_score
        ),
        "maximum logit": lambda raw: -raw.class_logits.amax(dim=1),
        "model discriminator": lambda raw: raw.disc_score,
    }
    for name, score in parts.items():
        threshold = threshold_accepting(score(known_raw), 1 - settings.known_rejected)
        rows.append(result(name, DESCRIPTIONS[name], score(test_raw), threshold))

    baselines: dict[str, Callable[[Tensor], Tensor]] = {
        "vanilla ODIN": lambda images: vanilla_odin_scores(model, images)
    }
    if gan_discriminator is not None:
        baselines["GAN discriminator"] = lambda images: gan_discriminator_scores(gan_discriminator, images)
    for name, score_images in baselines.items():
        threshold = threshold_accepting(score_images(validation))
        rows.append(result(name, DESCRIPTIONS[name], score_images(test), threshold))
    return tuple(rows)


def detector_table(detectors: Sequence[DetectorResult]) -> dict[str, dict[str, float]]:
    """Return the detectors' measures as plain values, for metrics.json."""
    keys = ("auroc", "fpr95", "id_accuracy", "ood_accuracy", "threshold")
    return {d.name: {key: float(getattr(d, key)) for key in keys} for d in detectors}
