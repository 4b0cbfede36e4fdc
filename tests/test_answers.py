from __future__ import annotations

import json

import numpy as np
import pytest

from euinet.answers import REJECT, Answers


@pytest.fixture
def answers() -> Answers:
    return Answers(
        class_names=("cat", "dog"),
        labels=np.array([1, REJECT]),
        best_classes=np.array([1, 0]),
        ood_score=np.array([-2.0, 0.5], np.float32),
        p_value=np.array([0.5, 0.01]),
        probabilities=np.array([[0.1, 0.2, 0.7], [0.6, 0.3, 0.1]], np.float32),
    )


def test_one_answer_by_hand(answers: Answers) -> None:
    known, odd = answers
    assert (known.label, known.best_class, known.rejected, known.ood_score) == ("dog", "dog", False, -2.0)
    assert (odd.label, odd.best_class, odd.rejected, odd.p_value) == (None, "cat", True, 0.01)
    assert odd.reject_probability == pytest.approx(0.6)
    assert odd.probabilities == {"cat": pytest.approx(0.3), "dog": pytest.approx(0.1)}
    assert answers.names == ["dog", None]
    assert answers.rejected.tolist() == [False, True]
    assert len(answers) == 2


def test_an_answer_is_plain_json(answers: Answers) -> None:
    plain = json.loads(json.dumps(answers[1].to_plain()))
    assert plain["label"] is None
    assert plain["probabilities"]["cat"] == pytest.approx(0.3)
