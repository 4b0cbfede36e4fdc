"""Scores and the thresholds that cut them: vanilla ODIN's fixed one (figure 1), eq. 4's active one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from euinet.report.groups import is_known, is_rejected, part_of
from euinet.report.style import INK, KNOWN, REJECT, UNKNOWN, Drawing, new_figure
from euinet.report.wording import percent, power

if TYPE_CHECKING:
    from euinet.records import DetectorResult, EvaluationRecord

ODIN = "vanilla ODIN"
FLAT_SPREAD = 0.05  # probabilities closer together than this are drawn as deviations from 1/K
MOST_POINTS = 4000  # per kind of image: more only darken the same cloud


def find_detector(record: EvaluationRecord, name: str) -> DetectorResult | None:
    """Return the detector of that name, or None when it was not run."""
    return next((result for result in record.detectors if result.name == name), None)


def sizes(record: EvaluationRecord) -> str:
    """Return the sample sizes as every figure of known against unknown images states them."""
    known = is_known(record)
    return f"n = {int(known.sum()):,} known and {int((~known).sum()):,} unknown test images."


def draw_odin_scores(record: EvaluationRecord) -> Drawing | None:
    """Draw figure 1: the largest softmax probability of vanilla ODIN on known and unknown images.

    At ODIN's T = 1000 every probability is nearly 1/K: the axis then shows the distance from 1/K.
    None when vanilla ODIN was not run.
    """
    odin = find_detector(record, ODIN)
    if odin is None:
        return None
    known = is_known(record)
    values, threshold, label = _odin_axis(odin, len(record.class_names))
    accepted = odin.ood_score <= odin.threshold
    known_in, unknown_in = (percent(*part_of(mask, accepted)) for mask in (known, ~known))
    title = f"Vanilla ODIN’s fixed threshold accepts {known_in} of known and {unknown_in} of unknown images"
    figure = new_figure(3.7, title, f"{sizes(record)} Each curve sums to 100 %.")
    axes = figure.add_subplot()
    bins = np.histogram_bin_edges(np.append(values, threshold), bins=60).tolist()
    for mask, colour, text in ((known, KNOWN, "known"), (~known, UNKNOWN, "unknown")):
        weights = np.full(int(mask.sum()), 100 / max(int(mask.sum()), 1))
        axes.hist(values[mask], bins, weights=weights, color=colour, alpha=0.3)
        axes.hist(values[mask], bins, weights=weights, color=colour, histtype="step", linewidth=1.6)
        axes.plot([], [], color=colour, linewidth=6, alpha=0.7, label=f"{text} images")
    axes.axvline(threshold, color=REJECT, linewidth=1.6)
    axes.margins(x=0.01, y=0.16)
    for text, side, colour in (("◂ rejected  ", "right", REJECT), ("  accepted ▸", "left", INK)):
        axes.annotate(
            text, (threshold, 0.97), xycoords=("data", "axes fraction"), ha=side, va="top", color=colour
        )
    axes.set_xlabel(label)
    axes.set_ylabel("Share of images per bin (%)")
    _legend_above(axes)
    alt = f"Two histograms of vanilla ODIN's largest softmax probability with its threshold. {title}."
    return Drawing("figure-01.png", alt, figure)


def _odin_axis(odin: DetectorResult, classes: int) -> tuple[npt.NDArray[np.float64], float, str]:
    """Return probabilities, threshold and axis label: as they are, or from 1/K where all are close to it."""
    values, threshold = -odin.ood_score.astype(np.float64), -odin.threshold
    spread = float(np.abs(values - 1 / classes).max(initial=0))
    if not 0 < spread < FLAT_SPREAD:
        return values, threshold, "Largest softmax probability"
    exponent = math.floor(math.log10(spread))
    unit = 10.0**exponent
    label = f"Largest softmax probability, above 1/{classes} (units of 10{power(exponent)})"
    return (values - 1 / classes) / unit, (threshold - 1 / classes) / unit, label


def draw_active_threshold(record: EvaluationRecord) -> Drawing:
    """Draw eq. 4 at work: each image's own threshold against its best class score."""
    known, rejected = is_known(record), is_rejected(record)
    thresholds, best = record.decision.scores[:, 0], record.decision.scores[:, 1:].max(axis=1)
    title = (
        f"Each image sets its own threshold: {percent(*part_of(~known, rejected))} of unknown images fall "
        f"above the line, {percent(*part_of(known, rejected))} of known ones"
    )
    figure = new_figure(4.6, title, f"{sizes(record)} At most {MOST_POINTS:,} of each are drawn.")
    axes = figure.add_subplot()
    for mask, colour, size in ((known, KNOWN, 7), (~known, UNKNOWN, 11)):
        at = np.flatnonzero(mask)[:MOST_POINTS]
        axes.scatter(best[at], thresholds[at], s=size, color=colour, alpha=0.45, linewidths=0)
    axes.scatter([], [], s=30, color=KNOWN, label="known images")
    axes.scatter([], [], s=30, color=UNKNOWN, label="unknown images")
    axes.margins(x=0.03, y=0.14)
    _draw_diagonal(axes)
    axes.set_xlabel("Best class score: largest logit, scaled by the temperature")
    axes.set_ylabel("Active threshold  hₐ = α·h + γ")
    _legend_above(axes)
    alt = (
        "Scatter plot of every test image's threshold alpha times h plus gamma against its best class score, "
        f"with the diagonal that separates rejected from accepted. {title}."
    )
    return Drawing("extra-active-threshold.png", alt, figure)


def _legend_above(axes: Axes) -> None:
    """Put the legend over the plot: inside, it would lie on the data of one run or another."""
    axes.legend(loc="lower left", bbox_to_anchor=(-0.02, 0.98), ncols=2)


def _draw_diagonal(axes: Axes) -> None:
    """Shade where the threshold exceeds the best class score, within the limits the points have set."""
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    line = np.array([min(left, bottom), max(right, top)])
    axes.fill_between(line, line, max(right, top), color=REJECT, alpha=0.08, linewidth=0)
    axes.plot(line, line, color=REJECT, linewidth=1.6)
    axes.set(xlim=(left, right), ylim=(bottom, top))
    axes.text(0.015, 0.97, "rejected", transform=axes.transAxes, va="top", color=REJECT, fontweight="bold")
    axes.text(0.985, 0.03, "accepted", transform=axes.transAxes, ha="right", color=INK, fontweight="bold")
