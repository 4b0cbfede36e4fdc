from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ks_2samp

from euinet.predict.drift import FEWEST, measure_drift
from euinet.scoring.conformal import p_values


def test_the_statistic_is_that_of_the_two_samples_scores() -> None:
    generator = np.random.default_rng(1)
    calibration, images = generator.normal(size=300), generator.normal(0.3, 1, 120)
    drift = measure_drift(p_values(calibration, images), 0, 0.05, 300)
    # more odd images: the images' scores are stochastically larger, their distribution function lies below
    expected = ks_2samp(images, calibration, alternative="less", method="asymp")
    assert drift.ks_statistic == pytest.approx(expected.statistic)
    assert drift.ks_p_value == pytest.approx(expected.pvalue, rel=0.25)


def test_false_alarms_are_as_rare_as_promised() -> None:
    generator = np.random.default_rng(2)
    found = []
    for _ in range(2000):
        calibration, images = generator.normal(size=500), generator.normal(size=200)
        found.append(measure_drift(p_values(calibration, images), 0, None, 500).ks_p_value)
    assert np.mean(np.array(found) < 0.05) == pytest.approx(0.05, abs=0.02)
    assert np.mean(np.array(found) < 0.001) < 0.005


def test_another_world_raises_the_alarm_and_a_tamer_one_does_not() -> None:
    generator = np.random.default_rng(3)
    calibration = generator.normal(size=1000)
    odd, tame = (p_values(calibration, generator.normal(shift, 1, 400)) for shift in (0.5, -0.5))
    drift = measure_drift(odd, 40, 0.01, 1000)
    assert drift.drifted
    assert drift.sentence().startswith("10.0% of 400 images were rejected (1.0% of known ones may be). DRIFT")
    assert not measure_drift(tame, 0, 0.01, 1000).drifted


def test_few_images_tell_nothing() -> None:
    drift = measure_drift(np.full(FEWEST - 1, 0.001), FEWEST - 1, 0.01, 999)
    assert not drift.drifted
    assert drift.sentence().endswith("fewer than 20 tell nothing of drift.")
    assert measure_drift(np.empty(0), 0, None, 999).rejected_share == 0
