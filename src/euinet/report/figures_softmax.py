"""Figures 8 to 17: per true label, the distribution of every entry of the joint softmax."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from euinet.report.groups import LabelGroup, entry_names
from euinet.report.style import (
    BOX_NOTE,
    KNOWN,
    MUTED,
    OTHER,
    REJECT,
    Drawing,
    draw_boxes,
    drawable,
    name_ticks,
    new_figure,
    plain_numbers,
    slant_height,
)
from euinet.report.tables import LabelRow, label_rows
from euinet.report.wording import percent

if TYPE_CHECKING:
    from euinet.records import EvaluationRecord

FIRST_LABEL_FIGURE, NUMBERED_LABELS = 8, 10  # figures 8 to 17; 18 and on are other figures


def draw_label_softmax(record: EvaluationRecord) -> list[Drawing]:
    """Draw figures 8 to 17: per true label, how each entry of the joint softmax is distributed.

    All share one vertical axis, so that labels can be compared.
    """
    probabilities = record.decision.probabilities
    low, high = float(probabilities.min()), float(probabilities.max())
    margin = 0.05 * (high - low or 1)
    limits = (low - margin, high + margin)
    rows = label_rows(record, None)
    names = label_file_names(rows)
    return [_draw_one_label(record, row, limits, name) for row, name in zip(rows, names, strict=True)]


def label_file_names(groups: Sequence[LabelGroup]) -> list[str]:
    """Return figure-08.png … figure-17.png for the first ten labels, then figure-label-<name>.png.

    A name becomes part of a file name by its plain letters and digits only; where two would be
    the same, or none are left, the class number is added.
    """
    names: list[str] = []
    for position, group in enumerate(groups):
        if position < NUMBERED_LABELS:
            names.append(f"figure-{FIRST_LABEL_FIGURE + position:02d}.png")
            continue
        plain = re.sub(r"[^A-Za-z0-9]+", "-", group.name).strip("-").lower()[:40]
        name = f"figure-label-{plain}.png"
        names.append(name if plain and name not in names else f"figure-label-{plain}-{group.number}.png")
    return names


def label_verdict(row: LabelRow, *, cut: bool = True) -> str:
    """Return what became of a label's images: "99.6 % labelled 3, 0.3 % rejected, 0.1 % mislabelled".

    `cut` shortens the class name to what fits a figure's title.
    """
    if row.total == 0:
        return "no test images"
    if not row.known:
        return f"{percent(row.right, row.total)} rejected, {percent(row.other, row.total)} given a class"
    return (
        f"{percent(row.right, row.total)} labelled {drawable(row.name) if cut else row.name}, "
        f"{percent(row.rejected, row.total)} rejected, {percent(row.other, row.total)} mislabelled"
    )


def _draw_one_label(
    record: EvaluationRecord, row: LabelRow, limits: tuple[float, float], file_name: str
) -> Drawing:
    probabilities = record.decision.probabilities[row.mask(record)]
    names = list(entry_names(record))
    title = f"True label {drawable(row.name)}: {label_verdict(row)}"
    kind = "a known class" if row.known else "an unknown class"
    right = row.name if row.known else "reject"
    figure = new_figure(
        3.3 + slant_height(names), title, f"n = {row.total:,} test images of {kind}. {BOX_NOTE} Dots: beyond."
    )
    axes = figure.add_subplot()
    colours = [REJECT, *[OTHER] * len(record.class_names)]
    if row.known:
        colours[row.right_column] = KNOWN
    equal = 1 / len(names)
    axes.axhline(equal, color=MUTED, linewidth=0.9, linestyle=(0, (4, 3)))
    axes.annotate(
        f"1/{len(names)}", (1.0, equal), xycoords=("axes fraction", "data"), xytext=(3, 0),
        textcoords="offset points", va="center", fontsize=8, color=MUTED,
    )  # fmt: skip
    draw_boxes(axes, list(probabilities.T), colours)
    names[0] = names[0].removesuffix(" (reject)")
    strong = {0: (REJECT, "" if names[0] == "reject" else "(reject)")}
    if row.known:
        strong[row.right_column] = (KNOWN, "")
    name_ticks(axes, names, strong)
    axes.set_xlim(-0.6, len(names) - 0.4)
    axes.set_ylim(*limits)
    axes.yaxis.set_major_formatter(plain_numbers())
    axes.set_ylabel("Softmax probability")
    axes.set_xlabel(f"Entry of the joint softmax (right answer: {drawable(right)})")
    alt = f"Box plots of the {len(names)} joint softmax probabilities. {title}."
    return Drawing(file_name, alt, figure)
