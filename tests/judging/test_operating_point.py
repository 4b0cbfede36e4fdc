"""The operating point of a record of thirteen images, against numbers worked out by hand."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from record_cases import CALIBRATION, random_record, small_record

from euinet.errors import UsageError
from euinet.judging.operating import (
    Costs,
    alpha_grid,
    expected_cost,
    least_cost,
    operating_point,
)
from euinet.judging.share import Share
from euinet.model.conformal import Calibration


def test_one_threshold_by_hand() -> None:
    point = operating_point(small_record(), CALIBRATION, 0.2)  # rejected: above 8
    assert point.thresholds.tolist() == [8, 8]
    assert point.coverage == Share(4, 6)  # 8.5 and 30 are rejected, 8 is not
    assert point.accuracy == Share(3, 4)  # the image of b with score 3 is taken for a
    assert point.rejected == {"held-out 0": Share(2, 3), "far": Share(3, 4)}
    a, b = point.per_class
    assert (a.name, a.rejected, a.right) == ("a", Share(1, 3), Share(2, 2))
    assert (b.name, b.rejected, b.right) == ("b", Share(1, 3), Share(1, 2))


def test_a_threshold_for_each_answer_by_hand() -> None:
    # class 0 (1, 3, 4, 5): rank 5 − ⌊0.2 · 5⌋ = 4 → 5; class 1 (2, 6, 7, 8, 9): rank 6 − 1 = 5 → 9
    point = operating_point(small_record(), CALIBRATION, 0.2, per_class=True)
    assert point.thresholds.tolist() == [5, 9]
    assert point.coverage == Share(3, 6)  # 8 and 8.5 for class 0, 30 for class 1
    # of the held-out 7 and 9, for class 0; of the far 10 and 30 for class 0, 20 for class 1
    assert point.rejected == {"held-out 0": Share(2, 3), "far": Share(3, 4)}


def test_each_class_counts_its_own_images() -> None:
    record, calibration = random_record(4)
    point = operating_point(record, calibration, 0.2)
    rejected = record.ood_score > point.thresholds[0]
    for k, row in enumerate(point.per_class):
        own = record.true_class == k
        assert row.rejected == Share(int((rejected & own).sum()), int(own.sum()))
        accepted = own & ~rejected
        assert row.right == Share(int((record.best_class[accepted] == k).sum()), int(accepted.sum()))
    assert len({(row.rejected.count, row.right.count) for row in point.per_class}) == 3


def test_cost_by_hand() -> None:
    point = operating_point(small_record(), CALIBRATION, 0.2)
    costs = Costs(wrong_answer=6, rejected_known=3, accepted_unknown=12, unknown_share=0.25)
    # known: 2/6 rejected, 1/6 wrong → 3·2/6 + 6·1/6 = 2; unknown accepted: (1/3 + 1/4)/2 = 7/24 → 3.5
    assert expected_cost(point, costs) == pytest.approx(1000 * (0.75 * 2 + 0.25 * 3.5))
    assert expected_cost(point, costs, ["far"]) == pytest.approx(1000 * (0.75 * 2 + 0.25 * 3))
    assert expected_cost(point, costs, []) is None  # nothing tells how many unknowns are caught
    assert expected_cost(point, Costs(6, 3, 12, 0), []) == pytest.approx(2000)


def test_cost_where_nothing_known_will_come_or_was_tested() -> None:
    record = small_record()
    point = operating_point(record, CALIBRATION, 0.2)
    unknowns = dataclasses.replace(point, coverage=Share(0, 0), accuracy=Share(0, 0))
    assert expected_cost(unknowns, Costs(6, 3, 12, 0.25)) is None
    # as in the test above, 7/24 of the unknown accepted
    assert expected_cost(unknowns, Costs(6, 3, 12, 1)) == pytest.approx(3500)
    assert expected_cost(point, Costs(6, 3, 12, 1)) == pytest.approx(3500)


def test_a_point_as_plain_values() -> None:
    plain = operating_point(small_record(), CALIBRATION, 0.2).to_plain()
    assert plain == {
        "alpha": 0.2,
        "thresholds": [8.0, 8.0],
        "coverage": {"count": 4, "total": 6, "share": 4 / 6},
        "accuracy": {"count": 3, "total": 4, "share": 0.75},
        "rejected": {
            "held-out 0": {"count": 2, "total": 3, "share": 2 / 3},
            "far": {"count": 3, "total": 4, "share": 0.75},
        },
        "per_class": [
            {
                "name": name,
                "rejected": {"count": 1, "total": 3, "share": 1 / 3},
                "right": {"count": right, "total": 2, "share": right / 2},
            }
            for name, right in (("a", 2), ("b", 1))
        ],
    }
    assert Share(0, 0).value is None


@pytest.mark.parametrize("per_class", [False, True])
def test_least_cost_is_the_least_of_the_grid_that_the_calibration_can_promise(per_class: bool) -> None:
    record, calibration = random_record(3, per_class=per_class)
    costs = Costs(5, 10, 40, 0.5)
    grid = alpha_grid(50 if per_class else 150)  # three classes, 150 images
    all_of_them = [expected_cost(operating_point(record, calibration, a), costs, ["far"]) for a in grid]
    least = min(cost for cost in all_of_them if cost is not None)
    assert least_cost(record, calibration, costs, ["far"]) == (grid[all_of_them.index(least)], least)
    assert grid[0] < grid[all_of_them.index(least)] < grid[-1]


def test_least_cost_follows_what_errors_cost() -> None:
    record, calibration = random_record(3)
    careful = least_cost(record, calibration, Costs(5, 1, 100, 0.5))
    lenient = least_cost(record, calibration, Costs(5, 100, 1, 0.5))
    assert careful is not None
    assert lenient is not None
    assert careful[0] > 0.1 > lenient[0]
    assert lenient[0] == alpha_grid(150)[0]
    for alpha in (0.01, 0.2, 0.4):
        at = expected_cost(operating_point(record, calibration, alpha), Costs(5, 1, 100, 0.5))
        assert at is not None
        assert at >= careful[1]


def test_promised_and_found_agree_with_the_p_values() -> None:
    """Rejected at α exactly where p ≤ α, for every step of p, ties included."""
    for per_class in (False, True):
        record, calibration = random_record(5, per_class=per_class)
        p = calibration.p_values(record.ood_score, record.best_class)
        for alpha in alpha_grid(49 if per_class else 150):
            point = operating_point(record, calibration, alpha)
            np.testing.assert_array_equal(record.at(point.thresholds), p <= alpha + 1e-12)


def test_the_grid_holds_what_can_be_promised() -> None:
    grid = alpha_grid(99)
    assert grid[:3] == (0.01, 0.011, 0.012)
    assert grid[-1] == 0.49
    assert list(grid) == sorted(set(grid))
    assert alpha_grid(98)[0] == 0.011  # 1/99 has more than two digits
    assert alpha_grid(0) == ()


def test_without_calibration_scores_the_test_images_stand_in() -> None:
    point = operating_point(small_record(), None, 0.4)  # 6 images: the 5th smallest of 1 2 3 8 8.5 30
    assert point.thresholds.tolist() == [8.5, 8.5]
    assert point.coverage == Share(5, 6)


def test_what_cannot_be_promised_is_refused() -> None:
    with pytest.raises(UsageError, match="cannot be promised by 9 calibration images"):
        operating_point(small_record(), CALIBRATION, 0.09)
    with pytest.raises(UsageError, match=r"between 0 and 0\.5"):
        operating_point(small_record(), CALIBRATION, 0.5)
    few = Calibration(CALIBRATION.scores, np.zeros(9, np.int64), 0.2, per_class=True)
    with pytest.raises(UsageError, match=r"fewer of b \(0\)"):
        operating_point(small_record(), few, 0.2)
    with pytest.raises(UsageError, match="a number from 0"):
        Costs(wrong_answer=-1)
    with pytest.raises(UsageError, match="between 0 and 1"):
        Costs(unknown_share=1.5)
