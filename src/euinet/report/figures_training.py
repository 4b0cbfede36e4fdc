"""The losses over the training steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, NullFormatter

from euinet.report.style import Drawing, new_figure

if TYPE_CHECKING:
    from euinet.answers import FloatArray
    from euinet.records import EvaluationRecord

NAMES = {
    "class_loss": "classifier",
    "disc_real_loss": "model discriminator, real",
    "disc_fake_loss": "model discriminator, fake",
    "gan_disc_loss": "GAN discriminator",
    "gan_gen_loss": "generator",
}
COLOURS = ("#0072B2", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#E69F00")


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
            _draw_curve(axes, *curves[key], key, COLOURS[index % len(COLOURS)])
        axes.set_xlabel("Training step")
        _choose_scale(axes, np.concatenate([curves[key][1] for key in keys]))
        axes.legend(fontsize=8, loc="upper left", bbox_to_anchor=(-0.05, -0.2))
    ends = ", ".join(f"{NAMES.get(key, key)} {curves[key][1][-1]:.3g}" for key in curves)
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


def _draw_curve(axes: Axes, steps: FloatArray, values: FloatArray, key: str, colour: str) -> None:
    axes.plot(steps, values, color=colour, alpha=0.25, linewidth=0.8)
    span = max(len(values) // 40, 1)
    means = np.convolve(values, np.full(span, 1 / span), mode="valid")
    axes.plot(
        steps[span - 1 :], means, color=colour, linewidth=1.8, label=NAMES.get(key, key.replace("_", " "))
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
