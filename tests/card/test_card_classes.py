"""Weak spots, detection and the most wrong images, each against a planted case."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from euinet.card.classes import detections, known_rows, unknown_rows
from euinet.card.groups import AnsweredGroup
from euinet.card.wrong import SHOWN, known_misnamed, known_rejected, unknown_accepted


def test_known_classes_come_weakest_first(make_judged: Callable[..., AnsweredGroup]) -> None:
    # a: right; rejected though right; taken for b, twice, one of them rejected. b: right, right. c: no images
    labels, best = [0, 0, 0, 0, 1, 1], [0, 0, 1, 1, 1, 1]
    rows = known_rows(make_judged(labels, best, [-1, 1, -1, 1, -1, -1]))
    assert [row.name for row in rows] == ["a", "b"]
    weak, strong = rows
    assert (weak.right.count, weak.right.total) == (1, 4)
    assert weak.own_class.count == 2
    assert weak.rejected.count == 2
    assert (weak.accepted_right.count, weak.accepted_right.total) == (1, 2)
    assert (weak.confused_with, weak.confused) == ("b", 2)
    assert (strong.right.value, strong.confused_with, strong.confused) == (1, None, 0)


def test_unknown_classes_say_what_they_are_taken_for(make_judged: Callable[..., AnsweredGroup]) -> None:
    near = make_judged(
        [-5, -5, -5, -8], [2, 2, 0, 1], [-1, -1, -1, 1],
        kind="near", name="held-out", unknown={-5: "four", -8: "seven"},
    )  # fmt: skip
    far = make_judged([-1, -1], [0, 0], [1, -1], kind="far", name="far")
    rows = unknown_rows([near, far])
    assert [(row.name, row.kind, row.rejected.count) for row in rows] == [
        ("four", "near", 0),
        ("far", "far", 1),
        ("seven", "near", 1),
    ]
    assert [row.taken_for for row in rows] == [(("c", 2), ("a", 1)), (("a", 1),), ()]


def test_detection_by_sklearn_and_by_hand(make_judged: Callable[..., AnsweredGroup]) -> None:
    known = make_judged([0] * 4, [0] * 4, [-4, -3, -2, 1])
    far = make_judged([-1] * 3, [0] * 3, [-2.5, 0.5, 2], kind="far", name="far")
    (found,) = detections(known, [far])
    scores = np.concatenate([known.answers.ood_score, far.answers.ood_score])
    assert found.auroc == pytest.approx(roc_auc_score([0] * 4 + [1] * 3, scores))
    assert found.fpr95 == pytest.approx(2 / 4)  # all three are caught from −2.5 on, with −2 and 1
    assert found.rejected.count == 2


def test_rejected_known_images_come_by_least_p_then_by_score(
    make_judged: Callable[..., AnsweredGroup],
) -> None:
    known = make_judged([0, 1, 2, 0], [0, 2, 2, 0], [1, 3, 2, -1], [0.01, 0.01, 0.005, 0.5])
    found = known_rejected(known)
    assert found.total == 3
    assert [one.truth for one in found.shown] == ["c", "b", "a"]
    assert [int(one.image[0, 0, 0]) for one in found.shown] == [2, 1, 0]
    assert found.shown[1].label is None
    assert found.shown[1].best_class == "c"


def test_misnamed_and_accepted_images_come_by_highest_p(make_judged: Callable[..., AnsweredGroup]) -> None:
    known = make_judged([0, 1, 2, 0], [1, 2, 2, 1], [-1, -2, -2, 1], [0.2, 0.6, 0.9, 0.01])
    misnamed = known_misnamed(known)  # the third is right, the fourth rejected
    assert [(one.truth, one.label, one.p_value) for one in misnamed.shown] == [
        ("b", "c", 0.6),
        ("a", "b", 0.2),
    ]
    far = make_judged([-1] * 2, [0, 1], [-1, 1], [0.4, 0.01], kind="far", name="far")
    noise = make_judged([-1] * 30, [0] * 30, [-1] * 30, [0.1] * 29 + [0.7], kind="noise", name="noise")
    accepted = unknown_accepted([far, noise])
    assert accepted.total == 31
    assert len(accepted.shown) == SHOWN
    assert [(one.truth, one.p_value) for one in accepted.shown[:3]] == [
        ("noise", 0.7),
        ("far", 0.4),
        ("noise", 0.1),
    ]


def test_without_p_values_the_score_decides(make_judged: Callable[..., AnsweredGroup]) -> None:
    known = make_judged([0, 1, 2], [0, 1, 2], [1, 3, 2])
    assert [one.truth for one in known_rejected(known).shown] == ["b", "c", "a"]
    far = make_judged([-1] * 2, [0, 1], [-1, -5], kind="far", name="far")
    assert [one.label for one in unknown_accepted([far]).shown] == ["b", "a"]
