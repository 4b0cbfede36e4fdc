"""Every detector's operating curve on the test images, and the losses over the training steps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter, PercentFormatter

from euinet.report.figures_scores import sizes
from euinet.report.groups import is_known
from euinet.report.style import Drawing, drawable, new_figure

if TYPE_CHECKING:
    from euinet.answers import BoolArray, FloatArray
    from euinet.records import DetectorResult, EvaluationRecord

DETECTOR_LINES = (
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
        _draw_curve(axes, result, unknown, smallest, DETECTOR_LINES[index % len(DETECTOR_LINES)])
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


LOSSES = {
    "class_loss": "classifier",
    "disc_real_loss": "model discriminator, real",
    "disc_fake_loss": "model discriminator, fake",
    "gan_disc_loss": "GAN discriminator",
    "gan_gen_loss": "generator",
}
LOSS_COLOURS = ("#0072B2", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#E69F00")


def draw_training(record: EvaluationRecord) -> Drawing | None:
    """Draw every logged loss (keys ending in "loss") against "step"; None without a training log."""
    curves = loss_curves(record.history)
    if not curves:
        return None
    model = [key for key in curves if not key.startswith("gan_")]
    gan = [key for key in curves if key.startswith("gan_")]
    panels = [(name, keys) for name, keys in (("EuiNet (eq. 2)", model), ("GAN (eq. 3)", gan)) if keys]
    last = max(float(steps[-1]) for steps, _ in curves.values())
    figure = new_figure(
        3.9, f"Losses over {last:,.0f} training steps", "Pale: as logged. Strong: running mean."
    )
    for axes, (name, keys) in zip(np.ravel(figure.subplots(1, len(panels))), panels, strict=True):
        axes.set_title(name, loc="left", fontsize=10)
        for index, key in enumerate(keys):
            _draw_losses(axes, *curves[key], key, LOSS_COLOURS[index % len(LOSS_COLOURS)])
        axes.set_xlabel("Training step")
        _choose_scale(axes, np.concatenate([curves[key][1] for key in keys]))
        axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(-0.05, -0.2))
    ends = ", ".join(f"{LOSSES.get(key, key)} {curves[key][1][-1]:.3g}" for key in curves)
    return Drawing("extra-training.png", f"Training losses by step; last values: {ends}.", figure)


def loss_curves(history: Sequence[dict[str, float]]) -> dict[str, tuple[FloatArray, FloatArray]]:
    """Return per logged loss its steps and values; a row without a key, or not finite, is left out."""
    keys = {key: None for row in history for key in row if key.endswith("loss")}  # in order of first sight
    curves = {}
    for key in keys:
        points = [
            (row["step"], row[key]) for row in history if "step" in row and np.isfinite(row.get(key, np.nan))
        ]
        if points:
            steps, values = np.array(points, dtype=np.float64).T
            curves[key] = (steps, values)
    return curves


def _draw_losses(axes: Axes, steps: FloatArray, values: FloatArray, key: str, colour: str) -> None:
    axes.plot(steps, values, color=colour, alpha=0.25, linewidth=0.8)
    span = max(len(values) // 40, 1)
    means = np.convolve(values, np.full(span, 1 / span), mode="valid")
    axes.plot(
        steps[span - 1 :], means, color=colour, linewidth=1.8, label=LOSSES.get(key, key.replace("_", " "))
    )


def _choose_scale(axes: Axes, values: FloatArray) -> None:
    """Take a logarithmic axis where losses span more than 30-fold: the late ones would lie on the floor."""
    if values.min() > 0 and values.max() > 30 * values.min():
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(FuncFormatter(lambda loss, _: f"{loss:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_ylabel("Loss (logarithmic)")
    else:
        axes.set_ylim(min(0.0, float(values.min())), None)
        axes.set_ylabel("Loss")
