"""Sentences on what differs from label to label: figures 7 to 20.

Pure functions of the record; `reported` None leaves the report's side out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from euinet.report.figures_softmax import label_file_names, label_verdict
from euinet.report.groups import entry_names, is_known, label_groups
from euinet.report.tables import MedianRow, confusion, label_rows, median_rows
from euinet.report.wording import Remark, listing, percent, scientific, share_of

if TYPE_CHECKING:
    from euinet.records import EvaluationRecord
    from euinet.report.reported import ReportedValues

HIGH, LOW = 0.9, 0.1  # h counts as "near 1" and "near 0" beyond these


def remark_disc_scores(record: EvaluationRecord, reported: ReportedValues | None) -> Remark:
    """Return figure 7's: does h lie near 1 on unknown labels and near 0 on known ones?"""
    rows = [row for row in median_rows(record, reported) if row.total]
    known, high = is_known(record), record.decision.disc_score > 0.5
    strays = [
        row.name for row in rows if not (row.disc_score <= LOW if row.known else row.disc_score >= HIGH)
    ]
    if strays:
        meaning = (
            f"The split is not clean here: h’s median is not near its end of the range on {_labels(strays)}."
        )
    else:
        meaning = (
            "The discriminator tells unknown from known images, although it never saw an unknown class "
            "in training."
        )
    return Remark(
        figure="figure-07.png",
        heading="Figure 7: the model discriminator’s score h, per label",
        report_says=_if(reported, "Label 0 clusters around 1, every other label around 0."),
        here=(
            f"Median h: {_ranges(rows, [row.disc_score for row in rows])}. h lies above 0.5 on "
            f"{share_of(int((high & ~known).sum()), int((~known).sum()))} of unknown and "
            f"{share_of(int((high & known).sum()), int(known.sum()))} of known images."
        ),
        meaning=meaning,
    )


def remarks_on_labels(record: EvaluationRecord, reported: ReportedValues | None) -> list[Remark]:
    """Return figures 8 to 17's: is a label's own entry the highest of the joint softmax?"""
    groups, names = label_groups(record), entry_names(record)
    remarks = []
    for group, row, file_name in zip(groups, label_rows(record), label_file_names(groups), strict=True):
        number = file_name.removesuffix(".png").removeprefix("figure-").lstrip("0")
        heading = f"Figure {number}: label {group.name}" if number.isdecimal() else f"Label {group.name}"
        if row.total == 0:
            remarks.append(Remark(file_name, heading, "No test images.", "Nothing can be said."))
            continue
        medians = np.median(record.decision.probabilities[group.mask(record)], axis=0)
        others = np.delete(np.arange(len(medians)), group.right_column)
        rival = int(others[medians[others].argmax()])
        own, other = float(medians[group.right_column]), float(medians[rival])
        meaning = (
            f"The right entry has {'the highest' if own > other else 'not the highest'} median: "
            f"{own:.4f}, against {other:.4f} for {names[rival]}."
        )
        remarks.append(
            Remark(
                figure=file_name,
                heading=heading,
                report_says=_if(reported, "The largest score lies on the label’s own entry."),
                here=f"{label_verdict(row, cut=False)} ({row.total:,} images).",
                meaning=meaning,
            )
        )
    return remarks


def remark_max_to_second(record: EvaluationRecord, reported: ReportedValues | None) -> Remark:
    """Return figure 18's: is the lead of the largest probability smaller on unknown labels?"""
    rows = [row for row in median_rows(record, reported) if row.total]
    unknown = [row.max_to_second for row in rows if not row.known]
    known = [row.max_to_second for row in rows if row.known]
    if not unknown or not known:
        meaning = "There is nothing to compare: known or unknown test images are missing."
    elif max(unknown) < min(known):
        meaning = (
            "Unknown images are answered with the smaller lead: they lie closer to the boundary of reject."
        )
    else:
        meaning = "The lead on unknown labels is not the smaller one here, so it says little about certainty."
    theirs = "On label 0 relatively low: median 2.73 × 10⁻⁴, against 1.74 × 10⁻³ to 2.89 × 10⁻³ on 1 to 9."
    return Remark(
        figure="figure-18.png",
        heading="Figure 18: Max-2-Max, the lead of the largest softmax probability",
        report_says=_if(reported, theirs),
        here=f"Median Max-2-Max: {_ranges(rows, [row.max_to_second for row in rows])}.",
        meaning=meaning,
    )


