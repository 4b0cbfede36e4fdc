"""Pictures of images: the generator's fakes (figure 6) and what EuiNet judged most wrongly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from euinet.report.groups import is_known, is_rejected, label_groups
from euinet.report.style import INK, Drawing, drawable, new_figure

if TYPE_CHECKING:
    from euinet.records import EvaluationRecord

SIDE = 8  # images along each side of figure 6's grids
MOST_SHOWN = 10  # images per kind of error


def draw_fakes(record: EvaluationRecord) -> Drawing | None:
    """Draw figure 6: the generator's last samples beside as many real images of known classes."""
    if len(record.fakes) == 0:
        return None
    fakes = (np.asarray(record.fakes[: SIDE**2], dtype=np.float64) + 1) / 2
    real = record.images[np.flatnonzero(is_known(record))[: SIDE**2]] / 255
    title = "What the generator draws at the end of training, beside real images of known classes"
    figure = new_figure(
        3.9, title, f"The first {len(fakes)} fakes and {len(real)} real test images; none chosen."
    )
    for axes, images, name in zip(
        figure.subplots(1, 2), (fakes, real), ("Fakes (generator)", "Real (known classes)"), strict=True
    ):
        axes.set_title(name, loc="left", fontsize=10)
        axes.set_axis_off()
        if len(images):
            axes.imshow(_grid(images), cmap="gray", vmin=0, vmax=1, interpolation="nearest")
    return Drawing(
        "figure-06.png", f"Grid of {len(fakes)} generated images beside {len(real)} real ones.", figure
    )


def draw_wrong_images(record: EvaluationRecord) -> Drawing:
    """Draw the errors EuiNet was surest of, at most ten of each of the three kinds."""
    rows = wrong_images(record)
    total = sum(len(positions) for _, positions in rows)
    title = f"The errors EuiNet was surest of ({total:,} errors among {len(record.labels):,} test images)"
    heights = [1.0 if len(positions) else 0.35 for _, positions in rows]
    note = "Under each image: true label → answer. The surest error is on the left."
    figure = new_figure(0.95 + 1.15 * sum(heights), title, note)
    for axes, (name, positions) in zip(figure.subplots(3, 1, height_ratios=heights), rows, strict=True):
        axes.set_title(f"{name}: {len(positions):,}", loc="left", fontsize=10)
        _draw_strip(axes, record, positions[:MOST_SHOWN])
    alt = "Images judged wrongly. " + "; ".join(f"{name}: {len(positions)}" for name, positions in rows) + "."
    return Drawing("extra-wrong-images.png", alt, figure)


def wrong_images(record: EvaluationRecord) -> tuple[tuple[str, npt.NDArray[np.int64]], ...]:
    """Return per kind of error its name and the test positions, the surest error first.

    Surest means the highest `ood_score` for a known image rejected, and the lowest for an image accepted.
    """
    known, rejected = is_known(record), is_rejected(record)
    score = record.decision.ood_score
    misplaced = known & ~rejected & (record.decision.labels != record.labels)

    def ordered(mask: npt.NDArray[np.bool_], sign: int) -> npt.NDArray[np.int64]:
        positions = np.flatnonzero(mask).astype(np.int64)
        ranked: npt.NDArray[np.int64] = positions[np.argsort(sign * score[positions], kind="stable")]
        return ranked

    return (
        ("Known image rejected", ordered(known & rejected, -1)),
        ("Unknown image accepted", ordered(~known & ~rejected, 1)),
        ("Known image given another class", ordered(misplaced, 1)),
    )


def _draw_strip(axes: Axes, record: EvaluationRecord, positions: npt.NDArray[np.int64]) -> None:
    axes.set(xlim=(0, MOST_SHOWN), ylim=(1.3, 0), aspect="equal")
    axes.set_axis_off()
    if len(positions) == 0:
        axes.set(ylim=(0.35, 0))
        return
    names = {group.label: drawable(group.name, 8) for group in label_groups(record)}
    short = all(len(name) <= 2 for name in names.values())
    for place, position in enumerate(positions):
        picture = _colours_last(record.images[int(position)] / 255)
        axes.imshow(picture, cmap="gray", vmin=0, vmax=1, extent=(place + 0.05, place + 0.95, 0.95, 0.05))
        answer = int(record.decision.labels[position])
        caption = f"{names[int(record.labels[position])]} → {names[answer] if answer >= 0 else 'reject'}"
        axes.text(
            place + 0.5, 1.0, caption if short else caption.replace(" → ", "\n→ "),
            ha="center", va="top", fontsize=8 if short else 6.5, color=INK,
        )  # fmt: skip
    axes.set(xlim=(0, MOST_SHOWN), ylim=(1.3, 0))


def _grid(images: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Lay (N, C, H, W) images out in rows of `SIDE` with white gaps: (rows·(H+1), SIDE·(W+1)[, 3])."""
    count, _, height, width = images.shape
    rows = -(-count // SIDE)
    first = _colours_last(images[0])
    sheet = np.ones((rows * (height + 1), SIDE * (width + 1), *first.shape[2:]))
    for index, image in enumerate(images):
        top, left = index // SIDE * (height + 1), index % SIDE * (width + 1)
        sheet[top : top + height, left : left + width] = _colours_last(image)
    return sheet.clip(0, 1)


def _colours_last(image: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Return (C, H, W) as matplotlib wants it: (H, W, 3) for colour, else the first channel (H, W)."""
    return image.transpose(1, 2, 0) if len(image) == 3 else image[0]
