"""One look for every figure: colours with one meaning each, no global pyplot state.

The three colours keep apart in the common kinds of colour blindness and in grey print
(lightness about 46, 71 and 32 of 100).
"""

import io
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt
from matplotlib import style
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.textpath import text_to_path
from matplotlib.ticker import ScalarFormatter

from euinet.system.words import is_shown

KNOWN = "#0072B2"  # images of known classes
UNKNOWN = "#E69F00"  # images of unknown classes
UNKNOWN_TEXT = "#8F5600"  # the same orange, dark enough to read as text
REJECT = "#882255"  # the answer "none of these", and the threshold that decides it
OTHER = "#AEB6BF"
INK = "#1F2328"
MUTED = "#57606A"

WIDTH = 6.4  # inches: 10 pt text stays readable at the page's width
DPI = 180
BOX_NOTE = "Box: middle half with the median; whiskers: 1st to 99th percentile."


@dataclass(frozen=True)
class Drawing:
    """A figure with its file name and what it shows in words, for those who cannot see it."""

    file_name: str
    alt: str
    figure: Figure


def house_style() -> AbstractContextManager[None]:
    """Return the settings all figures are made and saved under.

    Class names are others' text: `text.parse_math` off keeps a `$` in one from being read as a formula.
    """
    settings = {
        "font.family": "DejaVu Sans",
        "font.size": 10,
        "text.parse_math": False,
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": MUTED,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "xtick.color": INK,
        "ytick.color": INK,
        "grid.color": "#E3E6EA",
        "legend.frameon": False,
    }
    # "default" first: a user's own matplotlibrc (dark, LaTeX, other fonts) must not change the figures
    return style.context(["default", settings])


def new_figure(height: float, title: str, note: str = "") -> Figure:
    """Return an empty figure of the page's width: title on top, `note` (sample sizes) at the foot."""
    figure = Figure(figsize=(WIDTH, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    figure.suptitle(
        _wrapped(title, 11, "bold"), x=0.012, ha="left", fontsize=11, fontweight="bold", linespacing=1.25
    )
    if note:
        figure.supxlabel(_wrapped(note, 8, "normal"), x=0.012, ha="left", fontsize=8, color=MUTED)
    return figure


def _wrapped(text: str, size: float, weight: str) -> str:
    """Break `text` at spaces into lines that fit the figure by their measured width: a W is no i."""
    font = FontProperties(family="DejaVu Sans", size=size, weight=weight)
    lines: list[str] = []
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines else word
        points, _, _ = text_to_path.get_text_width_height_descent(longer, font, ismath=False)
        if lines and points <= 0.96 * 72 * WIDTH:
            lines[-1] = longer
        else:
            lines.append(word)
    return "\n".join(lines)


def to_png(figure: Figure) -> bytes:
    """Return the figure as a PNG that is the same, byte for byte, for the same figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, metadata={"Software": None})
    return buffer.getvalue()


@cache
def _drawable_characters() -> frozenset[int]:
    return frozenset(get_font(findfont("DejaVu Sans")).get_charmap())


def drawable(name: str, most: int = 16) -> str:
    """Return a class name that fits a figure: too long is cut, what the font lacks becomes □."""
    known = _drawable_characters()
    shown = "".join(letter if is_shown(letter) and ord(letter) in known else "□" for letter in name)
    return (shown if len(shown) <= most else f"{shown[: most - 1]}…") or "(no name)"


def are_slanted(names: Sequence[str]) -> bool:
    """Return whether `names` would touch side by side, so that `name_ticks` slants them."""
    step = -(-len(names) // 40)
    return sum(len(drawable(name)) + 1 for name in names[::step]) > 62


def slant_height(names: Sequence[str]) -> float:
    """Return the inches that a figure with `names` below it needs on top of its usual height."""
    return 0.9 if are_slanted(names) else 0.0


def name_ticks(axes: Axes, names: Sequence[str], strong: Mapping[int, tuple[str, str]]) -> None:
    """Write `names` under positions 0, 1, …; slanted when they would touch, thinned when over 40.

    `strong` gives some positions a colour and a remark, written below the name (slanted: after it).
    """
    shown = [drawable(name) for name in names]
    step = -(-len(shown) // 40)
    slanted = are_slanted(names)
    for at, (_, remark) in strong.items():
        shown[at] += f"{' ' if slanted else chr(10)}{remark}" if remark else ""
    axes.set_xticks(
        range(0, len(shown), step),
        shown[::step],
        rotation=40 if slanted else 0,
        ha="right" if slanted else "center",
        rotation_mode="anchor" if slanted else "default",
        fontsize=10 if len(shown) <= 20 else 7,
    )
    for at, tick in zip(range(0, len(shown), step), axes.get_xticklabels(), strict=True):
        if at in strong:
            tick.set(color=strong[at][0], fontweight="bold")
    axes.tick_params(axis="x", length=0)


def draw_boxes(
    axes: Axes, samples: Sequence[npt.NDArray[np.floating]], colours: Sequence[str], *, outliers: bool = True
) -> None:
    """Draw one box per sample at 0, 1, …: the middle half, the median, whiskers 1–99 %, dots beyond.

    An empty sample leaves its place empty.
    """
    filled = [(at, values, colours[at]) for at, values in enumerate(samples) if len(values)]
    if not filled:
        return
    parts = axes.boxplot(
        [values for _, values, _ in filled],
        positions=[at for at, _, _ in filled],
        widths=0.62,
        whis=(1, 99),
        patch_artist=True,
        manage_ticks=False,
        showfliers=outliers,
        medianprops={"color": INK, "linewidth": 1.6},
        flierprops={"marker": ".", "markersize": 2.5, "markeredgecolor": "none", "alpha": 0.5},
    )
    for at, (_, _, colour) in enumerate(filled):
        parts["boxes"][at].set(facecolor=colour, alpha=0.85, edgecolor=colour)
        for line in (*parts["whiskers"][2 * at : 2 * at + 2], *parts["caps"][2 * at : 2 * at + 2]):
            line.set(color=colour, linewidth=1.2)
        if outliers:
            parts["fliers"][at].set(markerfacecolor=colour)


def plain_numbers() -> ScalarFormatter:
    """Return tick labels in full (0.1005): "+1e−1" at the axis' end is easily overlooked."""
    formatter = ScalarFormatter(useOffset=False)
    formatter.set_scientific(False)
    return formatter
