"""Drift: false alarms whatever the mix and the number of calibration images, and what is told of whom."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from scipy.stats import hypergeom, kstest

from euinet.model.conformal import Calibration
from euinet.predict import two_samples
from euinet.predict.drift import ALARM, FEWEST, Drift, PlaceCounts, measure_drift, places
from euinet.predict.two_samples import mix_p_values, oddness

NAMES = ("cat", "dog", "fox")
SPREAD = np.array([1.0, 3.0, 0.2])  # scores of different answers are of different sizes


def scores_of(generator: np.random.Generator, answers: np.ndarray, shift: float = 0.0) -> np.ndarray:
    scores: np.ndarray = SPREAD[answers] * (generator.normal(size=len(answers)) + shift) + 2 * answers
    return scores


def calibrated(
    generator: np.random.Generator, images: int, per_class: bool = False, classes: int = 3
) -> Calibration:
    answers = generator.integers(classes, size=images)
    return Calibration(scores_of(generator, answers), answers, 0.05, per_class)


def measured(calibration: Calibration, scores: np.ndarray, answers: np.ndarray, rejected: int = 0) -> Drift:
    counts = PlaceCounts()
    counts.add(answers, places(calibration, scores, answers))
    return measure_drift(counts, rejected, calibration, NAMES)


def test_a_place_is_the_number_of_lower_scores_of_the_same_answer() -> None:
    calibration = Calibration(np.array([3.0, 1.0, 2.0, 2.0, 9.0]), np.array([0, 0, 0, 0, 1]))
    found = places(calibration, np.array([0.0, 2.0, 2.5, 4.0, 10.0, 5.0]), np.array([0, 0, 0, 0, 1, 2]))
    assert found.tolist() == [0, 1, 3, 4, 1, 0]


def test_images_counted_in_parts_say_the_same() -> None:
    generator = np.random.default_rng(4)
    calibration = calibrated(generator, 77)
    answers = generator.integers(3, size=5000)
    scores = scores_of(generator, answers, 0.1)
    whole, parts, other = PlaceCounts(), PlaceCounts(), PlaceCounts()
    whole.add(answers, places(calibration, scores, answers))
    for start in range(0, 3000, 256):  # in batches of any size, in parts, by way of a file
        batch = slice(start, min(start + 256, 3000))
        parts.add(answers[batch], places(calibration, scores[batch], answers[batch]))
    other.add(answers[3000:], places(calibration, scores[3000:], answers[3000:]))
    parts.merge(PlaceCounts.from_plain(json.loads(json.dumps(other.to_plain()))))
    assert parts.to_plain() == whole.to_plain()
    assert len(whole.to_plain()) <= 77 + 3
    shuffled = generator.permutation(5000)
    assert measured(calibration, scores[shuffled], answers[shuffled]) == measure_drift(
        parts, 0, calibration, NAMES
    )


@pytest.mark.parametrize("mix", [(1, 0, 0), (0, 0, 1), (0.1, 0.3, 0.6)])
@pytest.mark.parametrize("images", [19, 300])
def test_p_values_are_uniform_whatever_the_mix(images: int, mix: tuple[float, ...]) -> None:
    """The whole distribution is looked at: 1,000 batches cannot show one false alarm in a thousand."""
    generator = np.random.default_rng(2)
    found = []
    for _ in range(1000):
        calibration = calibrated(generator, images)
        answers = generator.choice(3, 100, p=mix)
        counts = PlaceCounts()
        counts.add(answers, places(calibration, scores_of(generator, answers), answers))
        groups = {k: own for k, own in counts.of(calibration).items() if len(own) > 1}
        made_of = np.random.default_rng(len(found))
        differences = [two_samples._differences(own, made_of) for own in groups.values()]
        root = math.sqrt(
            sum(own.sum() * (len(own) - 1) / (own.sum() + len(own) - 1) for own in groups.values())
        )
        found.append([sum(both[i] for both in differences) / root for i in (0, 1)])
    whole, tail = np.array(found).T
    assert kstest(whole, "norm").pvalue > 0.01
    assert kstest(tail, "norm").pvalue > 0.01


@pytest.mark.parametrize(("images", "batch"), [(900, 300), (60, 300), (300, 20)])
def test_false_alarms_of_batches_of_one_answer(images: int, batch: int) -> None:
    """With 900 calibration images and batches of 300 of one answer they were 9 %, one threshold a class."""
    generator = np.random.default_rng(5)
    alarms = 0
    for number in range(1000):
        calibration = calibrated(generator, images, per_class=True)
        answers = np.full(batch, number % 3)
        alarms += measured(calibration, scores_of(generator, answers), answers).drifted
    assert alarms <= 5  # of 1 expected; P(more) < 0.001


def test_ties_raise_no_alarm() -> None:
    generator = np.random.default_rng(6)
    alarms = 0
    for _ in range(500):
        calibration = calibrated(generator, 200)
        tied = Calibration(np.round(calibration.scores), calibration.answers)
        answers = generator.integers(3, size=400)
        alarms += measured(tied, np.round(scores_of(generator, answers)), answers).drifted
    assert alarms <= 3


def test_another_mix_is_news_and_no_alarm() -> None:
    generator = np.random.default_rng(8)
    calibration = calibrated(generator, 300, per_class=True)
    cats = np.zeros(50, np.int64)
    drift = measured(calibration, scores_of(generator, cats), cats)
    assert not drift.drifted
    assert drift.mix_changed
    assert drift.mix[0].name == "cat"
    assert "no sign of drift (p = " in drift.sentence()
    assert "The mix of classes changed: cat 100.0% of them, 3" in drift.sentence()
    assert "DRIFT" not in drift.sentence()
    same = generator.integers(3, size=400)
    assert not measured(calibration, scores_of(generator, same), same).mix_changed


def test_a_class_that_looks_different_is_named() -> None:
    generator = np.random.default_rng(3)
    calibration = calibrated(generator, 600)
    answers = generator.integers(3, size=200)
    shift = np.where(answers == 1, 1.5, 0)
    drift = measured(calibration, scores_of(generator, answers) + SPREAD[answers] * shift, answers, 20)
    assert drift.different == ("dog",)
    assert drift.sentence().startswith(
        "10.0% of 200 images were rejected (5.0% of known ones may be). DRIFT: images of dog look different"
    )
    assert not drift.mix_changed
    tame = measured(calibration, scores_of(generator, answers, -1), answers)
    assert not tame.drifted
    everywhere = measured(calibration, scores_of(generator, answers, 0.45), answers)
    assert everywhere.drifted
    few = np.ones(30, np.int64)
    alone = measured(calibration, scores_of(generator, few, 2), few)
    assert (alone.different, alone.mix_changed) == (("dog",), True)  # both are told
    assert "DRIFT: images of dog look" in alone.sentence()
    assert "The mix of classes changed: dog 100.0%" in alone.sentence()


def test_images_as_odd_on_average_but_more_spread_are_seen_by_their_upper_scores() -> None:
    generator = np.random.default_rng(11)
    calibration = calibrated(generator, 900)
    answers = generator.integers(3, size=500)
    middle = 2 * answers
    scores = middle + 1.7 * (scores_of(generator, answers) - middle)
    assert measured(calibration, scores, answers).drifted


def test_strangers_among_known_images_are_seen() -> None:
    generator = np.random.default_rng(11)
    calibration = calibrated(generator, 900)
    answers = generator.integers(3, size=500)
    scores = scores_of(generator, answers)
    scores[:50] += 40
    assert measured(calibration, scores, answers).drifted


def test_few_images_tell_nothing() -> None:
    generator = np.random.default_rng(9)
    calibration = calibrated(generator, 300)
    few = np.zeros(FEWEST - 1, np.int64)
    drift = measured(calibration, np.full(FEWEST - 1, 1e6), few)
    assert (drift.p_value, drift.drifted, drift.mix_changed) == (None, False, False)
    assert drift.sentence().endswith("fewer than 20 tell nothing of drift.")
    assert measure_drift(PlaceCounts(), 0, calibration, NAMES).rejected_share == 0


def test_an_answer_without_calibration_images_cannot_be_compared() -> None:
    generator = np.random.default_rng(10)
    calibration = calibrated(generator, 300, classes=2)
    foxes = np.full(40, 2)
    drift = measured(calibration, scores_of(generator, foxes, 9), foxes)
    assert (drift.compared, drift.p_value, drift.drifted) == (0, None, False)
    assert "too few calibration images were given their answers" in drift.sentence()
    assert "fox 100.0% of them, 0.0% of the calibration images" in drift.sentence()
    # one calibration image: its place among 40 has 41 values, each too likely for one in a thousand
    assert oddness({0: np.array([0, 40])}) == (None, {})


def test_the_same_images_get_the_same_verdict_and_no_p_value_is_0() -> None:
    counts = {0: np.array([*np.zeros(2000, np.int64), 3000])}
    assert oddness(counts) == oddness(counts)
    p_value, _ = oddness(counts)
    assert p_value is not None
    assert 0 < p_value < 1e-12
    assert min(mix_p_values(np.array([10**6, 0]), np.array([0, 10**6]))) > 0


def test_millions_of_images_are_thinned() -> None:
    generator = np.random.default_rng(12)
    flat = generator.multinomial(5_000_000, np.full(101, 1 / 101))
    p_value, _ = oddness({0: flat, 1: flat[::-1].copy()})
    assert p_value is not None
    assert p_value > ALARM


@pytest.mark.parametrize("drawn", [(5, 3), (40, 2), (0, 9)])
def test_the_mix_is_bounded_by_the_exact_test(drawn: tuple[int, int]) -> None:
    images, known = np.array([*drawn, 20]), np.array([12, 30, 58])
    total, batch = int(images.sum() + known.sum()), int(images.sum())
    for own, other, found in zip(images, known, mix_p_values(images, known), strict=True):
        exact = hypergeom(total, own + other, batch)
        p_value = 6 * min(exact.sf(own - 1), exact.cdf(own))
        assert min(1, p_value) <= found + 1e-12
        assert found <= min(1, 2 * p_value) or found == 1
