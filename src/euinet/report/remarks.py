"""What differs from run to run in what the page says beside each figure (template.html has the rest).

Where this run falls short of the report, it says so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from euinet.report.figures_scores import ODIN, find_detector
from euinet.report.figures_softmax import label_file_names, label_verdict
from euinet.report.groups import entry_names, is_known, is_rejected, part_of
from euinet.report.tables import AccuracyRow, LabelRow, accuracy_rows, confusion, label_rows
from euinet.report.wording import listing, scientific, share_of, signed

if TYPE_CHECKING:
    from euinet.records import EvaluationRecord
    from euinet.report.reported import ReportedValues

HIGH, LOW = 0.9, 0.1  # h counts as "near 1" and "near 0" beyond these


def what_is_here(record: EvaluationRecord, reported: ReportedValues | None) -> dict[str, str]:
    """Return by figure what is so in this run; the template says the rest."""
    rows = label_rows(record, reported)
    return {
        "figure-01.png": _odin(record),
        "figure-06.png": _fakes(record),
        "figure-07.png": _disc_scores(record, rows),
        **{name: _answers(row) for name, row in zip(label_file_names(rows), rows, strict=True)},
        "figure-18.png": f"Median Max-2-Max: {_ranges(rows, lambda row: row.max_to_second)}.",
        "figure-19.png": _medians(rows),
        "figure-20.png": _confusion(record),
        "figure-21.png": _accuracy(record),
        "extra-active-threshold.png": _active_threshold(record),
        "extra-operating-curves.png": _operating_curves(record),
        "extra-wrong-images.png": _wrong_images(record),
        "extra-training.png": _training(record),
    }


def verdicts(record: EvaluationRecord, reported: ReportedValues | None) -> dict[str, str]:
    """Return by figure whether this run does what the method is to do; some figures have no verdict."""
    rows = label_rows(record, reported)
    return {
        "figure-07.png": _disc_verdict(rows),
        **{name: _entry_verdict(record, row) for name, row in zip(label_file_names(rows), rows, strict=True)},
        "figure-18.png": _lead_verdict(rows),
        "figure-21.png": _reached(record, reported),
    }


def accuracy_verdict(row: AccuracyRow) -> str:
    """Return how ours stands to the report's, plainly: above or below, and whether chance may explain it."""
    if row.reported is None or not row.total:
        return ""
    gap = row.percent - row.reported
    if abs(gap) < 0.005:
        return "The same as the report’s to two decimals."
    low, high = row.interval
    side = "Above" if gap > 0 else "Below"
    chance = (
        "the choice of test images alone could make that difference"
        if low <= row.reported <= high
        else "more than the choice of test images explains"
    )
    return f"{side} the report’s by {abs(gap):.2f} percentage points; {chance}."


def _odin(record: EvaluationRecord) -> str:
    odin = find_detector(record, ODIN)
    if odin is None:
        return f"Not drawn: no detector named “{ODIN}” was run."
    known, accepted = is_known(record), odin.ood_score <= odin.threshold
    return (
        f"At its threshold, {share_of(*part_of(known, accepted))} of known and "
        f"{share_of(*part_of(~known, accepted))} of unknown images are accepted (AUROC {odin.auroc:.4f})."
    )


def _fakes(record: EvaluationRecord) -> str:
    if not len(record.fakes):
        return "Not drawn: the run kept no fakes."
    return "The generator’s last samples, unchosen, beside real test images. No number: judge by eye."


def _disc_scores(record: EvaluationRecord, rows: Sequence[LabelRow]) -> str:
    known, high = is_known(record), record.decision.disc_score > 0.5
    return (
        f"Median h: {_ranges(rows, lambda row: row.disc_score)}. h lies above 0.5 on "
        f"{share_of(*part_of(~known, high))} of unknown and {share_of(*part_of(known, high))} of known ones."
    )


def _disc_verdict(rows: Sequence[LabelRow]) -> str:
    near = {
        row.name: row.disc_score <= LOW if row.known else row.disc_score >= HIGH for row in rows if row.total
    }
    strays = [name for name, is_near in near.items() if not is_near]
    if not strays:
        return "It tells unknown from known images."
    return f"The split is not clean here: h’s median is not near its end of the range on {_labels(strays)}."


def _answers(row: LabelRow) -> str:
    return f"{label_verdict(row, cut=False)} ({row.total:,} images)." if row.total else "No test images."


def _entry_verdict(record: EvaluationRecord, row: LabelRow) -> str:
    """Return whether the label's own entry is the highest of the joint softmax."""
    if row.total == 0:
        return "Nothing can be said."
    medians = np.median(record.decision.probabilities[row.mask(record)], axis=0)
    own = float(medians[row.right_column])
    medians[row.right_column] = -1
    rival = int(medians.argmax())
    return (
        f"The right entry has {'the highest' if own > medians[rival] else 'not the highest'} median: "
        f"{own:.4f}, against {medians[rival]:.4f} for {entry_names(record)[rival]}."
    )


