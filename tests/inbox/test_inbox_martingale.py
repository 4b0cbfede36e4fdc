"""The alarm that may be looked at after every image: its p-values, its bets, and how seldom it is false."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.stats import kstest

from euinet.inbox.martingale import ALARM, Bets, Martingale, Scale, scales
from euinet.model.conformal import Calibration


def calibrated(generator: np.random.Generator, images: int, tied: bool = False) -> Calibration:
    answers = generator.integers(3, size=images)
    scores = generator.normal(size=images) + 3 * answers
    return Calibration(np.round(scores) if tied else scores, answers)


def placed(of_answer: dict[int, Scale], answers: np.ndarray, scores: np.ndarray) -> Counter[tuple[int, int]]:
    return Counter(
        (answer, of_answer[answer].place(score))
        for answer, score in zip(answers.tolist(), scores.tolist(), strict=True)
        if answer in of_answer
    )


def test_places_of_scores_and_ties() -> None:
    scale = Scale(np.array([2.0, 1.0, 2.0, 5.0]))
    assert [scale.place(score) for score in (0.0, 1.0, 1.5, 2.0, 3.0, 5.0, 9.0)] == [0, 1, 2, 3, 4, 5, 6]
    assert scale.calibration.tolist() == [0, 1, 0, 2, 0, 1, 0]


def test_a_p_value_counts_what_lies_above_and_joins() -> None:
    martingale = Martingale({0: Scale(np.array([1.0, 2.0, 2.0, 5.0]))})
    assert martingale._p_value(0, 6, 0.5) == pytest.approx(0.5 * 1 / 5)  # above all four
    assert martingale._p_value(0, 6, 0.5) == pytest.approx(0.5 * 2 / 6)  # where the first one is
    assert martingale._p_value(0, 3, 0.5) == pytest.approx((3 + 0.5 * 3) / 7)  # beside two twos, three above


@pytest.mark.parametrize("tied", [False, True])
def test_p_values_of_known_images_are_uniform_and_independent(tied: bool) -> None:
    """Also with few calibration images, whose luck all images would share if they were not joined by them."""
    generator = np.random.default_rng(1)
    early, late, products = [], [], []
    for _ in range(1500):
        scores = generator.normal(size=25)
        scores = np.round(scores) if tied else scores
        martingale, scale = Martingale({0: Scale(scores[:5])}), Scale(scores[:5])
        p = [martingale._p_value(0, scale.place(one), generator.random()) for one in scores[5:].tolist()]
        early.append(p[0])
        late.append(p[-1])
        products.append(np.mean(p))
    assert kstest(early, "uniform").pvalue > 0.01
    assert kstest(late, "uniform").pvalue > 0.01
    assert np.std(products) == pytest.approx(np.sqrt(1 / 12 / 20), rel=0.08)  # that of independent ones


def test_a_bet_is_1_on_average_and_grows_while_p_values_are_low() -> None:
    growth, _ = quad(lambda u: Bets(5, 1.0, 2.0, 3.0, 4.0).bet(u**5) * 5 * u**4, 0, 1)  # p = u⁵
    assert growth == pytest.approx(0, abs=1e-6)
    bets = Bets()
    assert bets.wealth == 1
    grown = sum(bets.bet(0.01) for _ in range(20))
    assert bets.wealth == pytest.approx(1 + grown)
    assert bets.wealth > ALARM
    poor = Bets()
    for _ in range(10_000):
        poor.bet(0.9)
    assert 0.05 < poor.wealth < 0.2  # something is left for what comes late


def test_it_is_the_mean_of_all_bets_and_goes_on_from_its_state() -> None:
    generator = np.random.default_rng(2)
    of_answer = scales(calibrated(generator, 100))
    whole, parts = Martingale(of_answer), Martingale(of_answer)
    for _ in range(5):
        answers = generator.integers(3, size=7)
        images = placed(of_answer, answers, generator.normal(size=7) + 3 * answers + 0.5)
        whole.add(images, np.random.default_rng(7))
        parts = Martingale(of_answer, json.loads(json.dumps(parts.to_plain())))
        parts.add(images, np.random.default_rng(7))
        alone = sum(one.wealth for one in whole._alone.values())
        assert whole.wealth == pytest.approx(whole._together.wealth / 2 + alone / 6)
        assert parts.wealth == pytest.approx(whole.wealth)
    assert parts.to_plain() == whole.to_plain()


def test_false_alarms_ever_are_rarer_than_the_bound() -> None:
    """P(ever at 10 or more) ≤ 1/10, whatever the mix does meanwhile, with few calibration images and ties."""
    generator = np.random.default_rng(3)
    reached = 0
    for number in range(300):
        of_answer = scales(calibrated(generator, (10, 60)[number % 2], tied=number % 4 < 2))
        martingale, highest = Martingale(of_answer), 1.0
        for step in range(30):
            mix = np.roll([0.8, 0.1, 0.1], step // 10)
            answers = generator.choice(3, 4, p=mix)
            scores = generator.normal(size=4) + 3 * answers
            scores = np.round(scores) if number % 4 < 2 else scores
            martingale.add(placed(of_answer, answers, scores), generator)
            highest = max(highest, martingale.wealth)
        reached += highest >= 10
    assert reached <= 30


def test_a_change_raises_it_names_the_answer_and_begins_anew() -> None:
    generator = np.random.default_rng(4)
    of_answer = scales(calibrated(generator, 300))
    martingale = Martingale(of_answer)
    alarms = []
    for step in range(60):
        answers = generator.integers(3, size=10)
        shift = np.where((answers == 1) & (step >= 30), 2.5, 0)
        scores = generator.normal(size=10) + 3 * answers + shift
        found = martingale.add(placed(of_answer, answers, scores), generator)
        alarms += [(step, named) for named in found]
        assert martingale.wealth < ALARM
    assert 30 <= alarms[0][0] <= 36
    assert len(alarms) > 1  # as long as it lasts
    assert all(named == [1] for _, named in alarms)
