"""Where the active threshold lies among the class logits, set on known validation images alone.

Section 3 of the report: α and γ "depend on the range and distribution of the classifier's scores". Its
0.004 and 0.008 suit its own classifier, whose scores it shows: figure 19's Max-2-Max medians say that the
best score of a typical known image lies about 0.022 above the threshold. Instead of another α and γ for
each classifier, the class logits are brought to that range by an affine map, one for each class: what is a
low logit for one class is an ordinary one for another.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from euinet.errors import TrainingError
from euinet.model.card import LogitRange
from euinet.presets import ScoringSettings
from euinet.scoring.joint import active_threshold, apply_temperature

EDGE = 2.0  # deviations of known images' distances, from their mean to floor and edge
FEWEST = 30  # validation images a class needs for a range of its own: its deviation is then known to 13 %


@dataclass(frozen=True)
class RawScores:
    """What the network says of N images, after perturbation; float32 on the CPU."""

    class_logits: Tensor  # (N, K), as they leave the network
    disc_logits: Tensor  # (N,), the logit of h: h itself has no digits left for what is surely fake
    distance: Tensor | None = None  # (N, P) from what the model remembers of known images; None: of none

    @property
    def disc_score(self) -> Tensor:
        """The model discriminator's h, (N,), 0 real … 1 fake."""
        return self.disc_logits.sigmoid()


def join_raw_scores(parts: Sequence[RawScores]) -> RawScores:
    """Return the scores of all parts in one, on the CPU."""
    distances = [part.distance for part in parts if part.distance is not None]
    return RawScores(
        torch.cat([part.class_logits for part in parts]).cpu(),
        torch.cat([part.disc_logits for part in parts]).cpu(),
        torch.cat(distances).cpu() if distances else None,
    )


class RangeTensors(NamedTuple):
    """A `LogitRange` as tensors: what a traced graph can be given."""

    gain: Tensor  # (K,)
    shift: Tensor  # (K,)
    distance_gain: Tensor  # (P,)
    distance_floor: Tensor  # (P,)
    distance_edge: Tensor  # (P,)
    disc_offset: Tensor  # ()

    @staticmethod
    def of(logit_range: LogitRange) -> RangeTensors:
        """Return the numbers of a range as float32."""
        return RangeTensors(
            *(torch.tensor(value, dtype=torch.float32) for value in vars(logit_range).values())
        )


def apply_logit_range(
    logit_range: LogitRange | RangeTensors, raw: RawScores, settings: ScoringSettings
) -> Tensor:
    """Map all logits of an image, (N, K), by the range of its best class k and by its distances.

    One map for the whole row leaves the order of its classes as it is: the answer, if there is one, is the
    classifier's own.
    """
    logits = raw.class_logits
    best = logits.argmax(dim=1)
    found = logit_range
    gain, shift, each, floor, edge = (
        torch.as_tensor(v, dtype=logits.dtype, device=logits.device)
        for v in (found.gain, found.shift, found.distance_gain, found.distance_floor, found.distance_edge)
    )
    lowered = shift[best]
    if raw.distance is not None and len(each):
        counted = with_tail(raw.distance, floor, edge, settings.distance_tail)
        lowered = lowered - (each * counted).sum(dim=1)
    return gain[best].unsqueeze(1) * logits + lowered.unsqueeze(1)


def with_tail(distance: Tensor, floor: Tensor, edge: Tensor, tail: float) -> Tensor:
    """Return distances (N, P) as they count: not below a floor (P,), and `tail` times on top beyond an edge.

    Without the floor an image of which one part is surer than of any known one could make up for what the
    others see. With a `tail` of 0 they are returned as they come.
    """
    if tail == 0:
        return distance
    held = torch.maximum(distance, floor)
    return held + tail * (held - edge).relu()


def raw_threshold(
    logit_range: LogitRange | RangeTensors, raw: RawScores, settings: ScoringSettings
) -> Tensor:
    """Return h_a (N,) of eq. 4 for the discriminator's logits in `raw`."""
    moved = raw.disc_logits - logit_range.disc_offset
    return active_threshold(moved, settings.disc_scale, settings.disc_shift, settings.disc_link)


