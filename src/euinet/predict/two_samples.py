"""A batch beside the calibration images, answer by answer: do its images look odder, is its mix another?

Both questions are asked given the answers: an image is compared with calibration images that the classifier
gave the same answer, so that a change of the mix makes no image odd, and an odd image changes no mix.

Oddness: all N = m + n images of an answer get labels, N normal random numbers in the order of their scores
(Bell and Doksum 1965). While batch and calibration images of an answer come from one world, whatever world,
every order is as likely, and so the labels are independent N(0, 1) in either sample: the difference of sums
(n·Σ batch − m·Σ calibration)/N is N(0, mn/N) exactly, for any m and n, and so is any sum over answers. In
ties the batch's image counts as the less odd one, which can only raise p. The random numbers follow from the
counts alone: the same images get the same verdict.

Mix: each answer's count in the batch is hypergeometric; its tail is bounded by a geometric series.
"""

import hashlib
import math
from collections.abc import Mapping

import numpy as np

from euinet.answers import IntArray

WHOLE, TAIL, SINGLE = (
    0.4,
    0.4,
    0.2,
)  # shares of the false alarms: all labels, the upper ones, answers by themselves
LOWER = 0.75  # of the labels, of which the tail's test does not know which is whose
MOST = 100_000  # images of one answer that are looked at: more hardly help n calibration images
LEAST_ORDERS = 1e6  # with fewer the counts that are drawn by could be too few to be as good as random
TINY = 1e-300  # no p-value is 0


def oddness(places: Mapping[int, IntArray]) -> tuple[float | None, dict[int, float]]:
    """Return the p-value of "no answer's images are odder than its calibration images", and each answer's.

    `places`: for each answer of n ≥ 1 calibration images how many images (n+1,) lie between their ascending
    scores, the last above all. None where there are too few images to tell. Those of single answers are
    multiplied by their number, and so that they may be compared with the first.
    """
    seed = hashlib.sha256(b"".join(counts.astype("<i8").tobytes() for counts in places.values()))
    generator = np.random.default_rng(int.from_bytes(seed.digest()))
    whole = tail = information = log_orders = 0.0
    single = dict[int, float]()
    for answer, counts in places.items():
        if counts.sum() > MOST:
            counts = generator.multivariate_hypergeometric(counts, MOST, method="marginals")
        n, m = len(counts) - 1, int(counts.sum())
        own, upper = _differences(counts, generator)
        whole, tail, information = whole + own, tail + upper, information + m * n / (m + n)
        single[answer] = own / math.sqrt(m * n / (m + n))
        log_orders += _log_choose(m + n, n)
    if log_orders < math.log(LEAST_ORDERS):
        return None, {}
    alone = {answer: _p_value(z, SINGLE / len(single)) for answer, z in single.items()}
    root = math.sqrt(information)
    return min(_p_value(whole / root, WHOLE), _p_value(tail / root, TAIL), *alone.values()), alone


def mix_p_values(images: IntArray, calibration: IntArray) -> list[float]:
    """Return for each of K answers the p-value of "as frequent as in calibration", multiplied by K.

    `images`, `calibration`: how many were given each answer, (K,). Each is an upper bound, of both sides.
    """
    m, n = int(images.sum()), int(calibration.sum())
    found = []
    for own, known in zip(images.tolist(), calibration.tolist(), strict=True):
        more, less = _tail(own, m, own + known, n + m), _tail(m - own, m, n + m - own - known, n + m)
        found.append(min(1.0, max(TINY, 2 * len(images) * min(more, less))))
    return found


def _differences(counts: IntArray, generator: np.random.Generator) -> tuple[float, float]:
    """Return the difference of the labels' sums, N(0, mn/N), of all labels and of the upper ones."""
    n, total = len(counts) - 1, len(counts) - 1 + int(counts.sum())
    calibration = np.cumsum(counts[:n]) + np.arange(n)  # their ranks
    labels = np.sort(generator.standard_normal(total))
    all_labels = n / total * labels.sum() - labels[calibration].sum()
    generator.shuffle(labels[: int(LOWER * total)])
    return float(all_labels), float(n / total * labels.sum() - labels[calibration].sum())


def _p_value(z: float, share: float) -> float:
    return min(1.0, max(TINY, math.erfc(z / math.sqrt(2)) / 2 / share))


def _tail(found: int, drawn: int, marked: int, total: int) -> float:
    """Return a bound of P(X ≥ found) for X the marked ones among so many drawn of a total.

    The ratio of a term to the one before falls from term to term: a geometric series bounds them all.
    """
    ratio = (marked - found) * (drawn - found) / ((found + 1) * (total - marked - drawn + found + 1))
    if ratio >= 1:
        return 1.0
    log_first = _log_choose(marked, found) + _log_choose(total - marked, drawn - found)
    return min(1.0, math.exp(log_first - _log_choose(total, drawn)) / (1 - ratio))


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
