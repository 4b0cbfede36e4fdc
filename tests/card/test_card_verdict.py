"""The sentences say what the numbers say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from euinet.card.groups import AnsweredGroup
from euinet.card.measured import Measured, measure
from euinet.card.stress import Changed, ChangeRow, Stress
from euinet.card.verdict import plain_verdict, to_heed, verdict
from euinet.judging.promise import FalseRejects
from euinet.judging.share import Share
from euinet.model.conformal import Calibration


def stress(mild: int, strong: int) -> Stress:
    picture = torch.zeros(1, 8, 8, dtype=torch.uint8)

    def changed(label: str, rejected: int) -> Changed:
        return Changed(label, Share(rejected, 1000), Share(900, 1000), picture)

    row = ChangeRow(
        "blur", "Gaussian", (changed("mild", mild), changed("medium", mild), changed("hard", strong))
    )
    return Stress(changed("unchanged", 10), (row,))


@pytest.fixture
def measured(make_judged: Callable[..., AnsweredGroup]) -> Measured:
    """1,000 known images, 10 rejected, 990 of the accepted in their own class; α 0.01 of 999 images."""
    p_value = (np.arange(1000) + 0.5) / 1000
    scores = np.where(p_value <= 0.01, 1.0, -1.0)
    calibration = Calibration(np.linspace(-1, 1, 999, dtype=np.float32), np.zeros(999, np.int64), 0.01)
    known = make_judged(np.zeros(1000, int), [0] * 1000, scores, p_value)
    near = make_judged(
        [-5] * 10, [1] * 10, [1] * 8 + [-1] * 2, [0.001] * 8 + [0.5] * 2,
        kind="near", name="held-out class four", unknown={-5: "four"},
    )  # fmt: skip
    return measure(calibration, known, [near], stress(12, 400))


def test_a_kept_promise_is_told_with_its_numbers(measured: Measured) -> None:
    text = verdict(measured, "photos").replace("\u00a0", " ")
    assert "promises that at most 1 % of known images are rejected by mistake (alpha 0.01, set by 999" in text
    assert "10 of 1,000 known test images of photos were rejected: 1.0 % (95 % interval 0.5 to 1.8 %)" in text
    assert "that is as the promise lets one expect (3 to 20 in 95 % of such tests)" in text
    assert "Of the accepted ones 100 % got their own class" in text
    assert "Unknown images rejected: 80.0\u00a0% of held-out class four (near)." in text.replace(
        " %", "\u00a0%"
    )
    assert "blur (hard) costs most: 40.0 % of known images" in text


def test_a_users_own_unknowns_are_neither_called_far_nor_passed_over(measured: Measured) -> None:
    (near,) = measured.detections
    given = replace(measured, detections=(replace(near, kind="given", name="my/moths"),))
    text = verdict(given, "photos").replace("\u00a0", " ")
    assert "80.0 % of my/moths (given), held-out classes: none were there to be tried, and how near" in text
    assert "(far)" not in text
    far = replace(measured, detections=(replace(near, kind="far", name="letters"),))
    assert "how near" not in verdict(far, "photos")


@pytest.mark.parametrize(
    ("rejected", "words"),
    [(40, "more than the promise explains (3 to 20"), (1, "fewer than the promise lets one expect (3 to 20")],
)
def test_a_promise_that_does_not_fit_is_called_so(measured: Measured, rejected: int, words: str) -> None:
    other = replace(measured, promise=FalseRejects(0.01, Share(rejected, 1000), (3, 20)))
    assert words in verdict(other, "photos").replace("\u00a0", " ")
    sentence, found = plain_verdict(other)
    assert any(one.startswith("The promise is not kept") for one in found) == (rejected == 40)
    assert sentence == " ".join(found)


def test_without_a_promise_and_without_scores(measured: Measured) -> None:
    unset = replace(measured, alpha=None, promise=None)
    assert "No promise is set, though the model keeps the scores of 999" in verdict(unset, "photos")
    bare = replace(unset, check=None)
    assert "keeps no calibration scores: it promises nothing" in verdict(bare, "photos")
    assert "10 of 1,000" in verdict(bare, "photos")


def test_what_to_heed_is_what_stands_out(measured: Measured) -> None:
    remarks = " ".join(to_heed(measured))
    assert "four (80.0\u00a0% rejected, the others mostly taken for b)" in remarks
    assert "Kolmogorov" in remarks  # scores of two values, calibration scores of 999
    assert "blur" not in remarks  # 1.2 % and 1 % unchanged: only the strongest harms
    fragile = to_heed(replace(measured, stress=stress(90, 400)))
    assert "blur (mild: 9.0\u00a0% rejected)" in " ".join(fragile)


def test_a_class_that_suffers_is_named(make_judged: Callable[..., AnsweredGroup], measured: Measured) -> None:
    labels = np.repeat([0, 1, 2], [800, 100, 100])
    at = np.arange(1000)  # 30 of b are rejected, and of c 3, as of all
    scores = np.where((at >= 800) & (at < 830) | (at >= 997), 1.0, -1.0)
    known = make_judged(labels, labels, scores)
    remarks = to_heed(measure(None, known, [], stress(10, 10)))
    assert any("than others: b (30.0\u00a0%). One threshold" in remark for remark in remarks)
    assert "held-out classes: none were there" in verdict(measure(None, known, [], stress(10, 10)), "photos")


def test_few_images_are_said_to_be_few(make_judged: Callable[..., AnsweredGroup]) -> None:
    calibration = Calibration(np.arange(12, dtype=np.float32), np.zeros(12, np.int64), 0.1)
    known = make_judged([0] * 5, [0] * 5, [-1] * 5, [0.5] * 5)
    remarks = to_heed(measure(calibration, known, [], stress(10, 10)))
    assert "There are only 12 calibration images and 5 known test images: the intervals are wide." in remarks
