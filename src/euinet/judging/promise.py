"""Is the promise kept? False rejects of known test images against what calibration lets one expect."""

from dataclasses import dataclass

import numpy as np

from euinet.judging.share import Share
from euinet.model.conformal import conformal_rank

CONFIDENCE = 0.95


@dataclass(frozen=True)
class FalseRejects:
    """Known test images rejected at one α."""

    alpha: float
    rejected: Share | None  # None: too few calibration images for this α
    expected: tuple[int, int] | None  # 95 % of tests would reject so many; None: not known

    @property
    def verdict(self) -> str:
        """What α explains: "kept", "more" or "fewer" rejects than that, or "untold"."""
        if self.rejected is None or not self.rejected.total:
            return "untold"
        if self.expected is None:
            low, high = self.rejected.interval
            return "more" if low > self.alpha else "fewer" if high < self.alpha else "kept"
        low, high = self.expected
        return "more" if self.rejected.count > high else "fewer" if self.rejected.count < low else "kept"


def expected_rejections(alpha: float, calibrated: int, tested: int) -> tuple[int, int]:
    """Return how few and how many of `tested` known images 95 % of tests reject at α, at `calibrated` images.

    Where images are drawn alike, the share that a threshold of rank k among n rejects is Beta(n+1−k, k):
    the promise holds on average over calibrations, and one calibration may be luckier than another. What is
    counted is then beta-binomial (Vovk 2012, "Conditional validity of inductive conformal predictors"); its
    probabilities are summed up by the ratio of each to the one before.
    """
    above = conformal_rank(calibrated, alpha)
    below, x = calibrated + 1 - above, np.arange(tested)
    steps = np.log((tested - x) / (x + 1) * (below + x) / (above + tested - x - 1))
    logarithms = np.concatenate([[0.0], np.cumsum(steps)])
    law = np.exp(logarithms - logarithms.max())
    tail = (1 - CONFIDENCE) / 2
    low, high = np.searchsorted(np.cumsum(law / law.sum()), [tail, 1 - tail])
    return int(low), int(min(high, tested))
