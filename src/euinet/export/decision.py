"""The whole decision as one module, made of the very functions that `TrainedModel.decide` calls."""

from typing import NamedTuple

from torch import Tensor, nn

from euinet.networks import to_network_range
from euinet.scoring.inference import raw_joint_scores, read_perturbed
from euinet.scoring.joint import judge
from euinet.scoring.threshold import RangeTensors, raw_threshold
from euinet.trained.model import TrainedModel


class DecisionOutputs(NamedTuple):
    """What a decision file says of N images, K known classes; the fields' names are the file's outputs."""

    label: Tensor  # (N,) int64, 0 … K−1, or −1 for none of these
    best_class: Tensor  # (N,) int64, 0 … K−1
    ood_score: Tensor  # (N,) float32, higher = more out-of-distribution
    probabilities: Tensor  # (N, K+1) float32, column 0 is "none of these"
    p_value: Tensor  # (N,) float32, 1/(n+1) … 1; without calibration scores always 1
    scores: Tensor  # (N, K+1) float32, what enters the softmax
    disc_score: Tensor  # (N,) float32, h, 0 real … 1 fake
    disc_added: Tensor  # (N,) float32, what h adds to the active threshold: eq. 4 without γ
    perturbed: Tensor  # (N, C, H, W) float32, the images after the perturbation, in −1 … 1
    features: Tensor  # (N, F) float32 of the perturbed images: what the classifier reads


class WholeDecision(nn.Module):
    """A model from pixels to p-value. The calibration comes as arguments.

    In a decision file these are constants, which can be exchanged (model/decision_file.py). `network`: the
    model's, in one of its folded forms. All numbers that training found are buffers or parameters.
    """

    gain: Tensor
    shift: Tensor
    distance_gain: Tensor
    distance_floor: Tensor
    distance_edge: Tensor
    disc_offset: Tensor

    def __init__(self, model: TrainedModel, network: nn.Module) -> None:
        super().__init__()
        self.network, self.settings = network, model.card.preset.scoring
        for name, value in RangeTensors.of(model.card.logit_range)._asdict().items():
            self.register_buffer(name, value)

    def forward(
        self,
        images: Tensor,
        thresholds: Tensor,
        calibration_scores: Tensor,
        calibration_answers: Tensor,
        calibration_counts: Tensor,
        per_class: Tensor,
    ) -> DecisionOutputs:
        """Return the decision for uint8 images (N, C, H, W); see `decision_file.constants` for the others."""
        reading = read_perturbed(self.network, to_network_range(images), self.settings)
        raw = reading.raw
        ranges = RangeTensors(*(getattr(self, name) for name in RangeTensors._fields))
        judged = judge(raw_joint_scores(raw, self.settings, ranges), thresholds)
        best = judged.best_classes
        # compared as float32, as Calibration.p_values does
        at_least = calibration_scores >= judged.ood_score.unsqueeze(1)  # (N, n)
        at_least = at_least & ((calibration_answers == best.unsqueeze(1)) | ~per_class)
        return DecisionOutputs(
            label=judged.labels,
            best_class=best,
            ood_score=judged.ood_score,
            probabilities=judged.probabilities,
            p_value=(1 + at_least.sum(dim=1)).double().div(calibration_counts[best] + 1).float(),
            scores=judged.scores,
            disc_score=raw.disc_score,
            disc_added=raw_threshold(ranges, raw, self.settings) - self.settings.disc_shift,
            perturbed=reading.perturbed,
            features=reading.features,
        )
