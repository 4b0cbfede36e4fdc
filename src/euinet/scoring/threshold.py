"""Where the active threshold lies: one number, set on known calibration images alone.

Section 3 of the report: α and γ "depend on the range and distribution of the classifier's scores".
Its 0.004 and 0.008 suit its own classifier. Instead of other numbers for each classifier, the class
logits are brought to where these two belong: multiplied by one gain g > 0, so that a chosen share of
known images falls under the active threshold α·h + γ.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from euinet.errors import TrainingError
from euinet.presets import ScoringSettings
from euinet.scoring.inference import RawScores
from euinet.scoring.joint import active_threshold, apply_temperature


def fit_logit_gain(raw: RawScores, settings: ScoringSettings) -> float:
    """Return the gain g at which `settings.known_rejected` of the known images in `raw` are rejected.

    Image i is rejected when g·T·max z < α·h + γ, that is when r = T·max z / (α·h + γ) < 1/g; so 1/g is a
    low quantile of r. With `settings.threshold` "fixed" the gain is 1. Raises TrainingError when that
    quantile is not above 0: then no gain can do it.
    """
    if settings.threshold == "fixed":
        return 1.0
    best = apply_temperature(raw.class_logits, settings.temperature, settings.temperature_rule).amax(dim=1)
    ratio = best / active_threshold(raw.disc_score, settings.disc_scale, settings.disc_shift)
    quantile = low_quantile(ratio, settings.known_rejected)
    if quantile <= 0:
        raise TrainingError(
            f"The best class logit of {settings.known_rejected:.1%} of the known calibration images is not above "
            "0, so no gain can put them under the active threshold; train longer, or set a larger "
            "scoring.known_rejected."
        )
    return 1.0 / quantile


def low_quantile(values: Tensor, share: float) -> float:
    """Return the value that exactly ⌊share·(n+1)⌋ of the n `values` lie below, barring ties.

    ⌊share·(n+1)⌋ = 0 gives a number below all of them: too few images to reject any at that share.
    """
    ordered = torch.sort(values.double()).values
    below = math.floor(share * (len(ordered) + 1))
    if below == 0:
        return float(ordered[0]) - abs(float(ordered[0])) * 1e-6
    # the image ranked `below` is the last to be rejected: the border runs halfway to the next
    return float(ordered[below - 1] + ordered[min(below, len(ordered) - 1)]) / 2
