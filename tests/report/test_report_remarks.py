"""The sentences must follow the numbers, above all where this run falls short of the report."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from euinet.answers import REJECT
from euinet.records import Decision, EvaluationRecord
from euinet.report.remarks import accuracy_verdict, verdicts, what_is_here
from euinet.report.reported import EUINET_REPORT
from euinet.report.tables import AccuracyRow


def answered(record: EvaluationRecord, answers: np.ndarray) -> EvaluationRecord:
    decision: Decision = dataclasses.replace(record.decision, labels=answers.astype(np.int64))
    return dataclasses.replace(record, decision=decision)


@pytest.mark.parametrize(
    ("right", "total", "expected"),
    [
        (
            800,
            980,
            "Below the report’s by 15.30 percentage points; more than the choice of test images explains.",
        ),
        (945, 980, "Below the report’s by 0.51 percentage points; the choice of test images alone could"),
        (980, 980, "Above the report’s by 3.06 percentage points; more than"),
        (96935, 100000, "The same as the report’s to two decimals."),
        (0, 0, ""),
    ],
)
def test_verdict(right: int, total: int, expected: str) -> None:
    verdict = accuracy_verdict(AccuracyRow("0", "rejected", right, total, reported=96.9353))

    assert verdict.startswith(expected)
    assert bool(verdict) is bool(expected)


def test_a_run_below_the_report_says_so(record: EvaluationRecord) -> None:
    verdict = verdicts(record, EUINET_REPORT)["figure-21.png"]

    assert verdict.startswith("Not reached here: the report’s accuracy on 0.")


def test_a_run_above_the_report_says_so(record: EvaluationRecord) -> None:
    perfect = answered(record, np.where(record.labels >= 0, record.labels, REJECT))

    verdict = verdicts(perfect, EUINET_REPORT)["figure-21.png"]

    assert verdict.startswith("Both of the report’s accuracies are reached")


def test_a_discriminator_that_fails_on_a_label_is_named(record: EvaluationRecord) -> None:
    assert "tells unknown from known" in verdicts(record, EUINET_REPORT)["figure-07.png"]
    scores = np.where(record.labels == 4, np.float32(0.6), record.decision.disc_score)
    weak = dataclasses.replace(record, decision=dataclasses.replace(record.decision, disc_score=scores))

    verdict = verdicts(weak, EUINET_REPORT)["figure-07.png"]

    assert "not clean here" in verdict
    assert verdict.endswith("on label 5.")  # label 4 is class 5: digit 0 is held out


def test_max_to_second_is_judged_by_the_medians(record: EvaluationRecord) -> None:
    assert "is the smaller one here" in verdicts(record, None)["figure-18.png"]
    probabilities = record.decision.probabilities.copy()
    probabilities[record.labels == 8] = 0.1  # digit 9: no lead at all
    flat = dataclasses.replace(
        record, decision=dataclasses.replace(record.decision, probabilities=probabilities)
    )
    assert "not the smaller one here" in verdicts(flat, None)["figure-18.png"]


def test_confusion_names_the_lowest_recall_and_precision(six_images: EvaluationRecord) -> None:
    here = what_is_here(answered(six_images, np.array([0, 0, 1, 0, -1, -1])), None)["figure-20.png"]

    assert "label b, 50.00\N{NO-BREAK SPACE}% (1 of 2)" in here
    assert "answer a, 66.67\N{NO-BREAK SPACE}% (2 of 3)" in here


def test_label_whose_entry_does_not_lead_is_told(six_images: EvaluationRecord) -> None:
    z, a = (verdicts(six_images, None)[f"figure-{number}.png"] for number in ("08", "09"))

    assert a.startswith("The right entry has the highest median")
    assert z.startswith("The right entry has not the highest median")  # z: h_a ≈ .0115, b ≈ .012


def test_without_the_report_nothing_is_compared_with_it(other_record: EvaluationRecord) -> None:
    assert "report" not in " ".join(what_is_here(other_record, None).values())
    assert "report" not in " ".join(verdicts(other_record, None).values())
