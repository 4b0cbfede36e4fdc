"""Which images are shown as the most wrong."""

from __future__ import annotations

import numpy as np
from made_up_results import made_up

from euinet.benchmark.pictures import ScoredCell, draw_most_wrong, most_wrong
from euinet.benchmark.results import OWN
from euinet.report.style import house_style


def test_known_images_by_falling_and_unknown_ones_by_rising_score() -> None:
    labels = np.array([0, -5, 1, -5, 0, -5], np.int64)
    scores = np.array([0.1, 0.3, 0.9, -0.2, -0.4, 0.1], np.float32)
    known, unknown = most_wrong(scores, labels)
    assert known.tolist() == [2, 0, 4]
    assert unknown.tolist() == [3, 5, 1]


def test_at_most_eight_of_each_are_shown() -> None:
    labels = np.repeat(np.array([0, -1], np.int64), 20)
    known, unknown = most_wrong(np.arange(40, dtype=np.float32), labels)
    assert known.tolist() == list(range(19, 11, -1))
    assert unknown.tolist() == list(range(20, 28))


def test_colours_names_and_scores_stand_under_the_images() -> None:
    judged = ScoredCell(
        result=made_up("eel", 0, {OWN: 0.75}),
        images=np.zeros((3, 3, 8, 8), np.uint8),
        ood_score=np.array([0.0064, -1.25, -30], np.float32),
        labels=np.array([0, -3, 1], np.int64),
        class_names=("cat", "a very long name of a class"),
        unknown_names={-3: "eel"},
    )
    with house_style():
        figure = draw_most_wrong("pets", [judged]).figure
    known, unknown = figure.axes
    assert known.get_title(loc="left") == "eel unknown, AUROC 0.7500 · known images, highest scores"
    assert [text.get_text() for text in known.texts] == ["cat\n+0.0064", "a very long…\n−30"]
    assert [text.get_text() for text in unknown.texts] == ["eel\n−1.2"]
