"""A matplotlib figure as SVG that takes its colours and letters from the page around it."""

import io
import re
from dataclasses import dataclass

from markupsafe import Markup, escape
from matplotlib import style
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from euinet.report.style import INK, KNOWN, MUTED, REJECT, UNKNOWN

GRID = "#E3E6EA"
SERIES = ("#00705A", "#6A4FB3", "#A03C78", "#4A6FA5")  # far sets
NOISE_COLOUR = "#75808A"
WIDTH = 340  # units; a phone shows one as one CSS pixel, so that letters stay readable

# What a colour is called in the page's style sheet, which has a light and a dark value for each.
_THEME = {
    INK: "ink",
    MUTED: "soft",
    GRID: "line",
    KNOWN: "known",
    UNKNOWN: "unknown",
    REJECT: "reject",
    NOISE_COLOUR: "noise",
    **{colour: f"series-{number}" for number, colour in enumerate(SERIES, start=1)},
}


@dataclass(frozen=True)
class Graphic:
    """An inline SVG, what it shows in a line, and what it says to those who cannot see it."""

    svg: Markup
    caption: str


def new_figure(height: float) -> Figure:
    """Return an empty figure of WIDTH by `height` units; to be used within `card_style`."""
    figure = Figure(figsize=(WIDTH / 72, height / 72), layout="constrained")
    FigureCanvasSVG(figure)
    return figure


def to_graphic(figure: Figure, name: str, caption: str, alt: str) -> Graphic:
    """Return the figure as a graphic; `name` keeps its inner references apart from other figures'.

    To be used within `card_style`: some letters are set only when the figure is saved.
    """
    buffer = io.BytesIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    settings = {"svg.fonttype": "none", "svg.hashsalt": name}
    with style.context(settings):
        figure.savefig(buffer, format="svg", transparent=True, metadata=nothing)
    text = buffer.getvalue().decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)  # of the whole page, where it is inline
    text = re.sub(r'(<g) id="[^"]*"', r"\1", text)
    text = re.sub(r'(<(?:path|clipPath) id=")', rf"\1{name}-", text)
    text = re.sub(r'xlink:href="#', f'href="#{name}-', text)
    text = re.sub(r'clip-path="url\(#', f'clip-path="url(#{name}-', text)
    text = re.sub(r"font-family: [^;\"]*; ?", "", text)
    for colour, variable in _THEME.items():
        text = text.replace(colour.lower(), f"var(--{variable})")
    head = f'<svg role="img" aria-label="{escape(alt)}" viewBox="0 0 {WIDTH} {_height(figure):g}">'
    return Graphic(Markup(re.sub(r"<svg[^>]*>", lambda _: head, text, count=1)), caption)


def _height(figure: Figure) -> float:
    return float(72 * figure.get_figheight())