def _lead_verdict(rows: Sequence[LabelRow]) -> str:
    unknown = [row.max_to_second for row in rows if row.total and not row.known]
    known = [row.max_to_second for row in rows if row.total and row.known]
    if not unknown or not known:
        return "There is nothing to compare: known or unknown test images are missing."
    if max(unknown) < min(known):
        return "The lead on unknown labels is the smaller one here."
    return "The lead on unknown labels is not the smaller one here, so it says little about certainty."


def _medians(rows: Sequence[LabelRow]) -> str:
    ratios = [
        row.max_to_second / row.reported_max_to_second
        for row in rows
        if row.total and row.reported_max_to_second
    ]
    if not ratios:
        return "The medians of figures 7 and 18 as numbers."
    return f"Our Max-2-Max medians are {min(ratios):.2f} to {max(ratios):.2f} times the report’s."


def _confusion(record: EvaluationRecord) -> str:
    """Return the lowest recall and the lowest precision, with their labels."""
    table = confusion(record)
    right = np.zeros_like(table.counts)
    for row, column in enumerate(table.right_columns):
        right[row, column] = table.counts[row, column]
    recall, precision = (
        _lowest(names, right.sum(axis), table.counts.sum(axis))
        for names, axis in ((table.row_names, 1), (table.column_names, 0))
    )
    return f"Lowest recall: label {recall}. Lowest precision: answer {precision}."


def _lowest(names: Sequence[str], right: np.ndarray, total: np.ndarray) -> str:
    shares = np.where(total > 0, right / np.maximum(total, 1), np.inf)
    at = int(shares.argmin())
    return f"{names[at]}, {share_of(int(right[at]), int(total[at]))}"


def _accuracy(record: EvaluationRecord) -> str:
    unknown, known = accuracy_rows(record, None)
    return (
        f"{share_of(unknown.right, unknown.total)} of unknown images rejected, "
        f"{share_of(known.right, known.total)} of known images given their own label."
    )


def _reached(record: EvaluationRecord, reported: ReportedValues | None) -> str:
    """Return whether the report's accuracies are reached, and by how much ours differ."""
    if reported is None:
        return ""
    gaps = {
        row.name: row.percent - (row.reported or 0) for row in accuracy_rows(record, reported) if row.total
    }
    behind = [name for name, gap in gaps.items() if gap < -0.005]
    said = "Both of the report’s accuracies are reached here."
    if behind:
        said = f"Not reached here: the report’s accuracy on {' and on '.join(behind)}."
    differences = " and ".join(map(signed, gaps.values()))
    return f"{said} Ours minus the report’s, in percentage points: {differences}."


def _active_threshold(record: EvaluationRecord) -> str:
    known, decision = is_known(record), record.decision
    alone = part_of(known, decision.classifier_labels == record.labels)
    joint = part_of(known, decision.labels == record.labels)
    return (
        f"The classifier alone gives {share_of(*alone)} of known images their own label; with the option to "
        f"reject, {share_of(*joint)}. {part_of(known, is_rejected(record))[0]:,} known images are rejected."
    )


def _operating_curves(record: EvaluationRecord) -> str:
    best = max(record.detectors, key=lambda result: result.auroc, default=None)
    return f"Highest AUROC: {best.name}, {best.auroc:.4f}." if best else "No detector was run."


def _wrong_images(record: EvaluationRecord) -> str:
    known, rejected = is_known(record), is_rejected(record)
    misnamed = known & ~rejected & (record.decision.labels != record.labels)
    return (
        f"{(known & rejected).sum():,} known images rejected, {(~known & ~rejected).sum():,} unknown ones "
        f"accepted, {misnamed.sum():,} known ones given another class."
    )


def _training(record: EvaluationRecord) -> str:
    rows = len(record.history)
    return f"{rows:,} rows of the training log." if rows else "Not drawn: no training log."


def _labels(names: Sequence[str]) -> str:
    return f"label{'s' if len(names) > 1 else ''} {listing([*names])}"


def _ranges(rows: Sequence[LabelRow], median: Callable[[LabelRow], float]) -> str:
    """Write medians as "0.999 on label 0, 2.8 × 10⁻⁴ to 4.5 × 10⁻⁴ on the 9 known labels"."""
    parts = []
    for known, kind in ((False, "unknown"), (True, "known")):
        found = {row.name: median(row) for row in rows if row.total and row.known is known}
        if found:
            ends = dict.fromkeys(map(scientific, (min(found.values()), max(found.values()))))
            where = _labels([*found]) if len(found) <= 3 else f"the {len(found)} {kind} labels"
            parts.append(f"{' to '.join(ends)} on {where}")
    return ", ".join(parts) or "no test images"
