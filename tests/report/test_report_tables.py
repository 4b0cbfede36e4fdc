"""Every number of the page against six images judged by hand (see `six_images` in conftest)."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from euinet.records import EvaluationRecord
from euinet.report.figures_images import wrong_images
from euinet.report.groups import entry_names, label_groups
from euinet.report.reported import EUINET_REPORT
from euinet.report.tables import (
    accuracy_rows,
    confusion,
    label_rows,
    max_to_second,
)


def test_max_to_second_is_largest_minus_second_largest() -> None:
    probabilities = np.array([[0.2, 0.5, 0.3], [0.6, 0.1, 0.3], [0.4, 0.4, 0.2]], dtype=np.float32)

    assert max_to_second(probabilities) == pytest.approx([0.2, 0.3, 0.0], abs=1e-7)


def test_medians_per_label(six_images: EvaluationRecord) -> None:
    unknown, a, b = label_rows(six_images, None)

    assert [(row.name, row.number, row.known, row.total) for row in (unknown, a, b)] == [
        ("z", 0, False, 2),
        ("a", 1, True, 2),
        ("b", 2, True, 2),
    ]
    assert (unknown.disc_score, a.disc_score, b.disc_score) == pytest.approx((0.875, 0.25, 0.125))
    # image 0: (e^.020 − e^.008) / (e^.008 + e^.020 + e^.001); image 1: (e^.010 − e^.009) / (…)
    first = (math.exp(0.020) - math.exp(0.008)) / (math.exp(0.008) + math.exp(0.020) + math.exp(0.001))
    second = (math.exp(0.010) - math.exp(0.009)) / (math.exp(0.010) + math.exp(0.009) + math.exp(0.002))
    assert a.max_to_second == pytest.approx((first + second) / 2, abs=1e-7)
    assert first == pytest.approx(0.0040169, abs=1e-6)


def test_accuracy_counts_rejected_unknowns_and_own_labels(six_images: EvaluationRecord) -> None:
    unknown, known = accuracy_rows(six_images, None)

    assert (unknown.right, unknown.total) == (1, 2)  # image 4 of 4 and 5
    assert (known.right, known.total) == (2, 4)  # images 0 and 2; 1 is rejected, 3 called a
    assert unknown.reported is None
    assert known.percent == 50


def test_labels_add_up(six_images: EvaluationRecord) -> None:
    counts = {row.name: (row.right, row.rejected, row.other) for row in label_rows(six_images, None)}

    assert counts == {"z": (1, 0, 1), "a": (1, 1, 0), "b": (1, 0, 1)}


def test_confusion_has_the_unknown_row_first_and_reject_as_first_answer(six_images: EvaluationRecord) -> None:
    table = confusion(six_images)

    assert table.row_names == ("z", "a", "b")
    assert table.column_names == ("reject", "a", "b")
    assert table.counts.tolist() == [[1, 0, 1], [1, 1, 0], [0, 1, 1]]
    assert table.right_columns == (0, 1, 2)


def test_several_unknown_classes_are_rows_of_their_own(six_images: EvaluationRecord) -> None:
    record = dataclasses.replace(
        six_images,
        unknown_classes=(3, 0),
        unknown_names=("y", "z"),
        labels=np.array([0, 0, 1, 1, -4, -1], dtype=np.int64),
    )

    table = confusion(record)

    by_name = dict(zip(table.row_names, table.counts.tolist(), strict=True))
    assert by_name["y"] == [1, 0, 0]
    assert by_name["z"] == [0, 0, 1]
    assert entry_names(record)[0] == "reject"
    assert [group.name for group in label_groups(record)] == ["z", "a", "b", "y"]


def test_wrong_images_of_each_kind(six_images: EvaluationRecord) -> None:
    assert [positions.tolist() for _, positions in wrong_images(six_images)] == [[1], [5], [3]]


def test_the_surest_error_comes_first(record: EvaluationRecord) -> None:
    _, (_, accepted), _ = wrong_images(record)

    scores = record.decision.ood_score[accepted]
    assert len(scores) > 3
    assert (np.diff(scores) >= 0).all()  # least out-of-distribution first
    assert (scores <= 0).all()


def test_a_stray_label_is_refused(six_images: EvaluationRecord) -> None:
    record = dataclasses.replace(six_images, labels=np.array([0, 0, 1, 1, -1, -8], dtype=np.int64))

    with pytest.raises(ValueError, match=r"\[-8\] belong to no class"):
        label_groups(record)


def test_reported_values_are_those_of_the_report() -> None:
    assert (EUINET_REPORT.accuracy_unknown, EUINET_REPORT.accuracy_known) == (96.9353, 99.5853)
    assert EUINET_REPORT.disc_score_medians[1] == 6.051204e-02
    assert EUINET_REPORT.max_to_second_medians[0] == 2.7290732e-04
    assert len(EUINET_REPORT.disc_score_medians) == len(EUINET_REPORT.max_to_second_medians) == 10


@pytest.mark.parametrize(("percent", "total"), [(96.9353, 980), (99.5853, 9020)])
def test_the_reports_accuracies_are_no_counts_over_mnist(percent: float, total: int) -> None:
    """The page says so; it would be wrong if some whole number of images gave the printed digits."""
    assert all(round(100 * right / total, 4) != percent for right in range(total + 1))


def test_reported_medians_stand_beside_the_right_label(record: EvaluationRecord) -> None:
    rows = label_rows(record, EUINET_REPORT)

    assert rows[7].reported_disc_score == 9.088801e-04
    assert rows[7].reported_max_to_second == 2.0839795e-03
    assert label_rows(record, None)[7].reported_disc_score is None
