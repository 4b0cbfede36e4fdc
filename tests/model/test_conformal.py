from __future__ import annotations

import subprocess
import sys
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from euinet.errors import UsageError
from euinet.model.conformal import (
    Calibration,
    check_alpha,
    check_enough,
    conformal_rank,
    conformal_threshold,
    fewest_images,
    p_values,
    smallest_alpha,
)


@pytest.mark.parametrize(
    ("count", "alpha", "rank"),
    [
        (9, 0.1, 9),  # ⌈10 · 0.9⌉
        (19, 0.1, 18),  # ⌈20 · 0.9⌉; floating point has 20 · 0.9 right, 20 · (1 − 0.1) too
        (99, 0.01, 99),
        (100, 0.01, 100),  # ⌈101 · 0.99⌉ = ⌈99.99⌉
        (999, 0.3, 700),  # 1000 · (1 − 0.3) is 700 exactly, but 0.7 · 1000 is not below it in floating point
        (2159, 0.05, 2052),
        (8, 0.1, 9),  # one more than there are: no threshold can promise that
    ],
)
def test_the_rank_is_the_papers(count: int, alpha: float, rank: int) -> None:
    assert conformal_rank(count, alpha) == rank


def test_the_threshold_is_the_score_of_that_rank() -> None:
    scores = np.arange(1, 10, dtype=np.float32)
    assert conformal_threshold(scores, 0.1) == 9
    assert conformal_threshold(scores, 0.2) == 8
    assert conformal_threshold(scores, 0.45) == 6  # ⌈10 · 0.55⌉ = 6
    many = Calibration(np.random.default_rng(0).permutation(999).astype(np.float32), np.zeros(999, np.int64))
    assert [conformal_threshold(many.ordered, alpha) for alpha in (0.01, 0.1, 0.3)] == [989, 899, 699]


def test_the_fewest_images_are_just_enough() -> None:
    for alpha in (0.001, 0.01, 0.03, 0.05, 0.1, 0.3):
        needed = fewest_images(alpha)
        assert conformal_rank(needed, alpha) <= needed
        assert conformal_rank(needed - 1, alpha) > needed - 1
    assert fewest_images(0.01) == 99


@pytest.mark.parametrize("count", [3, 7, 24, 99, 100, 998, 4321])
def test_the_smallest_alpha_can_be_promised_and_hardly_less(count: int) -> None:
    alpha = smallest_alpha(count)
    assert fewest_images(alpha) <= count
    assert alpha <= 1.01 / (count + 1)


def test_p_values_by_hand() -> None:
    scores = np.array([1, 2, 2, 4], np.float32)
    # (1 + how many of 1, 2, 2, 4 are at least as large) / 5
    found = p_values(scores, np.array([0, 1, 2, 3, 4, 5], np.float32))
    np.testing.assert_allclose(found, [1, 1, 0.8, 0.4, 0.4, 0.2])


@pytest.mark.parametrize("alpha", [0.01, 0.05, 0.1, 0.25])
def test_rejected_is_where_the_p_value_is_at_most_alpha(alpha: float) -> None:
    generator = np.random.default_rng(3)
    scores = np.sort(generator.normal(size=119).round(1).astype(np.float32))  # with ties
    new = np.concatenate([generator.normal(size=2000).round(1), scores]).astype(np.float32)
    rejected = new > np.float32(conformal_threshold(scores, alpha))
    np.testing.assert_array_equal(rejected, p_values(scores, new) <= alpha)


def test_the_promise_is_kept_and_not_by_much_more() -> None:
    generator = np.random.default_rng(0)
    shares = []
    for _ in range(4000):
        drawn = generator.normal(size=40)
        shares.append(drawn[39] > conformal_threshold(np.sort(drawn[:39]), 0.1))
    # exactly 0.1 is expected of 39 calibration images and no ties: 4 standard deviations are 0.019
    assert np.mean(shares) == pytest.approx(0.1, abs=0.019)


