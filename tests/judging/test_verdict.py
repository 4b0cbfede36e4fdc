"""The verdict says what the intervals show, no more; the intervals and the promise are as drawn by lot."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from scipy.stats import betabinom

from euinet.judging.metrics import detection_metrics
from euinet.judging.promise import FalseRejects, expected_rejections
from euinet.judging.share import Share
from euinet.judging.verdict import Unknowns, auroc_interval, plainly, shortcomings, verdict
from euinet.model.conformal import Calibration, conformal_rank

GOOD = Share(990, 1000)
CALIBRATED = Calibration(np.arange(999, dtype=np.float32), np.zeros(999, np.int64), 0.05)


def unknowns(auroc: float, images: int, caught: float = 0.9, name: str = "zero") -> Unknowns:
    return Unknowns(name, auroc, 1000, Share(round(caught * images), images))


@pytest.mark.parametrize(
    ("auroc", "images", "caught", "grade"),
    [
        (0.52, 1000, 0.05, "cannot"),
        (0.52, 10, 0.05, "unshown"),  # as near chance, but of too few images for a strong sentence
        (0.75, 10, 0.3, "unshown"),
        (1.0, 3, 1.0, "unshown"),
        (0.3, 1000, 0.0, "turned"),
        (0.3, 5, 0.0, "unshown"),
        (0.7, 1000, 0.2, "poor"),
        (0.95, 1000, 0.3, "accepted"),  # told apart, but not at this threshold
        (0.95, 1000, 0.9, None),
        (0.95, 8, 0.4, None),  # 3 of 8: that most are accepted is not shown
        (1.0, 10, 1.0, None),
    ],
)
def test_a_sentence_is_as_strong_as_its_interval(
    auroc: float, images: int, caught: float, grade: str | None
) -> None:
    assert unknowns(auroc, images, caught).grade == grade


@pytest.mark.parametrize(
    ("right", "classes", "start"),
    [
        (
            Share(110, 1000),
            10,
            "This model tells its own classes hardly better than guessing: 11.0 %",
        ),
        (
            Share(550, 1000),
            2,
            "This model tells its own classes hardly better than guessing: 55.0 %",
        ),
        (
            Share(4, 6),
            2,
            "It is not shown that this model tells its own classes better than guessing",
        ),
        (Share(500, 1000), 10, "This model tells its own classes poorly: 50.0 % of 1,000"),
        (Share(0, 0), 10, "No image of its classes was tried"),
        (Share(690, 1000), 8, "This model tells its own classes poorly: 69.0 % of 1,000"),
        (Share(900, 1000), 10, None),
        (Share(9, 10), 10, None),
    ],
)
def test_accuracy_is_judged_from_guessing(right: Share, classes: int, start: str | None) -> None:
    found = shortcomings(right, classes, [unknowns(0.99, 1000)], None)
    assert [one.startswith(start or "-") for one in found] == ([] if start is None else [True])


def test_nothing_tried_is_said() -> None:
    (said,) = shortcomings(GOOD, 10, [], None)
    assert said == "No unknown image was tried: nothing is known of what this model does with any."


def test_groups_of_a_kind_share_a_sentence_and_the_worst_comes_first() -> None:
    groups = [unknowns(0.5 + at / 1000, 2000, 0.02, f"n{at}") for at in range(7)]
    (said,) = shortcomings(GOOD, 10, [*groups, unknowns(0.99, 1000)], None)
    assert said.startswith("This model cannot tell these unknowns from its classes: n0 (AUROC 0.50, 95")
    assert said.endswith(" and 2 more.")
    assert "zero" not in said


def test_a_hostile_name_steers_no_terminal() -> None:
    (said,) = shortcomings(GOOD, 10, [unknowns(0.5, 1000, 0.1, "a\x1b[2Jb")], None)
    assert said.isprintable()


def test_without_shortcomings_it_says_what_was_shown() -> None:
    groups = [unknowns(0.99, 1000, name="far"), unknowns(0.97, 1000, name="near")]
    assert plainly((), GOOD, groups) == (
        "On what was tried nothing speaks against this model: 99.0 % of known images look most like their "
        "own class, and unknown ones are told from them, the hardest being near (AUROC 0.97, 95 % interval "
        "0.96 to 0.98; 90.0 % of 1,000 rejected)."
    )


@pytest.mark.parametrize(("rejected", "kept"), [(0.05, True), (0.06, True), (0.227, False)])
def test_a_promise_that_is_not_kept_is_said(rejected: float, kept: bool) -> None:
    row = {"auroc": 0.99, "ood_accuracy": 0.9, "n_ood": 500}
    metrics: dict[str, Any] = {"n_id": 1000, "closed_set_accuracy": 0.99, "known_rejected": rejected}
    metrics |= {"near": {"zero": row}, "far": {}}
    found = verdict(metrics, 10, CALIBRATED)
    assert (found["shortcomings"] == []) == kept
    if not kept:
        assert found["sentence"].startswith(
            "The promise is not kept on these images: 22.7 % of 1,000 known ones were rejected, and alpha "
            "promises 5 % at most."
        )
    assert verdict(metrics, 10, None)["shortcomings"] == []  # nothing was promised


def test_ten_images_break_no_promise() -> None:
    assert FalseRejects(0.05, Share(1, 10), expected_rejections(0.05, 999, 10)).verdict == "kept"


@pytest.mark.parametrize(("known", "unknown"), [(200, 10), (20, 300), (100, 100)])
@pytest.mark.parametrize("mixed", [False, True])
def test_the_interval_holds_the_true_auroc(known: int, unknown: int, mixed: bool) -> None:
    """Normal scores one apart have the AUROC Φ(1/√2); where half of the unknown ones lie far out, 0.75."""
    lots, held = np.random.default_rng(0), 0
    true = 0.75 if mixed else (1 + math.erf(0.5)) / 2
    for _ in range(400):
        shift = 20.0 * lots.integers(2, size=unknown) if mixed else 1.0
        scores = np.concatenate([lots.normal(0, 1, known), lots.normal(0, 1, unknown) + shift])
        labels = np.repeat([0, -1], [known, unknown])
        low, high = auroc_interval(detection_metrics(scores, labels)["auroc"], known, unknown)
        held += low <= true <= high
    assert held / 400 >= 0.93


def test_the_interval_of_no_and_of_few_images() -> None:
    assert auroc_interval(0.5, 0, 10) == auroc_interval(0.5, 10, 0) == (0, 1)
    assert auroc_interval(1.0, 1000, 10) == Share(10, 10).interval


@pytest.mark.parametrize(
    ("alpha", "calibrated", "tested"), [(0.01, 99, 1000), (0.1, 50, 7), (0.05, 2164, 9020)]
)
def test_expected_rejections_are_scipys(alpha: float, calibrated: int, tested: int) -> None:
    rank = conformal_rank(calibrated, alpha)
    law = betabinom(tested, calibrated + 1 - rank, rank)
    assert expected_rejections(alpha, calibrated, tested) == tuple(map(int, law.ppf([0.025, 0.975])))
    assert expected_rejections(alpha, calibrated, 0) == (0, 0)
