"""What the numbers mean for who must decide: a verdict, a paragraph, and what to heed."""

import re

from euinet.card.measured import Measured
from euinet.card.wording import share_text, short, template
from euinet.judging.verdict import Unknowns, plainly, shortcomings

UNLIKE = 0.01  # KS p-value below which calibration and test images are called unlike
CAUGHT = 0.9  # share of an unknown class to be rejected before it is no longer named
FEW_CALIBRATION, FEW_TESTED = 100, 300  # images
FRAGILE = 2  # times as many false rejects as without a change
NAMED = 3  # classes or changes in one remark


def plain_verdict(measured: Measured) -> tuple[str, tuple[str, ...]]:
    """Return in a sentence or some whether the model is fit for its work, and the shortcomings among them."""
    known = measured.rejected.total
    unknown = [Unknowns(short(one.name), one.auroc, known, one.rejected) for one in measured.detections]
    found = shortcomings(measured.own_class, measured.classes, unknown, measured.promise)
    return plainly(found, measured.own_class, unknown), found


def verdict(measured: Measured, dataset: str) -> str:
    """Return the paragraph on the model judged on `dataset`."""
    has_near = any(one.kind == "near" for one in measured.detections)
    has_given = any(one.kind == "given" for one in measured.detections)
    text = template("verdict.txt").render(
        **vars(measured), dataset=dataset, has_given=has_given, has_near=has_near
    )
    return re.sub("[ \n]+", " ", text).strip()


def to_heed(measured: Measured) -> tuple[str, ...]:
    """Return what speaks against trusting the model, or the card; one sentence or two each."""
    text = template("heed.txt").render(
        check=measured.check,
        unlike=UNLIKE,
        named=NAMED,
        few=_few(measured),
        weak=_weak_classes(measured),
        passing=_passing_unknowns(measured),
        fragile=_fragile(measured),
    )
    return tuple(text.splitlines())


def _few(measured: Measured) -> list[str]:
    few = []
    if measured.check is not None and measured.check.calibration_images < FEW_CALIBRATION:
        few.append(f"{measured.check.calibration_images} calibration images")
    if measured.rejected.total < FEW_TESTED:
        few.append(f"{measured.rejected.total} known test images")
    return few


def _weak_classes(measured: Measured) -> list[str]:
    share = measured.rejected.value or 0.0
    weak = [row for row in measured.known if row.rejected.interval[0] > share]
    weak.sort(key=lambda row: -(row.rejected.value or 0.0))
    return [f"{short(row.name)} ({share_text(row.rejected)})" for row in weak]


def _passing_unknowns(measured: Measured) -> list[str]:
    passing = []
    for row in measured.unknown:
        if (row.rejected.value or 0.0) < CAUGHT:
            taken = f", the others mostly taken for {short(row.taken_for[0][0])}" if row.taken_for else ""
            passing.append(f"{short(row.name)} ({share_text(row.rejected)} rejected{taken})")
    return passing


def _fragile(measured: Measured) -> list[str]:
    if measured.stress is None:
        return []
    most = FRAGILE * measured.stress.unchanged.rejected.interval[1]
    named = []
    for row in measured.stress.rows:
        harmful = [one for one in row.strengths[:2] if one.rejected.interval[0] > most]
        if harmful:
            named.append(f"{row.name} ({harmful[0].label}: {share_text(harmful[0].rejected)} rejected)")
    return named
