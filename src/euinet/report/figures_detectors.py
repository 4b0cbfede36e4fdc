"""The operating curve of every detector that was run on the test images."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, PercentFormatter

from euinet.report.figures_scores import sizes
from euinet.report.groups import is_known
from euinet.report.style import Drawing, drawable, new_figure

if TYPE_CHECKING:
    from euinet.answers import BoolArray
    from euinet.records import DetectorResult, EvaluationRecord

LINES = (
    ("#000000", "-", 2.4),
    ("#D55E00", "-", 1.5),
    ("#0072B2", "-", 1.5),
    ("#009E73", "-", 1.5),
    ("#CC79A7", "-", 1.5),
    ("#E69F00", "--", 1.5),
    ("#56B4E9", "--", 1.5),
    ("#7F7F7F", "--", 1.5),
)


def draw_operating_curves(record: EvaluationRecord) -> Drawing | None:
    """Draw, per detector, the share of unknown images caught against the share of known ones flagged.

    The ring is the detector's own threshold. None without known or without unknown test images.
    """
    unknown = ~is_known(record)
    if unknown.all() or not unknown.any() or not record.detectors:
        return None
    best = max(record.detectors, key=lambda result: result.auroc)
    title = (
        "How many unknown images are caught for a given share of false alarms "
        f"(highest AUROC: {drawable(best.name, 30)})"
    )
    note = f"{sizes(record)} Ring: the detector’s own threshold. Left edge: no false alarm at all."
    figure = new_figure(5.2, title, note)
    axes = figure.add_subplot()
    smallest = 0.5 / int((~unknown).sum())  # half an image: the place of "no known image flagged"
    lows = [
        _draw_curve(axes, result, unknown, smallest, LINES[index % len(LINES)])
        for index, result in enumerate(record.detectors)
    ]
    # from the next lower 10 %, so that good detectors can be told apart
    axes.set_ylim(max(math.floor(10 * min(lows) - 0.2) / 10, 0), 1.005)
    _label_axes(axes, smallest)
    columns = 1 if len(record.detectors) < 5 else 2
    axes.legend(loc="upper left", bbox_to_anchor=(-0.1, -0.15), ncols=columns, fontsize=9)
    curves = ", ".join(f"{result.name} (AUROC {result.auroc:.4f})" for result in record.detectors)
    return Drawing("extra-operating-curves.png", f"Operating curves of {curves}.", figure)


def _draw_curve(
    axes: Axes, result: DetectorResult, unknown: BoolArray, smallest: float, look: tuple[str, str, float]
) -> float:
    """Draw one curve and its ring; return the lowest height that must be seen."""
    from sklearn.metrics import roc_curve

    colour, dash, width = look
    false_alarms, caught, _ = roc_curve(unknown, result.ood_score)
    axes.step(
        np.maximum(false_alarms, smallest), caught, where="post", color=colour, linestyle=dash,
        linewidth=width, label=f"{drawable(result.name, 40)} (AUROC {result.auroc:.4f})",
    )  # fmt: skip
    flagged = result.ood_score > result.threshold
    own = float(flagged[unknown].mean())
    axes.plot(
        max(float(flagged[~unknown].mean()), smallest), own, "o", markersize=8,
        markerfacecolor="white", markeredgecolor=colour, markeredgewidth=1.8, clip_on=False,
    )  # fmt: skip
    return min(own, float(caught[false_alarms == 0].max()))


def _label_axes(axes: Axes, smallest: float) -> None:
    axes.set_xscale("log")
    axes.set_xlim(smallest, 1)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g} %"))
    axes.xaxis.set_minor_formatter(FuncFormatter(lambda _share, _: ""))
    axes.yaxis.set_major_formatter(PercentFormatter(1, symbol=" %"))
    axes.set_xlabel("Known images flagged (false positive rate, logarithmic)")
    axes.set_ylabel("Unknown images flagged (true positive rate)")
    axes.grid(which="major")
