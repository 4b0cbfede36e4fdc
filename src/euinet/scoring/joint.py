"""Temperature, eq. 4 and the one softmax: from logits to a class or "none of these"."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from euinet.answers import REJECT
from euinet.presets import DiscLink, TemperatureRule
from euinet.records import Decision


def apply_temperature(logits: Tensor, temperature: float, rule: TemperatureRule) -> Tensor:
    """Return the logits times or divided by T, shape kept.

    The report's T = 10⁻³ *multiplies*: it is ODIN's division by 1000 written the other way round.
    """
    return logits * temperature if rule == "multiply" else logits / temperature


def active_threshold(
    disc_logits: Tensor, disc_scale: float, disc_shift: float, link: DiscLink = "probability"
) -> Tensor:
    """Return h_a = α·s(h) + γ (eq. 4) for the discriminator's logits of h, any shape.

    The report's link is "probability", s(h) = h: h_a runs from γ (surely real) to α + γ (surely fake). The
    harder the image looks for the model discriminator, the more the classifier has to claim. "surprise"
    is s(h) = −log(1 − h), what the image would cost the discriminator in eq. 2 if it were real: 0 where it
    surely is, and without a ceiling, so that no logit is high enough for what is surely fake.
    """
    shown = disc_logits.sigmoid() if link == "probability" else F.softplus(disc_logits)
    return disc_scale * shown + disc_shift


def joint_scores(scaled_logits: Tensor, threshold: Tensor) -> Tensor:
    """Put the active threshold (B,) before the scaled class logits (B, K): (B, K+1), reject first."""
    return torch.cat([threshold.unsqueeze(1), scaled_logits], dim=1)


def joint_ood_score(scores: Tensor) -> Tensor:
    """Return h_a − max of the class scores, (B,): positive exactly where the softmax's top is reject.

    `scores` are `joint_scores`. A tie goes to the class.
    """
    return scores[:, 0] - scores[:, 1:].amax(dim=1)


class JointDecision(NamedTuple):
    """A decision for N images as tensors: what `decide` returns, where an exported model computes it."""

    labels: Tensor  # (N,) int64, 0 … K−1 or REJECT
    best_classes: Tensor  # (N,) int64, 0 … K−1
    ood_score: Tensor  # (N,)
    scores: Tensor  # (N, K+1), column 0 less the threshold
    probabilities: Tensor  # (N, K+1) float32
    threshold: Tensor  # (N,)


def judge(scores: Tensor, thresholds: Tensor | None = None) -> JointDecision:
    """Decide on joint scores (N, K+1) by tensors alone, on their device; `thresholds` as for `decide`."""
    ood_score = joint_ood_score(scores)
    best = scores[:, 1:].argmax(dim=1)
    threshold = torch.zeros_like(ood_score) if thresholds is None else thresholds.to(scores)[best]
    labels = torch.where(ood_score > threshold, REJECT, best)
    scores = torch.cat([scores[:, :1] - threshold.unsqueeze(1), scores[:, 1:]], dim=1)
    # float64: at T = 10⁻³ the K+1 probabilities differ in their third digit only
    probabilities = scores.double().softmax(dim=1).float()
    return JointDecision(labels, best, ood_score, scores, probabilities, threshold)


def decide(scores: Tensor, disc_score: Tensor, thresholds: Tensor | None = None) -> Decision:
    """Return the decision for joint scores (N, K+1) and discriminator scores h (N,).

    `thresholds` (K,) are of the `ood_score` of images whose best class is k; none: 0 for all.
    """
    judged = judge(scores, thresholds)
    return Decision(
        labels=judged.labels.cpu().numpy(),
        ood_score=judged.ood_score.float().cpu().numpy(),
        scores=judged.scores.float().cpu().numpy(),
        probabilities=judged.probabilities.cpu().numpy(),
        disc_score=disc_score.float().cpu().numpy(),
        threshold=judged.threshold.float().cpu().numpy(),
    )
