"""The whole decision as one module, made of the very functions that `Model.predict` calls."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from euinet.networks import to_network_range
from euinet.scoring.inference import Reading, raw_joint_scores, read_perturbed
from euinet.scoring.joint import judge
from euinet.trained.model import Model


class DecisionOutputs(NamedTuple):
    """What an exported model says of N images, K known classes; the fields' names are the file's outputs."""

    label: Tensor  # (N,) int64, 0 … K−1, or −1 for none of these
    best_class: Tensor  # (N,) int64, 0 … K−1
    ood_score: Tensor  # (N,) float32, higher = more out-of-distribution
    probabilities: Tensor  # (N, K+1) float32, column 0 is "none of these"
    scores: Tensor  # (N, K+1) float32, what enters the softmax
    disc_score: Tensor  # (N,) float32, h, 0 real … 1 fake
    p_value: Tensor | None = None  # (N,) float32, 1/(n+1) … 1; only with calibration scores


class ExplainedOutputs(NamedTuple):
    """`DecisionOutputs`, and what else the page shows; the fields' names are the file's outputs."""

    label: Tensor
    best_class: Tensor
    ood_score: Tensor
    probabilities: Tensor
    scores: Tensor
    disc_score: Tensor
    perturbed: Tensor  # (N, C, H, W) float32, the images after the perturbation, in −1 … 1
    features: Tensor  # (N, F) float32 of the perturbed images: what the classifier reads
    p_value: Tensor | None = None  # last: a file without calibration scores lacks it


class WholeDecision(nn.Module):
    """A model from pixels to p-value: uint8 (N, C, H, W) → `DecisionOutputs`. Its network is folded."""

    thresholds: Tensor
    calibration_scores: Tensor
    calibration_answers: Tensor
    calibration_counts: Tensor

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.network = model.folded
        self.settings, self.logit_range = model.card.preset.scoring, model.card.logit_range
        self.calibration = model.calibration or None  # without a score in it, it says nothing
        if self.calibration is not None:
            classes = len(model.card.class_names)
            answers = torch.from_numpy(self.calibration.answers).long()
            self.register_buffer("thresholds", torch.from_numpy(self.calibration.thresholds(classes)))
            self.register_buffer("calibration_scores", torch.from_numpy(self.calibration.scores).float())
            self.register_buffer("calibration_answers", answers)
            self.register_buffer("calibration_counts", answers.bincount(minlength=classes))

    def forward(self, images: Tensor) -> DecisionOutputs:
        """Return the decision for uint8 images (N, C, H, W)."""
        return self._decision(self._read(images))

    def _read(self, images: Tensor) -> Reading:
        return read_perturbed(self.network, to_network_range(images), self.settings)

    def _decision(self, reading: Reading) -> DecisionOutputs:
        raw = reading.raw
        scores = raw_joint_scores(raw, self.settings, self.logit_range)
        judged = judge(scores, None if self.calibration is None else self.thresholds)
        return DecisionOutputs(
            label=judged.labels,
            best_class=judged.best_classes,
            ood_score=judged.ood_score,
            probabilities=judged.probabilities,
            scores=judged.scores,
            disc_score=raw.disc_score,
            p_value=self._p_values(judged.ood_score, judged.best_classes),
        )

    def _p_values(self, ood_score: Tensor, best: Tensor) -> Tensor | None:
        """Return what `Calibration.p_values` does, by tensors: compared as float32, as it does there."""
        if self.calibration is None:
            return None
        at_least = self.calibration_scores >= ood_score.unsqueeze(1)  # (N, n)
        count: Tensor | int = len(self.calibration)
        if self.calibration.per_class:
            at_least = at_least & (self.calibration_answers == best.unsqueeze(1))
            count = self.calibration_counts[best]
        return (1 + at_least.sum(dim=1)).double().div(count + 1).float()


class ExplainedDecision(WholeDecision):
    """`WholeDecision` that tells what it read, too: uint8 (N, C, H, W) → `ExplainedOutputs`."""

    def forward(self, images: Tensor) -> ExplainedOutputs:  # type: ignore[override]
        """Return the decision for uint8 images (N, C, H, W), the perturbed images and their features."""
        reading = self._read(images)
        decided = self._decision(reading)
        return ExplainedOutputs(*decided[:-1], reading.perturbed, reading.features, decided.p_value)
