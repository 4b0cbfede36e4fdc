"""What the card's figures have in common: letters, level axes, legends."""

import math
from collections.abc import Iterator
from contextlib import contextmanager

from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from euinet.card.curve import LARGEST, Curve
from euinet.card.svg import GRID
from euinet.card.wording import level_text
from euinet.report.style import MUTED, REJECT, house_style

LEVEL_TICKS = (1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3)


@contextmanager
def card_style() -> Iterator[None]:
    """Give the settings that the card's figures are made under."""
    smaller = {"font.size": 11, "legend.fontsize": 10, "xtick.labelsize": 10, "ytick.labelsize": 10}
    with house_style(), style.context(smaller):
        yield


def level_axes(figure: Figure, curve: Curve, own: float | None) -> Axes:
    """Return axes whose x is the curve's level, logarithmic, with a mark at the model's own."""
    axes = figure.add_subplot()
    axes.set_xscale("log")
    level_ticks(axes, "x", min(curve.least, own or curve.least), LARGEST * 1.05)
    if own is not None and own > 0:
        name = "the model's alpha" if curve.basis == "calibration" else "the model as it is"
        axes.axvline(own, color=REJECT, linewidth=1.4, linestyle=":", label=f"{name}: {level_text(own)}")
    axes.set_xlabel("alpha" if curve.basis == "calibration" else "known test images rejected")
    return axes


def level_ticks(axes: Axes, which: str, low: float, high: float) -> None:
    """Limit the axis "x" or "y" to levels from `low` to `high`, and write ticks as percentages."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    (axes.set_xlim if which == "x" else axes.set_ylim)(low * 0.95, high)
    axis.set_major_locator(FixedLocator([tick for tick in LEVEL_TICKS if low * 0.95 <= tick <= high]))
    axis.set_minor_locator(NullLocator())
    axis.set_major_formatter(FuncFormatter(lambda level, _: level_text(level)))


def finish(figure: Figure, axes: Axes, label: str) -> None:
    """Put the y axis' label, the grid and the legend."""
    axes.set_ylabel(label)
    axes.grid(color=GRID)
    axes.tick_params(color=MUTED)
    legend(figure)


def legend(figure: Figure) -> None:
    """Put the legend below the axes: inside, it would lie on the data of one model or another."""
    figure.legend(loc="outside lower left", ncols=2, handlelength=1.8, columnspacing=1.2)


def percent(share: float | None) -> float:
    """Return a share in percent; NaN, which is not drawn, for None."""
    return math.nan if share is None else 100 * share