def test_each_class_has_its_own_threshold() -> None:
    scores = np.array([1, 2, 3, 10, 20, 30], np.float32)
    calibration = Calibration(scores, np.array([0, 0, 0, 1, 1, 1]), alpha=0.3, per_class=True)
    np.testing.assert_array_equal(calibration.thresholds(2), [3, 30])  # ⌈4 · 0.7⌉ = 3
    found = calibration.p_values(np.array([5, 5], np.float32), np.array([0, 1]))
    np.testing.assert_allclose(found, [1 / 4, 1])
    together = Calibration(scores, calibration.answers, alpha=0.3)
    np.testing.assert_array_equal(together.thresholds(2), [20, 20])  # ⌈7 · 0.7⌉ = 5


def test_without_alpha_the_threshold_stays_at_nought() -> None:
    calibration = Calibration(np.array([1.0, 2.0]), np.array([0, 1]))
    np.testing.assert_array_equal(calibration.thresholds(2), [0, 0])
    np.testing.assert_allclose(calibration.p_values(np.array([1.5]), np.array([0])), [2 / 3])
    check_enough(calibration, ("a", "b"))


def test_too_few_images_are_refused_with_the_number_needed() -> None:
    few = Calibration(np.zeros(50), np.zeros(50, np.int64), alpha=0.01)
    with pytest.raises(UsageError, match=r"by 50 calibration images: at least 99 .* at least 0\.0197"):
        check_enough(few, ("a", "b"))
    with pytest.raises(UsageError, match="at least 99"):
        conformal_threshold(few.scores, 0.01)
    uneven = Calibration(np.zeros(120), np.array([0] * 110 + [1] * 10), alpha=0.05, per_class=True)
    with pytest.raises(UsageError, match=r"needs 19 calibration images .* fewer of cat \(10\)"):
        check_enough(uneven, ("dog", "cat"))


@pytest.mark.parametrize("alpha", [0, -0.1, 0.5, 1, float("nan")])
def test_alpha_out_of_range_is_refused(alpha: float) -> None:
    with pytest.raises(UsageError, match=r"must lie between 0 and 0\.5"):
        check_alpha(alpha)


def test_no_torch_is_needed() -> None:
    code = "import sys, euinet.model.conformal, euinet.answers; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize(
    "alpha",
    [
        *(np.float64(0.05), np.float32(0.05), np.float16(0.05), np.longdouble(0.05)),
        *(Fraction(1, 20), Decimal("0.05"), Decimal("5e-2")),
    ],
)
def test_alpha_may_be_any_real_number_and_is_taken_as_written(alpha: Any) -> None:
    assert check_alpha(alpha) == 0.05
    calibration = Calibration(np.arange(19.0), np.zeros(19, np.int64), alpha)
    assert (calibration.alpha, type(calibration.alpha)) == (0.05, float)
    # float32's 0.05 is a little more than 1/20, and float16's a little less: then 19 would not do
    np.testing.assert_array_equal(calibration.thresholds(2), [18, 18])


@pytest.mark.parametrize(
    "alpha",
    [
        *(True, False, "0.05", b"0.05", [0.05], 0.05 + 0j, np.array(0.05), np.True_, object()),
        *(Decimal("NaN"), Decimal("sNaN"), Decimal("Infinity"), Decimal("1e-99999"), Fraction(1, 10**400)),
        *(10**5000, np.float32("nan"), float("inf")),
    ],
    ids=lambda alpha: type(alpha).__name__,  # one has more digits than Python writes
)
def test_what_is_no_alpha_is_refused_in_one_sentence(alpha: Any) -> None:
    with pytest.raises(
        UsageError, match=r"alpha is .+, but must lie between 0 and 0\.5: it is a number"
    ) as caught:
        check_enough(Calibration(np.arange(19.0), np.zeros(19, np.int64), alpha), ["a", "b"])
    assert "\n" not in str(caught.value)
