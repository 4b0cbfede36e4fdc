"""An alarm that may be looked at after every image: a conformal test martingale (Vovk and others 2005).

Each image is compared with the calibration images of its answer and with all earlier images of it, which it
then joins. Of N + 1 images that come in any order with equal chances the last is as likely to have any rank,
ties broken at random, and its rank says nothing of the earlier ones'. So the p-values are uniform and
independent: for any number of calibration images, any mix of answers, however long the stream. (Compared with
the calibration images alone they would share those images' luck for ever.)

The martingale is what becomes of 1 that is bet against this: a bet κ·p^(κ−1) is 1 on average and grows while
p-values are low. Half is bet on all images, half is spread over the answers and bet on each one's images. It
comes into play bit by bit, so that something is left for a change that comes late. By Ville's inequality it
ever reaches 1,000 with a chance of at most 0.1 %, while images are like their answer's calibration images.

Only counts are kept: how many images of an answer equal or lie between which of its different calibration
scores, 2n + 1 places at most. Where among them an image lies is drawn at random: given the counts it may be
anywhere with equal chances, so that this is as good. The random numbers must be other ones for each stream,
or what they favour would be favoured in all.
"""

import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from euinet.answers import FloatArray, IntArray
from euinet.model.conformal import Calibration

ALARM = 1000.0  # 1 / 0.001
NAMED = 10.0  # an answer is named whose own bets have grown so much, times the number of answers
KAPPAS = (0.2, 0.4, 0.6, 0.8)  # for much … little drift
Placed = tuple[int, int]
"""An image's answer and place: 2 · (number of different lower scores), and 1 more if it equals one."""


class Scale:
    """The calibration scores of one answer: where an image's place is."""

    def __init__(self, scores: FloatArray) -> None:
        self._values, occurrences = np.unique(scores, return_counts=True)
        self.calibration: IntArray = np.zeros(2 * len(self._values) + 1, np.int64)  # images at each place
        self.calibration[1::2] = occurrences

    def place(self, ood_score: float) -> int:
        """Return the place of a score."""
        lower, not_above = (int(np.searchsorted(self._values, ood_score, side)) for side in ("left", "right"))
        return lower + not_above


def scales(calibration: Calibration) -> dict[int, Scale]:
    """Return a scale for each answer that calibration images were given."""
    return {
        answer: Scale(calibration.of_answer(answer)) for answer in np.unique(calibration.answers).tolist()
    }


class Bets:
    """What one player has made of 1 since the first of its images."""

    def __init__(self, images: int = 0, *stakes: float) -> None:
        self.images, self._stakes = images, stakes or (0.0,) * len(KAPPAS)

    @property
    def wealth(self) -> float:
        """What is in play and what is not yet."""
        return _kept(self.images) + sum(self._stakes)

    def bet(self, p_value: float) -> float:
        """Bring a bit more into play, bet all that is, and return by how much the wealth has grown."""
        before = self.wealth
        more = (_kept(self.images) - _kept(self.images + 1)) / len(KAPPAS)
        self.images += 1
        self._stakes = tuple(
            (stake + more) * kappa * p_value ** (kappa - 1)
            for stake, kappa in zip(self._stakes, KAPPAS, strict=True)
        )
        return self.wealth - before

    def to_plain(self) -> list[float]:
        """Return plain values for JSON; `Bets(*values)` goes on from them."""
        return [self.images, *self._stakes]


class Martingale:
    """The stream of images that one model has answered."""

    def __init__(self, of_answer: Mapping[int, Scale], state: Mapping[str, Any] | None = None) -> None:
        """Begin, or go on from another's `state`. Raises an error of any kind when that is none."""
        self._scales = of_answer
        self._begin()
        if state is not None:
            self._together = Bets(*state["together"])
            for answer, (bets, counts) in state["answers"].items():
                self._alone[int(answer)] = Bets(*bets)
                np.add.at(self._counts[int(answer)], *np.array(counts, np.int64).reshape(-1, 2).T)
            self._wealth = self._total()

    def to_plain(self) -> dict[str, Any]:
        """Return its state for JSON."""
        answers = {}
        for answer, bets in self._alone.items():
            images = self._counts[answer] - self._scales[answer].calibration
            answers[answer] = [
                bets.to_plain(),
                [[place, int(images[place])] for place in images.nonzero()[0].tolist()],
            ]
        return {"together": self._together.to_plain(), "answers": answers}

    @property
    def wealth(self) -> float:
        """The martingale: 1 at the start, an alarm at 1,000."""
        return self._wealth

    def add(self, placed: Counter[Placed], generator: np.random.Generator) -> list[list[int]]:
        """Take in images in an order drawn at random; return for each alarm the answers that look different.

        Those are none where all answers together raised it. After an alarm all begins anew, so that alarms go
        on for as long as the drift does.
        """
        images = [one for one in sorted(placed.elements()) if one[0] in self._scales]
        alarms = []
        for index in generator.permutation(len(images)).tolist():
            answer, place = images[index]
            p_value = self._p_value(answer, place, 1 - generator.random())
            alone = self._alone.setdefault(answer, Bets())
            self._wealth += self._together.bet(p_value) / 2 + alone.bet(p_value) / (2 * len(self._scales))
            if self._wealth >= ALARM:
                least = NAMED * len(self._scales)
                alarms.append(sorted(key for key, one in self._alone.items() if one.wealth >= least))
                self._begin()
        return alarms

    def _begin(self) -> None:
        self._together, self._alone = Bets(), dict[int, Bets]()
        self._counts = {answer: scale.calibration.copy() for answer, scale in self._scales.items()}
        self._wealth = 1.0

    def _total(self) -> float:
        gains = sum(one.wealth - 1 for one in self._alone.values())
        return 1 + (self._together.wealth - 1) / 2 + gains / (2 * len(self._scales))

    def _p_value(self, answer: int, place: int, chance: float) -> float:
        """Return (images above + chance · those at its place, itself too) / all of them; it joins them."""
        counts = self._counts[answer]
        counts[place] += 1
        return float((counts[place + 1 :].sum() + chance * counts[place]) / counts.sum())


def _kept(images: int) -> float:
    """Return the share that is not yet in play after so many images: it falls ever more slowly."""
    return 1 / (1 + math.log1p(images))
