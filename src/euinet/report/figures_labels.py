"""One box per label: the discriminator's score (figure 7) and Max-2-Max (figure 18)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from euinet.report.style import (
    BOX_NOTE,
    INK,
    KNOWN,
    UNKNOWN,
    UNKNOWN_TEXT,
    Drawing,
    draw_boxes,
    name_ticks,
    new_figure,
    plain_numbers,
    slant_height,
)
from euinet.report.tables import LabelRow, label_rows, max_to_second, median
from euinet.report.wording import NBSP, scientific

if TYPE_CHECKING:
    from euinet.records import EvaluationRecord
    from euinet.report.reported import ReportedValues


def draw_disc_scores(record: EvaluationRecord, reported: ReportedValues | None) -> Drawing:
    """Draw figure 7: the model discriminator's h per label, 0 like training data … 1 unlike."""
    rows, scores = label_rows(record, reported), record.decision.disc_score
    title = f"Model discriminator h: {_medians(record, scores)}"
    note = f"h is near 0 on what looks like training data, near 1 on what looks fake. {_counts(rows)}"
    figure = new_figure(
        4.0 + slant_height([row.name for row in rows]), title, f"{note} {BOX_NOTE} {_diamonds(reported)}"
    )
    axes = figure.add_subplot()
    samples = [scores[row.mask(record)] for row in rows]
    draw_boxes(axes, samples, _colours(rows), outliers=False)
    _draw_points(axes, samples)
    _label_medians(axes, rows, [row.disc_score for row in rows], [row.reported_disc_score for row in rows])
    axes.set_ylim(-0.04, 1.12)
    axes.set_yticks(np.linspace(0, 1, 6))
    axes.set_ylabel("Discriminator score h")
    axes.set_xlabel("True label")
    alt = f"Box plots of the discriminator score per true label. {title}."
    return Drawing("figure-07.png", alt, figure)


def draw_max_to_second(record: EvaluationRecord, reported: ReportedValues | None) -> Drawing:
    """Draw figure 18: per label, the largest minus the second largest softmax probability."""
    rows, differences = label_rows(record, reported), max_to_second(record.decision.probabilities)
    title = f"Max-2-Max: {_medians(record, differences)}"
    figure = new_figure(
        3.9 + slant_height([row.name for row in rows]),
        title,
        f"{_counts(rows)} {BOX_NOTE} {_diamonds(reported)}",
    )
    axes = figure.add_subplot()
    draw_boxes(axes, [differences[row.mask(record)] for row in rows], _colours(rows))
    _label_medians(
        axes, rows, [row.max_to_second for row in rows], [row.reported_max_to_second for row in rows]
    )
    axes.set_ylim(0, 1.08 * axes.get_ylim()[1])  # headroom for the medians written at the top
    axes.yaxis.set_major_formatter(plain_numbers())
    axes.set_ylabel("Max-2-Max")
    axes.set_xlabel("True label")
    alt = f"Box plots of Max-2-Max per true label. {title}."
    return Drawing("figure-18.png", alt, figure)


def _medians(record: EvaluationRecord, values: npt.NDArray[np.floating]) -> str:
    unknown, known = (scientific(median(values[at]), 2) for at in (record.labels < 0, record.labels >= 0))
    return f"median {unknown} on unknown labels, {known} on known ones"


def _counts(rows: Sequence[LabelRow]) -> str:
    totals = [row.total for row in rows]
    return f"n = {min(totals):,} to {max(totals):,} test images per label."


def _diamonds(reported: ReportedValues | None) -> str:
    return "◇: the report’s median." if reported else ""


def _colours(rows: Sequence[LabelRow]) -> list[str]:
    return [KNOWN if row.known else UNKNOWN for row in rows]


def _draw_points(axes: Axes, samples: Sequence[npt.NDArray[np.floating]], most: int = 250) -> None:
    rng = np.random.default_rng(0)  # the same sideways jitter in every run
    for at, values in enumerate(samples):
        shown = values[:most]
        places = at + rng.uniform(-0.24, 0.24, len(shown))
        axes.scatter(places, shown, s=4, color=INK, alpha=0.28, linewidths=0)


def _label_medians(
    axes: Axes, rows: Sequence[LabelRow], medians: Sequence[float], reported: Sequence[float | None]
) -> None:
    """Write each median above its column, and the report's beside the box as a diamond."""
    name_ticks(
        axes,
        [row.name for row in rows],
        {at: (UNKNOWN_TEXT, "unknown") for at, row in enumerate(rows) if not row.known},
    )
    axes.set_xlim(-0.6, len(rows) - 0.4)
    for at, theirs in enumerate(reported):
        if theirs is not None:
            axes.plot(at + 0.4, theirs, "D", markersize=5, color="white", markeredgecolor=INK, clip_on=False)
    if len(rows) > 12:
        return
    for at, value in enumerate(medians):
        axes.annotate(
            scientific(value, 2).replace(f"{NBSP}×{NBSP}", "·"), (at, 1), xycoords=("data", "axes fraction"),
            ha="center", va="top", fontsize=8, color=INK,
        )  # fmt: skip
