"""What the numbers mean for who must decide, in plain words: one paragraph and what to heed."""

from __future__ import annotations

from euinet.card.classes import UnknownRow
from euinet.card.measured import Measured
from euinet.card.wording import interval_text, level_text, p_text, share_text, short
from euinet.report.wording import NBSP, listing

UNLIKE = 0.01  # KS p-value below which calibration and test images are called unlike
CAUGHT = 0.9  # share of an unknown class to be rejected before it is no longer named
FEW_CALIBRATION, FEW_TESTED = 100, 300  # images
FRAGILE = 2  # times as many false rejects as without a change
NAMED = 3  # classes or changes in one remark


def verdict(measured: Measured, dataset: str) -> str:
    """Return the paragraph on the model judged on `dataset`."""
    parts = [_promise(measured, dataset), _accuracy(measured), _unknowns(measured)]
    row, changed = measured.stress.worst
    unchanged = measured.stress.unchanged.rejected
    parts.append(
        f"Of the benign changes tried, {row.name} ({changed.label}) costs most: "
        f"{share_text(changed.rejected)} of known images are then rejected, against {share_text(unchanged)} "
        "unchanged."
    )
    return " ".join(parts)


def to_heed(measured: Measured) -> tuple[str, ...]:
    """Return what speaks against trusting the model, or the card; one sentence or two each."""
    found = (
        _broken_promise(measured),
        _unlike(measured),
        _few(measured),
        _weak_classes(measured),
        _passing_unknowns(measured),
        _fragile(measured),
    )
    return tuple(remark for remark in found if remark)


def _promise(measured: Measured, dataset: str) -> str:
    rejected = measured.rejected
    counted = (
        f"{rejected.count:,} of {rejected.total:,} known test images of {short(dataset)} were rejected: "
        f"{share_text(rejected)} (95{NBSP}% interval {interval_text(rejected)})"
    )
    if measured.check is None:
        return (
            "The model keeps no calibration scores: it promises nothing about false rejects, and has no "
            f"p-values. {counted}."
        )
    images = f"{measured.check.calibration_images:,} calibration images"
    if measured.alpha is None:
        return f"No promise is set, though the model keeps the scores of {images}. {counted}."
    return (
        f"The model promises that at most {level_text(measured.alpha)} of known images are rejected by "
        f"mistake (alpha {measured.alpha:g}, set by {images}). {counted}; {_judgement(measured)}."
    )


def _judgement(measured: Measured) -> str:
    promise = measured.promise
    if promise is None or promise.verdict == "untold":
        return "whether the promise is kept cannot be told"
    if promise.expected is None:
        expected = ""
    else:
        low, high = promise.expected
        expected = f" ({low:,} to {high:,} in 95{NBSP}% of such tests)"
    return {
        "kept": f"that is as the promise lets one expect{expected}",
        "more": f"that is more than the promise explains{expected}: on these images it is not kept",
        "fewer": f"that is fewer than the promise lets one expect{expected}: kept, at the cost of unknowns",
    }[promise.verdict]


def _accuracy(measured: Measured) -> str:
    return (
        f"Of the accepted ones {share_text(measured.accepted_right)} got their own class; without the option "
        f"to reject it would be {share_text(measured.own_class)} of all."
    )


def _unknowns(measured: Measured) -> str:
    found = [f"{share_text(one.rejected)} of {short(one.name)} ({one.kind})" for one in measured.detections]
    if not any(one.kind == "near" for one in measured.detections):
        found.append("held-out classes: none were there to be tried")
    return f"Unknown images rejected: {', '.join(found)}."


def _broken_promise(measured: Measured) -> str | None:
    if measured.promise is None or measured.promise.verdict != "more":
        return None
    return (
        "The promise is not kept on these test images: they differ from the calibration images. Calibrate "
        "with images from where the model will be used."
    )


def _unlike(measured: Measured) -> str | None:
    check = measured.check
    if check is None or check.ks_p_value >= UNLIKE:
        return None
    return (
        f"Calibration and test images do not score alike (Kolmogorov–Smirnov p {p_text(check.ks_p_value)}): "
        "promises may be off at some levels even where they are kept at the model's own."
    )


def _few(measured: Measured) -> str | None:
    few = []
    if measured.check is not None and measured.check.calibration_images < FEW_CALIBRATION:
        few.append(f"{measured.check.calibration_images} calibration images")
    if measured.rejected.total < FEW_TESTED:
        few.append(f"{measured.rejected.total} known test images")
    return f"There are only {' and '.join(few)}: the intervals are wide." if few else None


def _weak_classes(measured: Measured) -> str | None:
    share = measured.rejected.value or 0.0
    weak = [row for row in measured.known if row.rejected.interval[0] > share]
    weak.sort(key=lambda row: -(row.rejected.value or 0.0))
    if not weak:
        return None
    named = [f"{short(row.name)} ({share_text(row.rejected)})" for row in weak]
    found = f"Rejected by mistake more often than others: {listing(named, NAMED)}."
    if measured.check is not None and measured.check.per_class:
        return found
    return f"{found} One threshold for all classes promises nothing for each of them."


def _passing_unknowns(measured: Measured) -> str | None:
    passing = [row for row in measured.unknown if (row.rejected.value or 0.0) < CAUGHT]
    if not passing:
        return None
    return f"Unknown, but often accepted: {listing([_passing(row) for row in passing], NAMED)}."


def _passing(row: UnknownRow) -> str:
    taken = f", the others mostly taken for {short(row.taken_for[0][0])}" if row.taken_for else ""
    return f"{short(row.name)} ({share_text(row.rejected)} rejected{taken})"


def _fragile(measured: Measured) -> str | None:
    most = FRAGILE * measured.stress.unchanged.rejected.interval[1]
    named = []
    for row in measured.stress.rows:
        harmful = [one for one in row.strengths[:2] if one.rejected.interval[0] > most]
        if harmful:
            named.append(f"{row.name} ({harmful[0].label}: {share_text(harmful[0].rejected)} rejected)")
    if not named:
        return None
    return f"Changes that need not even be strong to make known images look unknown: {listing(named)}."