def fit_logit_range(raw: RawScores, settings: ScoringSettings, weights: Sequence[float] = ()) -> LogitRange:
    """Return the map under which `settings.known_rejected` of the known images in `raw` are rejected.

    The best logit of each image is standardised by mean and standard deviation of those with the same
    best class (of all images with `settings.logit_range` "shared", and for classes with fewer than FEWEST
    images). A gain then makes the median image lie `settings.known_lead` above that at the rejected share,
    and a shift puts exactly that share under the active threshold, h included. The offset of h is the logit
    that `settings.disc_known` of the images stay below: what h says among them then hardly moves the
    threshold, and only what looks less real than they do raises it. `weights` (P,): of each distance beside
    the logit's own, 1; without, 1 each. "fixed" leaves all as it is. Raises
    TrainingError when the best logits are all the same, or some are no finite numbers.
    """
    classes = raw.class_logits.shape[1]
    if settings.logit_range == "fixed":
        return LogitRange((1.0,) * classes, (0.0,) * classes)
    best, predicted = raw.class_logits.double().max(dim=1)
    mean, deviation = _moments(best, predicted, classes, per_class=settings.logit_range == "per_class")
    standardised = (best - mean[predicted]) / deviation[predicted]
    each, floor, edge = torch.zeros(3, 0, dtype=torch.float64)
    if raw.distance is not None:
        distance = raw.distance.double()
        spread_of = distance.std(dim=0)
        known = torch.tensor(list(weights) or [1.0] * distance.shape[1], dtype=torch.float64)
        each = torch.where(spread_of > 0, settings.distance_scale * known / spread_of, 0.0)
        floor, edge = (distance.mean(dim=0) + side * EDGE * spread_of for side in (-1, 1))
        counted = with_tail(distance, floor, edge, settings.distance_tail)
        standardised = standardised - (each * counted).sum(dim=1)
    spread = float(standardised.median()) - low_quantile(standardised, settings.known_rejected)
    if not spread > 0:  # NaN too: all best logits are the same
        raise TrainingError(
            "The classifier gives known validation images all the same best logit, so no threshold can be "
            "set among them; train longer."
        )
    unit = float(
        apply_temperature(torch.tensor(1.0).double(), settings.temperature, settings.temperature_rule)
    )
    scale = settings.known_lead / (unit * spread)
    # Rejected: unit·(scale·standardised + c) < α·s(h) + γ, so unit·scale·standardised − α·s(h) < γ − unit·c.
    disc_logits = raw.disc_logits.double()
    disc_offset = float(disc_logits.quantile(settings.disc_known)) if settings.disc_known > 0 else 0.0
    raised = active_threshold(disc_logits - disc_offset, settings.disc_scale, 0.0, settings.disc_link)
    lead = unit * scale * standardised - raised
    common = (settings.disc_shift - low_quantile(lead, settings.known_rejected)) / unit
    gain = scale / deviation
    shift = common - gain * mean
    try:
        numbers = [tuple(values.tolist()) for values in (gain, shift, scale * each, floor, edge)]
        return LogitRange(numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], disc_offset)
    except ValueError as error:
        raise TrainingError(
            "The network's scores of known validation images give no finite range: training diverged; lower "
            "the learning rate."
        ) from error


def _moments(best: Tensor, predicted: Tensor, classes: int, *, per_class: bool) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation (K,) of the best logits (N,) by best class."""
    mean, deviation = best.mean().repeat(classes), best.std().repeat(classes)
    for k in range(classes if per_class else 0):
        own = best[predicted == k]
        if len(own) >= FEWEST and own.std() > 0:
            mean[k], deviation[k] = own.mean(), own.std()
    return mean, deviation


def low_quantile(values: Tensor, share: float) -> float:
    """Return a value that ⌊share·(n+1)⌋ of the n `values` lie below, barring ties.

    ⌊share·(n+1)⌋ = 0 gives a number just below all of them: too few images to reject any at that share.
    """
    ordered = torch.sort(values.double()).values
    below = math.floor(share * (len(ordered) + 1))
    if below == 0:
        # far enough below to survive the scores' float32
        return float(ordered[0]) - 1e-4 * float(ordered[-1] - ordered[0])
    # the image ranked `below` is the last to be rejected: the border runs halfway to the next
    return float(ordered[below - 1] + ordered[min(below, len(ordered) - 1)]) / 2
