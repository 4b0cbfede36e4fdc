from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.stats import ks_2samp

from euinet.model.conformal import p_values
from euinet.predict.drift import FEWEST, Drift, PValueCounts
from euinet.predict.drift import measure_drift as measure_counts


def measure_drift(p_values: np.ndarray, rejected: int, alpha: float | None, calibration_images: int) -> Drift:
    counts = PValueCounts()
    counts.add(p_values)
    return measure_counts(counts, rejected, alpha, calibration_images)


def statistic_of_single_values(values: np.ndarray, calibration_images: int) -> float:
    """The same with every p-value kept, as float32."""
    ordered = np.sort(values.astype(np.float32))
    uniform = (np.round(ordered * (calibration_images + 1)) - 1) / calibration_images
    below = np.searchsorted(ordered, ordered, side="right") / len(ordered)
    return float((below - uniform).max(initial=0))


@pytest.mark.parametrize("shift", [-0.5, 0.0, 0.1, 3.0])
def test_counted_values_give_the_same_number_as_single_ones(shift: float) -> None:
    generator = np.random.default_rng(4)
    calibration, images = generator.normal(size=777), generator.normal(shift, 1, 5000)
    values = p_values(calibration, images)
    counts, other = PValueCounts(), PValueCounts()
    for start in range(0, 3000, 256):  # in batches of any size, in parts, by way of a file
        counts.add(values[start : min(start + 256, 3000)])
    other.add(values[3000:])
    counts.merge(PValueCounts.from_plain(json.loads(json.dumps(other.to_plain()))))
    steps, occurrences = counts.ordered()
    assert len(steps) <= 778
    assert occurrences.sum() == 5000
    assert measure_counts(counts, 0, None, 777).ks_statistic == statistic_of_single_values(values, 777)


def test_steps_of_several_classes_are_counted_as_well() -> None:
    generator = np.random.default_rng(5)
    values = np.concatenate(
        [p_values(generator.normal(size=n), generator.normal(size=400)) for n in (30, 70)]
    )
    assert measure_drift(values, 0, None, 100).ks_statistic == statistic_of_single_values(values, 100)


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
