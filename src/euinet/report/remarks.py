"""Every sentence beside a figure: what the report says, what is so here, what it means.

Pure functions of the record. Where this run falls short of the report, the sentence says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from euinet.report.figures_scores import ODIN, find_detector
from euinet.report.groups import is_known, is_rejected
from euinet.report.remarks_labels import (
    remark_confusion,
    remark_disc_scores,
    remark_max_to_second,
    remark_medians,
    remarks_on_labels,
)
from euinet.report.tables import AccuracyRow, accuracy_rows
from euinet.report.wording import Remark, share_of, signed

if TYPE_CHECKING:
    from euinet.records import EvaluationRecord
    from euinet.report.reported import ReportedValues


@dataclass(frozen=True)
class FigureRemarks:
    """The remarks on the report's own figures, in its order."""

    before: tuple[Remark, ...]  # figures 1, 6, 7
    per_label: tuple[Remark, ...]  # figures 8 to 17: one per label of the data set
    after: tuple[Remark, ...]  # figures 18 to 21


def figure_remarks(record: EvaluationRecord, reported: ReportedValues | None) -> FigureRemarks:
    """Return what is said beside each of the report's figures."""
    return FigureRemarks(
        before=(
            remark_odin(record, reported),
            remark_fakes(record, reported),
            remark_disc_scores(record, reported),
        ),
        per_label=tuple(remarks_on_labels(record, reported)),
        after=(
            remark_max_to_second(record, reported),
            remark_medians(record, reported),
            remark_confusion(record, reported),
            remark_accuracy(record, reported),
        ),
    )


def accuracy_verdict(row: AccuracyRow) -> str:
    """Return how ours stands to the report's, plainly: above or below, and whether chance may explain it."""
    if row.reported is None or not row.total:
        return ""
    gap = row.percent - row.reported
    if abs(gap) < 0.005:
        return "The same as the report’s to two decimals."
    low, high = row.interval
    side = "above" if gap > 0 else "below"
    chance = (
        "the choice of test images alone could make that difference"
        if low <= row.reported <= high
        else "more than the choice of test images explains"
    )
    return f"{side.capitalize()} the report’s by {abs(gap):.2f} percentage points; {chance}."


def remark_accuracy(record: EvaluationRecord, reported: ReportedValues | None) -> Remark:
    """Return figure 21's: both accuracies, with the gap to the report's."""
    unknown, known = accuracy_rows(record, reported)
    says, meaning = None, "The two pull against each other: a higher threshold rejects more of both."
    if reported:
        says = (
            f"{reported.accuracy_unknown} % of label 0 rejected, {reported.accuracy_known} % of "
            f"labels {reported.known_label} given their own label."
        )
        behind = [
            row.name for row in (unknown, known) if row.total and row.percent < (row.reported or 0) - 0.005
        ]
        meaning = (
            f"Not reached here: the report’s accuracy on {' and on '.join(behind)}."
            if behind
            else "Both of the report’s accuracies are reached here."
        )
        gaps = [signed(row.percent - row.reported) for row in (unknown, known) if row.total and row.reported]
        meaning += f" Ours minus the report’s, in percentage points: {' and '.join(gaps)}."
    return Remark(
        figure="figure-21.png",
        heading="Figure 21: accuracy",
        report_says=says,
        here=(
            f"{share_of(unknown.right, unknown.total)} of unknown images rejected, "
            f"{share_of(known.right, known.total)} of known images given their own label."
        ),
        meaning=meaning,
    )


def remark_odin(record: EvaluationRecord, reported: ReportedValues | None) -> Remark:
    """Return figure 1's: what one fixed threshold lets in and turns away."""
    odin = find_detector(record, ODIN)
    here = f"Not drawn: no detector named “{ODIN}” was run."
    if odin is not None:
        known, accepted = is_known(record), odin.ood_score <= odin.threshold
        here = (
            f"At its threshold, {share_of(int((accepted & known).sum()), int(known.sum()))} of known and "
            f"{share_of(int((accepted & ~known).sum()), int((~known).sum()))} of unknown images are accepted "
            f"(AUROC {odin.auroc:.4f})."
        )
    return Remark(
        figure="figure-01.png",
        heading="Figure 1: softmax scores of vanilla ODIN",
        report_says="The two distributions show a “severe difference”; no number is given."
        if reported
        else None,
        here=here,
        meaning=(
            "One fixed threshold cuts all images at the same score: moved either way, it trades unknown "
            "images let in for known images turned away. Eq. 4 gives each image its own threshold instead."
        ),
    )


def remark_fakes(record: EvaluationRecord, reported: ReportedValues | None) -> Remark:
    """Return figure 6's."""
    return Remark(
        figure="figure-06.png",
        heading="Figure 6: the generator’s fakes",
        report_says=(
            "Fakes show “random and indistinguishable properties compared to real MNIST digits”."
            if reported
            else None
        ),
        here=(
            "The generator’s last samples, unchosen, beside real test images. No number: judge by eye."
            if len(record.fakes)
            else "Not drawn: the run kept no fakes."
        ),
        meaning=(
            "From fakes like these the model discriminator learns what is not training data; "
            "no image of an unknown class is shown to it."
        ),
    )


def extra_remarks(record: EvaluationRecord) -> list[Remark]:
    """Return the remarks on the figures the report does not have."""
    known, rejected = is_known(record), is_rejected(record)
    alone = int((known & (record.decision.classifier_labels == record.labels)).sum())
    joint = int((known & (record.decision.labels == record.labels)).sum())
    n_known, turned_away = int(known.sum()), int((rejected & known).sum())
    let_in = int((~rejected & ~known).sum())
    best = max(record.detectors, key=lambda result: result.auroc, default=None)
    return [
        Remark(
            "extra-active-threshold.png",
            "Eq. 4’s active threshold",
            f"The classifier alone gives {share_of(alone, n_known)} of known images their own label; "
            f"with the option to reject, {share_of(joint, n_known)}. "
            f"{turned_away:,} known images are rejected.",
            "An image is rejected when its threshold α·h + γ exceeds its best class score: left of the line. "
            "With a fixed threshold the line would be upright: the same cut for every image.",
        ),
        Remark(
            "extra-operating-curves.png",
            "Every detector at every threshold",
            f"Highest AUROC: {best.name}, {best.auroc:.4f}." if best else "No detector was run.",
            "A curve further up and left is better: more unknown images caught for the same false alarms. "
            "Where curves cross, the better detector depends on the false alarms one can bear.",
        ),
        Remark(
            "extra-wrong-images.png",
            "Errors it was surest of",
            f"{turned_away:,} known images rejected, {let_in:,} unknown ones accepted, "
            f"{n_known - joint - turned_away:,} known ones given another class.",
            "Look whether a person would have judged otherwise: some images are hard, some only look odd.",
        ),
        Remark(
            "extra-training.png",
            "Losses during training",
            f"{len(record.history):,} rows of the training log."
            if record.history
            else "Not drawn: no training log.",
            "EuiNet’s losses should fall and stay low. The GAN’s two play against each other, "
            "so theirs need not fall.",
        ),
    ]
