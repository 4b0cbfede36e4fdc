"""A trained network on a split: EuiNet's decision, its parts alone, the baselines, all on the same images."""

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from euinet.answers import FloatArray, PixelArray
from euinet.errors import TrainingError
from euinet.judging.metrics import decide_at, detection_metrics, id_accuracy, ood_accuracy
from euinet.model.card import LogitRange
from euinet.presets import ScoringSettings
from euinet.records import Decision, DetectorResult, Split
from euinet.scoring.baselines import gan_discriminator_scores, threshold_accepting, vanilla_odin_scores
from euinet.scoring.inference import decide_from_scores, raw_scores
from euinet.scoring.threshold import RawScores

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


def euinet_decision(
    model: nn.Module,
    images: PixelArray | Tensor,
    settings: ScoringSettings,
    logit_range: LogitRange,
    thresholds: Tensor | None = None,
) -> Decision:
    """Return EuiNet's decision for uint8 images (N, C, H, W); thresholds (K,) as in `joint.decide`."""
    return decide_from_scores(raw_scores(model, images, settings), settings, logit_range, thresholds)


def check_finite(detector: str, ood_score: FloatArray, images: str) -> None:
    """Raise TrainingError naming the detector if a score (N,) of `images`, in words, is no finite number."""
    wrong = int((~np.isfinite(ood_score)).sum())
    if wrong:
        raise TrainingError(
            f"The detector '{detector}' gives {wrong} of the {len(ood_score)} images of {images} a score "
            "that is no finite number: leave it out, or train the model longer."
        )


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
    known images as EuiNet's preset asks for, the baselines 5 %, as ODIN's paper does. Raises TrainingError
    where a score is no finite number.
    """
    labels = split.test.labels
    validation, test = split.validation.images, split.test.images

    def result(name: str, description: str, ood_score: Tensor, threshold: float) -> DetectorResult:
        scores = ood_score.numpy()
        check_finite(name, scores, "the test part")
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

    baselines: dict[str, Callable[[PixelArray], Tensor]] = {
        "vanilla ODIN": lambda images: vanilla_odin_scores(model, images)
    }
    if gan_discriminator is not None:
        baselines["GAN discriminator"] = lambda images: gan_discriminator_scores(gan_discriminator, images)
    for name, score_images in baselines.items():
        threshold = threshold_accepting(score_images(validation))
        rows.append(result(name, DESCRIPTIONS[name], score_images(test), threshold))
    return tuple(rows)
