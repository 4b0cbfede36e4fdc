"""The card's figures. They are small, so that a phone shows their letters in full size."""

import math
from collections.abc import Iterator

from euinet.card.curve import Curve
from euinet.card.groups import Kind
from euinet.card.measured import Measured
from euinet.card.plots import card_style, finish, legend, level_axes, level_ticks, percent
from euinet.card.promise import CalibrationCheck
from euinet.card.stress import Stress
from euinet.card.svg import GRID, NOISE_COLOUR, SERIES, Graphic, new_figure, to_graphic
from euinet.card.wording import level_text, share_text, short
from euinet.judging.promise import expected_rejections
from euinet.report.style import INK, KNOWN, REJECT, UNKNOWN, drawable

_SETS = ("far", "given")  # kinds drawn in colours of their own
MOST_FAR = len(SERIES)  # lines: more could not be told apart


def draw_all(measured: Measured) -> dict[str, Graphic]:
    """Return the figures by name; those that there is nothing for are left out."""
    graphics: dict[str, Graphic] = {}
    with card_style():
        if measured.curve.points:
            graphics["kept"] = draw_kept(measured.curve, own_level(measured))
            graphics["caught"] = draw_caught(measured)
        if measured.check is not None:
            graphics["histogram"] = draw_histogram(measured.check)
            if measured.curve.points:
                graphics["promise"] = draw_promise(measured.curve, measured.check, measured.rejected.total)
        if measured.stress is not None:
            graphics["stress"] = draw_stress(measured.stress)
    return graphics


def own_level(measured: Measured) -> float | None:
    """Return the level at which the model works: its α, or without calibration what it rejects; or None."""
    if measured.check is None:
        return measured.rejected.value
    return measured.alpha


def draw_kept(curve: Curve, own: float | None) -> Graphic:
    """Draw what share of the known images is accepted, and how right the accepted ones are."""
    figure = new_figure(240)
    axes = level_axes(figure, curve, own)
    levels = [point.alpha for point in curve.points]
    accepted = [percent(point.coverage.value) for point in curve.points]
    right = [percent(point.accuracy.value) for point in curve.points]
    axes.plot(levels, accepted, color=KNOWN, linewidth=2, label="known images accepted")
    axes.plot(levels, right, color=INK, linewidth=2, linestyle="--", label="accepted in their own class")
    axes.set_ylim(max(0.0, min([*accepted, *right]) - 3), 100.5)
    finish(figure, axes, "share (%)")
    first, last = curve.points[0], curve.points[-1]
    alt = (
        f"From level {level_text(first.alpha)} to {level_text(last.alpha)} the accepted share of known "
        f"images goes from {share_text(first.coverage)} to {share_text(last.coverage)}, the accuracy of "
        f"accepted ones from {share_text(first.accuracy)} to {share_text(last.accuracy)}."
    )
    return to_graphic(figure, "kept", "Known images: accepted, and right", alt)


def draw_caught(measured: Measured) -> Graphic:
    """Draw what share of each group of unknown images is rejected."""
    curve, figure = measured.curve, new_figure(240)
    axes = level_axes(figure, curve, own_level(measured))
    levels = [point.alpha for point in curve.points]
    far, noise = iter(SERIES), iter(("--", ":"))
    drawn, told = 0, []
    for one in measured.detections:
        shares = [point.rejected[one.name] for point in curve.points]
        told.append(f"{one.name} from {share_text(shares[0])} to {share_text(shares[-1])}")
        drawn += one.kind in _SETS
        if one.kind in _SETS and drawn > MOST_FAR:
            continue
        colour, dashes = _line(one.kind, far, noise)
        values = [percent(share.value) for share in shares]
        axes.plot(
            levels,
            values,
            color=colour,
            linestyle=dashes,
            linewidth=2,
            label=drawable(short(one.name, 24), 24),
        )
    axes.set_ylim(-2, 102)
    finish(figure, axes, "rejected (%)")
    alt = f"Share rejected, from the least level to {level_text(levels[-1])}: {'; '.join(told)}."
    return to_graphic(figure, "caught", "Unknown images: rejected", alt)


def draw_stress(stress: Stress) -> Graphic:
    """Draw the share of known images rejected under each change, larger dots for stronger changes."""
    figure = new_figure(60 + 26 * len(stress.rows))
    axes = figure.add_subplot()
    usual = percent(stress.unchanged.rejected.value)
    axes.axvline(usual, color=REJECT, linestyle="--", linewidth=1.4, label="unchanged")
    for at, row in enumerate(stress.rows):
        shares = [percent(changed.rejected.value) for changed in row.strengths]
        axes.plot(shares, [at] * len(shares), color=KNOWN, linewidth=1, alpha=0.6)
        axes.scatter(shares, [at] * len(shares), s=[16, 40, 80][: len(shares)], color=KNOWN, zorder=3)
    axes.set_yticks(range(len(stress.rows)), [row.name for row in stress.rows])
    axes.invert_yaxis()
    axes.set_xlim(left=-1)
    axes.set_xlabel("known images rejected (%); larger dots: stronger")
    axes.grid(axis="x", color=GRID)
    axes.tick_params(axis="y", length=0)
    legend(figure)
    told = (
        f"{row.name} {', '.join(share_text(changed.rejected) for changed in row.strengths)}"
        for row in stress.rows
    )
    alt = f"Known images rejected, unchanged {share_text(stress.unchanged.rejected)}; {'; '.join(told)}."
    return to_graphic(figure, "stress", "Known images rejected under benign changes", alt)


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


def _line(kind: Kind, far: Iterator[str], noise: Iterator[str]) -> tuple[str, str]:
    if kind == "near":
        return UNKNOWN, "-"
    if kind in _SETS:
        return next(far), "-."
    return NOISE_COLOUR, next(noise)
