"""The figures of the calibration check: are p-values uniform, and false rejects as promised?"""

from __future__ import annotations

import math

from euinet.card.curve import Curve
from euinet.card.plots import finish, level_axes, level_ticks, percent
from euinet.card.promise import CalibrationCheck, expected_rejections
from euinet.card.svg import Graphic, new_figure, to_graphic
from euinet.card.wording import level_text
from euinet.report.style import KNOWN, REJECT


def draw_histogram(check: CalibrationCheck) -> Graphic:
    """Draw the p-values of known test images beside the uniform ones that the promise needs."""
    figure = new_figure(220)
    axes = figure.add_subplot()
    bins = len(check.histogram)
    lefts = [at / bins for at in range(bins)]
    shares = [percent(share.value) for share in check.histogram]
    axes.bar(lefts, shares, width=0.92 / bins, align="edge", color=KNOWN, label="known test images")
    expected = [100 * share for share in check.uniform]
    axes.stairs(expected, [*lefts, 1.0], color=REJECT, linewidth=2, label="uniform, as the promise needs")
    axes.set_xlabel("p-value")
    finish(figure, axes, "share of images (%)")
    alt = (
        f"Histogram of p-values in {bins} bins: {min(shares):.1f} to {max(shares):.1f} % of the images in "
        f"each; uniform would be about {100 / bins:.1f} %."
    )
    return to_graphic(figure, "histogram", "p-values of known test images", alt)


def draw_promise(curve: Curve, check: CalibrationCheck, tested: int) -> Graphic:
    """Draw measured false rejects against α on two logarithmic axes: the diagonal is the promise."""
    figure = new_figure(240)
    axes = level_axes(figure, curve, None)
    levels = [point.alpha for point in curve.points]
    axes.plot(levels, levels, color=REJECT, linewidth=1.6, linestyle="--", label="alpha, as promised")
    if not check.per_class:
        ranges = [expected_rejections(level, check.calibration_images, tested) for level in levels]
        floor = 0.3 / tested
        lows, highs = ([max(counts[i] / tested, floor) for counts in ranges] for i in (0, 1))
        axes.fill_between(levels, lows, highs, color=REJECT, alpha=0.15, linewidth=0, label="95 % of tests")
    rejected = [1 - (point.coverage.value or 0.0) for point in curve.points]
    axes.plot(levels, [share or math.nan for share in rejected], color=KNOWN, linewidth=2, label="measured")
    axes.set_yscale("log")
    level_ticks(axes, "y", max(1e-4, min([share for share in rejected if share] or [1e-3]) / 2), 0.5)
    finish(figure, axes, "known images rejected")
    alt = "Known test images rejected at alpha: " + "; ".join(
        f"{level_text(point.alpha)}: {level_text(1 - (point.coverage.value or 0.0))}" for point in curve.rows
    )
    return to_graphic(figure, "promise", "False rejects against the promise", f"{alt}.")
