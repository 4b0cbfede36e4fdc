"""The calibration check against numbers worked out by hand, by scipy, and by drawing lots."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ks_2samp

from euinet.card.promise import check_calibration, false_rejects, least_alpha
from euinet.judging.promise import FalseRejects, expected_rejections
from euinet.judging.share import Share
from euinet.model.conformal import Calibration


def calibration(count: int, alpha: float | None = None, *, per_class: bool = False) -> Calibration:
    scores = np.arange(1, count + 1, dtype=np.float32)
    return Calibration(scores, np.arange(count) % 2, alpha, per_class)


def test_of_one_calibration_and_one_test_image_either_is_the_odder() -> None:
    # with n = 1 and α = 0.5 the threshold is the one score: a test image lies above it half of the time
    assert expected_rejections(0.5, 1, 1) == (0, 1)


def test_expected_rejections_are_what_draws_give() -> None:
    generator = np.random.default_rng(0)
    calibrated, tested, alpha = 99, 200, 0.05
    scores = generator.random((20_000, calibrated + tested))
    thresholds = np.sort(scores[:, :calibrated], axis=1)[:, 95 - 1]  # ⌈100 · 0.95⌉ = 95
    rejected = (scores[:, calibrated:] > thresholds[:, None]).sum(axis=1)
    low, high = expected_rejections(alpha, calibrated, tested)
    assert low == pytest.approx(np.quantile(rejected, 0.025), abs=1)
    assert high == pytest.approx(np.quantile(rejected, 0.975), abs=1)
    assert ((rejected >= low) & (rejected <= high)).mean() >= 0.94


def test_false_rejects_count_p_values_up_to_alpha() -> None:
    p_value = np.array([0.05, 0.1, 0.15, 1.0])
    found = false_rejects(calibration(19), p_value, 0.1)
    assert found.rejected is not None
    assert (found.rejected.count, found.rejected.total) == (2, 4)
    assert false_rejects(calibration(19), p_value, 0.04).rejected is None  # 19 images allow 0.05 at least
    assert false_rejects(calibration(19), p_value, 0.04).verdict == "untold"


@pytest.mark.parametrize(("count", "verdict"), [(49, "fewer"), (50, "kept"), (133, "kept"), (134, "more")])
def test_the_verdict_is_by_the_expected_count(count: int, verdict: str) -> None:
    assert FalseRejects(0.01, Share(count, 9018), (50, 133)).verdict == verdict


@pytest.mark.parametrize(("count", "verdict"), [(0, "fewer"), (10, "kept"), (40, "more")])
def test_without_an_expected_count_the_interval_decides(count: int, verdict: str) -> None:
    assert FalseRejects(0.01, Share(count, 1000), None).verdict == verdict


def test_the_check_is_scipys_and_its_histogram_adds_up() -> None:
    known, generator = calibration(99), np.random.default_rng(0)
    alike = generator.uniform(0.5, 99.5, 400)
    p_value = (1 + (known.scores[None] >= alike[:, None]).sum(axis=1)) / 100
    check = check_calibration(known, p_value, alike)
    found = ks_2samp(known.scores, alike, method="asymp")
    assert (check.ks_statistic, check.ks_p_value) == pytest.approx((found.statistic, found.pvalue))
    assert check.ks_p_value > 0.1
    assert sum(share.count for share in check.histogram) == 400
    assert check.uniform == pytest.approx([1 / 20] * 20)
    low = int((p_value <= 0.05 + 1e-9).sum())  # p = 5/100 closes the first of twenty bins
    assert check.histogram[0].count == low > 0

    odd = check_calibration(known, np.full(400, 0.01), np.full(400, 200.0))
    assert odd.ks_p_value < 1e-6
    assert odd.histogram[0].count == 400
    assert [row.verdict for row in odd.rows] == ["untold", "more", "more", "more"]


def test_few_calibration_images_have_few_bins() -> None:
    check = check_calibration(calibration(6), np.array([1, 2, 7]) / 7, np.array([6.5, 5.5, 0.5]))
    assert [share.count for share in check.histogram] == [1, 1, 0, 0, 0, 0, 1]
    assert check.uniform == pytest.approx([1 / 7] * 7)


def test_a_threshold_a_class_needs_images_of_each() -> None:
    per_class = calibration(39, per_class=True)  # 20 answers "0", 19 answers "1"
    assert least_alpha(per_class) == pytest.approx(1 / 20)
    assert least_alpha(calibration(39)) == pytest.approx(1 / 40)
    assert false_rejects(per_class, np.array([0.05, 0.5]), 0.05).expected is None
