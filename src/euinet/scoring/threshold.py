"""Where the active threshold lies among the class logits, set on known calibration images alone.

Section 3 of the report: α and γ "depend on the range and distribution of the classifier's scores". Its
0.004 and 0.008 suit its own classifier, whose scores it shows: figure 19's Max-2-Max medians say that the
best score of a typical known image lies about 0.022 above the threshold. Instead of another α and γ for
each classifier, the class logits are brought to that range by one affine map z → g·z + c. The decision is
the same as with the logits left alone and α/g, (γ − T·c)/g in place of α, γ.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from euinet.errors import TrainingError
from euinet.presets import ScoringSettings
from euinet.scoring.joint import apply_temperature


@dataclass(frozen=True)
class RawScores:
    """What the network says of N images, after perturbation; float32 on the CPU."""

    class_logits: Tensor  # (N, K), as they leave the network
    disc_score: Tensor  # (N,), h in 0 … 1


@dataclass(frozen=True)
class LogitRange:
    """The affine map g·z + c that brings class logits to where α and γ lie."""

    gain: float = 1.0
    shift: float = 0.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.gain) and self.gain > 0 and math.isfinite(self.shift)):
            raise ValueError(f"a logit range needs a finite gain above 0 and a finite shift, not {self}")

    def apply(self, logits: Tensor) -> Tensor:
        """Return g·z + c, shape kept."""
        return self.gain * logits + self.shift


def fit_logit_range(raw: RawScores, settings: ScoringSettings) -> LogitRange:
    """Return the map under which `settings.known_rejected` of the known images in `raw` are rejected.

    With best = max z of each image, the gain g makes the best score of the median image lie
    `settings.known_lead` above that of the image at the rejected share; the shift c then puts exactly that
    share under the active threshold, h included. With `settings.threshold` "fixed" the logits stay as they
    are. Raises TrainingError when the best logits of half the images are all the same.
    """
    if settings.threshold == "fixed":
        return LogitRange()
    best = raw.class_logits.double().amax(dim=1)
    spread = float(best.median()) - low_quantile(best, settings.known_rejected)
    if not spread > 0:
        raise TrainingError(
            "The classifier gives known calibration images all the same best logit, so no threshold can be "
            "set among them; train longer."
        )
    unit = float(
        apply_temperature(torch.tensor(1.0).double(), settings.temperature, settings.temperature_rule)
    )
    gain = settings.known_lead / (unit * spread)
    # Rejected: unit·(g·best + c) < α·h + γ, that is unit·g·best − α·h < γ − unit·c.
    lead = unit * gain * best - settings.disc_scale * raw.disc_score.double()
    return LogitRange(gain, (settings.disc_shift - low_quantile(lead, settings.known_rejected)) / unit)


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
