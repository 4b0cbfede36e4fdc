"""The confusion matrix (figure 20) and the report's two tables as pictures (figures 19 and 21)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, NullLocator

from euinet.report.groups import is_known
from euinet.report.style import (
    INK,
    KNOWN,
    MUTED,
    UNKNOWN_TEXT,
    Drawing,
    are_slanted,
    drawable,
    new_figure,
    slant_height,
)
from euinet.report.tables import Confusion, accuracy_rows, confusion, label_rows
from euinet.report.wording import percent, scientific

if TYPE_CHECKING:
    from euinet.records import EvaluationRecord
    from euinet.report.reported import ReportedValues

SMALLEST_SHARE = 1e-3  # shares below this take the palest colour
MOST_PRINTED = 30  # classes: beyond, counts would be too small to read


def draw_confusion(record: EvaluationRecord) -> Drawing:
    """Draw figure 20: true label down, answer across, reject first; colour is the share of the row."""
    table = confusion(record)
    rows, columns = table.counts.shape
    right = int(sum(table.counts[row, column] for row, column in enumerate(table.right_columns)))
    total = int(table.counts.sum())
    title = (
        f"{percent(right, total, 2)} of test images ({right:,} of {total:,}) are answered right (outlined)"
    )
    known = int(is_known(record).sum())
    note = (
        f"n = {known:,} known and {total - known:,} unknown test images. "
        "Colour: share of the row, logarithmic, so that single errors show."
    )
    figure = new_figure(min(1.6 + 0.42 * rows, 8.5) + slant_height(table.column_names), title, note)
    axes = figure.add_subplot()
    shares = table.counts / np.maximum(table.counts.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(
        np.ma.masked_equal(shares, 0).clip(SMALLEST_SHARE, 1),
        norm=LogNorm(SMALLEST_SHARE, 1),
        cmap="Blues",
        aspect="auto",
    )
    if columns <= MOST_PRINTED:
        _print_counts(axes, table, shares)
    for row, column in enumerate(table.right_columns):
        axes.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, fill=False, edgecolor=INK, linewidth=1.1))
    _name_cells(axes, table)
    bar = figure.colorbar(image, ax=axes, shrink=0.8, pad=0.02)
    bar.ax.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:g} %"))
    bar.ax.yaxis.set_minor_locator(NullLocator())
    bar.outline.set_visible(False)
    return Drawing("figure-20.png", f"Confusion matrix, {rows} labels by {columns} answers. {title}.", figure)


def _print_counts(axes: Axes, table: Confusion, shares: np.ndarray) -> None:
    columns = table.counts.shape[1]
    size = 9 if columns <= 12 else 7 if columns <= 20 else 5
    for (row, column), count in np.ndenumerate(table.counts):
        dark = shares[row, column] > 0.05
        axes.text(
            column, row, f"{count:,}" if count else "·", ha="center", va="center", fontsize=size,
            color="white" if dark else (INK if count else MUTED),
        )  # fmt: skip


def _name_cells(axes: Axes, table: Confusion) -> None:
    rows, columns = table.counts.shape
    size = 10 if columns <= 20 else 6
    step = -(-columns // 40)
    names = [drawable(name) for name in table.column_names]
    slanted = are_slanted(names)
    axes.set_xticks(
        range(0, columns, step), names[::step], fontsize=size, rotation=40 if slanted else 0,
        ha="right" if slanted else "center", rotation_mode="anchor" if slanted else "default",
    )  # fmt: skip
    axes.set_yticks(range(0, rows, step), [drawable(name) for name in table.row_names][::step], fontsize=size)
    unknown_rows = rows - (columns - 1)
    for tick in axes.get_yticklabels()[: -(-unknown_rows // step)]:
        tick.set(color=UNKNOWN_TEXT, fontweight="bold")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("Answer")
    axes.set_ylabel("True label (bold: unknown)")


def draw_median_table(record: EvaluationRecord, reported: ReportedValues | None) -> Drawing:
    """Draw figure 19 as a table: medians of h and of Max-2-Max per label."""
    rows = label_rows(record, reported)
    head: tuple[str, ...]
    if reported:
        head = ("Label", "n", "h\nreport", "h\nhere", "Max-2-Max\nreport", "Max-2-Max\nhere")
    else:
        head = ("Label", "n", "h", "Max-2-Max")
    cells = []
    for row in rows:
        ours = scientific(row.disc_score), scientific(row.max_to_second)
        theirs = scientific(row.reported_disc_score), scientific(row.reported_max_to_second)
        values = (theirs[0], ours[0], theirs[1], ours[1]) if reported else ours
        cells.append((drawable(row.name), f"{row.total:,}", *values))
    figure = _draw_table(
        "Medians per label: discriminator score h and Max-2-Max", head, cells, [row.known for row in rows]
    )
    alt = "Table of the medians of h and Max-2-Max per label; the same numbers are in the table on the page."
    return Drawing("figure-19.png", alt, figure)


def draw_accuracy_table(record: EvaluationRecord, reported: ReportedValues | None) -> Drawing:
    """Draw figure 21 as a table: accuracy on unknown and on known test images."""
    rows = accuracy_rows(record, reported)
    head = ("Label", "Right means", *(("Report",) if reported else ()), "Here", "Images")
    cells = [
        (
            drawable(row.name, 30),
            row.counted,
            *((f"{row.reported:.4f} %",) if row.reported is not None else ()),
            f"{row.percent:.4f} %" if row.total else "–",
            f"{row.right:,} of {row.total:,}",
        )
        for row in rows
    ]
    figure = _draw_table("Accuracy on unknown and on known test images", head, cells, [False, True])
    alt = "Accuracy: " + "; ".join(", ".join(cell) for cell in cells) + "."
    return Drawing("figure-21.png", alt, figure)


def _draw_table(
    title: str, head: Sequence[str], cells: Sequence[Sequence[str]], known: Sequence[bool]
) -> Figure:
    """Return a table: names to the left, numbers to the right, unknown classes in their colour."""
    line = 0.27 if len(cells) <= 40 else 0.16  # inches
    head_lines = max(text.count("\n") + 1 for text in head)
    depth = len(cells) + head_lines + 0.4
    figure = new_figure(line * depth + 0.55, title)
    axes = figure.add_subplot()
    axes.set_axis_off()
    axes.set(xlim=(0, 1), ylim=(depth, 0))
    columns = list(zip(head, *cells, strict=True))
    widths = np.array(
        [max(len(line) for text in column for line in text.split("\n")) + 3 for column in columns]
    )
    edges = np.concatenate([[0], np.cumsum(widths) / widths.sum()])
    size = 10 if len(cells) <= 40 else 6

    def write(at: int, depth_at: float, text: str, **look: object) -> None:
        left = at == 0 or text in {"rejected", "given their own label", "Right means"}
        place = edges[at] + 0.012 if left else edges[at + 1] - 0.012
        axes.text(place, depth_at, text, ha="left" if left else "right", va="center", fontsize=size, **look)  # type: ignore[arg-type]

    for at, text in enumerate(head):
        write(at, head_lines / 2, text, color=MUTED, fontweight="bold")
    axes.axhline(head_lines + 0.15, color=INK, linewidth=1.2)
    for index, row in enumerate(cells):
        at_depth = head_lines + 0.75 + index
        for at, text in enumerate(row):
            colour = (KNOWN if known[index] else UNKNOWN_TEXT) if at == 0 else INK
            write(at, at_depth, text, color=colour, fontweight="bold" if at == 0 else "normal")
        axes.axhline(at_depth + 0.5, color="#E3E6EA", linewidth=0.8)
    return figure