def remark_medians(record: EvaluationRecord, reported: ReportedValues | None) -> Remark:
    """Return figure 19's: by what factor do the medians of Max-2-Max differ from the report's?"""
    rows = [row for row in median_rows(record, reported) if row.total]
    ratios = [row.max_to_second / row.reported_max_to_second for row in rows if row.reported_max_to_second]
    here = "The medians of figures 7 and 18 as numbers."
    if ratios:
        here = f"Our Max-2-Max medians are {min(ratios):.2f} to {max(ratios):.2f} times the report’s."
    return Remark(
        figure="figure-19.png",
        heading="Figure 19: both medians, per label",
        report_says=_if(
            reported, "The medians in the table below; h is 1.0 on label 0 and nearly 0 elsewhere."
        ),
        here=here,
        meaning=(
            "Max-2-Max grows with the spread of the class scores. For h, 10⁻³ and 10⁻⁵ are the same answer: "
            "both leave the threshold of eq. 4 at γ."
        ),
    )


def remark_confusion(record: EvaluationRecord, reported: ReportedValues | None) -> Remark:
    """Return figure 20's: the lowest recall and the lowest precision, with their labels."""
    table = confusion(record)
    totals = table.counts.sum(axis=1)
    recalls = {
        name: (int(table.counts[row, column]), int(totals[row]))
        for row, (name, column) in enumerate(zip(table.row_names, table.right_columns, strict=True))
        if totals[row]
    }
    precisions = {}
    for column, name in enumerate(table.column_names):
        right = [row for row, own in enumerate(table.right_columns) if own == column]
        if table.counts[:, column].any():
            precisions[name] = (int(table.counts[right, column].sum()), int(table.counts[:, column].sum()))
    (low_recall, recall), (low_precision, precision) = _lowest(recalls), _lowest(precisions)
    unknown_share = percent(int((~is_known(record)).sum()), len(record.labels))
    return Remark(
        figure="figure-20.png",
        heading="Figure 20: confusion matrix",
        report_says=_if(reported, "“High precision and recall”; the counts cannot be read from the text."),
        here=(
            f"Lowest recall: label {low_recall}, {share_of(*recall)}. "
            f"Lowest precision: answer {low_precision}, {share_of(*precision)}."
        ),
        meaning=(
            "A row shows what became of one label’s images, a column what an answer is worth. Precision "
            f"depends on how many test images are unknown: here {unknown_share}."
        ),
    )


def _lowest(shares: dict[str, tuple[int, int]]) -> tuple[str, tuple[int, int]]:
    return min(shares.items(), key=lambda item: item[1][0] / item[1][1], default=("none", (0, 0)))


def _if(reported: ReportedValues | None, sentence: str) -> str | None:
    return sentence if reported else None


def _labels(names: list[str]) -> str:
    return f"label{'s' if len(names) > 1 else ''} {listing(names)}"


def _ranges(rows: Sequence[MedianRow], medians: Sequence[float]) -> str:
    """Write medians as "0.999 on label 0, 2.8 × 10⁻⁴ to 4.5 × 10⁻⁴ on the 9 known labels"."""
    parts = []
    for known in (False, True):
        values = [median for row, median in zip(rows, medians, strict=True) if row.known is known]
        names = [row.name for row in rows if row.known is known]
        if values:
            span = (
                scientific(min(values))
                if len(values) == 1
                else f"{scientific(min(values))} to {scientific(max(values))}"
            )
            where = (
                _labels(names)
                if len(names) <= 3
                else f"the {len(names)} {'known' if known else 'unknown'} labels"
            )
            parts.append(f"{span} on {where}")
    return ", ".join(parts) or "no test images"
