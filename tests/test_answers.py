from __future__ import annotations

import json
import math
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from euinet.answers import REJECT, SHOWN_ROWS, UNREADABLE, Answers

HOSTILE = ("<script>alert(1)</script>", '<img src=x onerror="alert(2)">')


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


@pytest.fixture
def gappy(answers: Answers) -> Answers:
    """Three files, of which the second could not be read."""
    gap = [0, -1, 1]
    return replace(
        answers,
        labels=np.array([1, UNREADABLE, REJECT]),
        best_classes=np.array([1, -1, 0]),
        ood_score=np.where([True, False, True], answers.ood_score[gap], np.float32(np.nan)),
        p_value=np.array([0.5, np.nan, 0.01]),
        probabilities=answers.probabilities[gap],
        paths=("a.png", "b.png", "c.png"),
        errors=(None, "b.png is empty", None),
    )


def test_rows_are_the_answers_as_plain_values(answers: Answers) -> None:
    assert answers.rows == [answer.to_plain() for answer in answers]
    named = replace(answers, paths=("a.png", "b.png")).rows
    assert [next(iter(row)) for row in named] == ["path", "path"]
    assert [row["path"] for row in named] == ["a.png", "b.png"]
    assert json.loads(json.dumps(named)) == named


def test_an_unreadable_image_is_a_row_with_its_error_and_no_answer(gappy: Answers) -> None:
    first, second, third = gappy.rows
    assert second == {"path": "b.png", "error": "b.png is empty"}
    assert (first["path"], first["label"]) == ("a.png", "dog")
    assert (third["path"], third["label"], third["rejected"]) == ("c.png", None, True)
    assert gappy.names == ["dog", None, None]
    assert gappy.rejected.tolist() == [False, False, True]  # what was not read was not rejected
    assert len(gappy) == 3
    with pytest.raises(ValueError, match=r"there is no answer for image 1: b\.png is empty"):
        list(gappy)
    assert json.loads(json.dumps(gappy.rows, allow_nan=False)) == gappy.rows


def test_a_data_frame_has_a_column_for_each_probability(gappy: Answers) -> None:
    pytest.importorskip("pandas")
    frame = gappy.to_pandas()
    assert list(frame["path"]) == ["a.png", "b.png", "c.png"]
    assert list(frame["label"].fillna("")) == ["dog", "", ""]
    assert frame["probabilities.dog"][0] == pytest.approx(0.7)
    assert frame["probabilities.cat"][2] == pytest.approx(0.3)
    assert math.isnan(frame["ood_score"][1])
    assert frame["error"][1] == "b.png is empty"


class Cells(HTMLParser):
    """The cells of a table, as a browser shows them; anything but a table is refused."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.after = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        assert tag in {"table", "thead", "tbody", "tr", "th", "td", "p"}, tag
        assert attrs == []
        if tag == "tr":
            self.rows.append([])
        if tag in {"th", "td"}:
            self.rows[-1].append("")

    def handle_data(self, data: str) -> None:
        if self.lasttag == "p":
            self.after += data
        else:
            self.rows[-1][-1] += data


def test_a_notebook_shows_a_table(gappy: Answers) -> None:
    head, *rows = Cells(gappy._repr_html_()).rows
    assert head == ["", "label", "best class", "p-value", "ood_score"]
    assert rows == [
        ["a.png", "dog", "dog", "0.5", "-2"],
        ["b.png", "b.png is empty", "", "", ""],
        ["c.png", "none of these", "cat", "0.01", "0.5"],
    ]
    bare = Cells(replace(gappy, p_value=None, paths=None)._repr_html_()).rows
    assert [row[0] for row in bare[1:]] == ["0", "1", "2"]
    assert [row[3] for row in bare[1:]] == ["", "", ""]


def test_hostile_names_are_text_in_a_notebook(gappy: Answers) -> None:
    """Names of classes and files come from strangers; the parser above refuses any tag or attribute."""
    hostile = replace(gappy, class_names=HOSTILE, paths=(*HOSTILE, "c"), errors=(None, HOSTILE[0], None))
    _, first, second, third = Cells(hostile._repr_html_()).rows
    assert first[:3] == [HOSTILE[0], HOSTILE[1], HOSTILE[1]]
    assert second[:2] == [HOSTILE[1], HOSTILE[0]]
    assert third[2] == HOSTILE[0]


def test_a_notebook_shows_so_many_rows_and_counts_the_rest(answers: Answers) -> None:
    many = np.arange(SHOWN_ROWS + 3) % 2
    long = replace(
        answers,
        labels=answers.labels[many],
        best_classes=answers.best_classes[many],
        ood_score=answers.ood_score[many],
        p_value=None,
        probabilities=answers.probabilities[many],
    )
    shown = Cells(long._repr_html_())
    assert (len(shown.rows), shown.after) == (1 + SHOWN_ROWS, "… and 3 more")
    assert Cells(answers._repr_html_()).after == ""
