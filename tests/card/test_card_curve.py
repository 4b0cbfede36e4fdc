from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from euinet.card.curve import LARGEST, operating_curve
from euinet.card.groups import AnsweredGroup, Group
from euinet.card.promise import least_alpha
from euinet.model.conformal import Calibration
from euinet.records import Split
from euinet.trained.model import TrainedModel


def test_a_point_by_hand(make_judged: Callable[..., AnsweredGroup]) -> None:
    calibration = Calibration(np.arange(9, dtype=np.float32), np.zeros(9, np.int64), alpha=0.2)
    # the p-values are (1 + scores of 0 … 8 that are at least this one) / 10: 0.1, 0.9, 0.5, 0.2; 0.1, 0.3
    known = make_judged([0, 0, 1, 1], [0, 1, 1, 0], [8.5, 0.5, 4.5, 7.5])
    far = make_judged([-1, -1], [0, 2], [8.5, 6.5], kind="far", name="far")
    curve = operating_curve(calibration, known, [far])
    assert (curve.basis, curve.least) == ("calibration", 0.1)
    assert [point.alpha for point in curve.rows] == [0.1, 0.2]
    least, own = curve.rows
    assert (least.coverage.count, least.accuracy.count, least.accuracy.total) == (3, 1, 3)
    assert (own.coverage.count, own.accuracy.count, own.accuracy.total) == (2, 1, 2)
    assert own.rejected["far"].count == 1
    assert curve.points[0].alpha == pytest.approx(0.1)
    assert curve.points[-1].alpha == pytest.approx(LARGEST)


@pytest.mark.parametrize("per_class", [False, True])
def test_the_curve_is_what_the_model_would_do_at_each_alpha(
    tiny_model: TrainedModel, split: Split, per_class: bool
) -> None:
    assert tiny_model.calibration is not None
    # answers in turn, so that each class has calibration images enough
    repeated = Calibration(tiny_model.calibration.scores.repeat(4), np.arange(48) % 3, None, per_class)
    model = replace(tiny_model, calibration=repeated)
    mask = split.test.labels >= 0
    images, labels = split.test.images[mask], split.test.labels[mask]
    names = dict(enumerate(split.class_names))
    known = AnsweredGroup(Group("known", "known", images, labels, names, len(labels)), model.answer(images))
    curve = operating_curve(repeated, known, [])
    assert curve.least == least_alpha(repeated)
    for point in (*curve.rows, *curve.points[::8]):
        answers = model.with_alpha(point.alpha, per_class=per_class).answer(images)
        assert point.coverage.count == int((~answers.rejected).sum())


def test_without_calibration_the_level_is_the_share_of_known_images_rejected(
    make_judged: Callable[..., AnsweredGroup],
) -> None:
    scores = np.random.default_rng(0).permutation(1000) / 1000
    known = make_judged(np.zeros(1000), np.zeros(1000, np.int64), scores)
    far = make_judged([-1, -1], [0, 0], [0.995, 0.5], kind="far", name="far")
    curve = operating_curve(None, known, [far])
    assert curve.basis == "test"
    by_level = {point.alpha: point for point in curve.rows}
    for level, point in by_level.items():
        assert 1 - (point.coverage.value or 0) == pytest.approx(level, abs=0.0011)
    assert by_level[0.01].rejected["far"].count == 1


def test_too_few_images_give_no_curve(make_judged: Callable[..., AnsweredGroup]) -> None:
    calibration = Calibration(np.arange(2, dtype=np.float32), np.zeros(2, np.int64))
    known = make_judged([0], [0], [-1], [1.0])
    curve = operating_curve(calibration, known, [])
    assert (curve.points, curve.rows) == ((), ())
    assert curve.least >= LARGEST
