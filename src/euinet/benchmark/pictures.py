"""The images that EuiNet judged most wrongly, for the weakest splits: what a number does not show."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes

from euinet.answers import FloatArray, IntArray, PixelArray
from euinet.benchmark.cell import read_scores, split_of
from euinet.benchmark.plan import Cell
from euinet.benchmark.results import OWN, TEST, CellResult
from euinet.benchmark.store import cell_folder
from euinet.benchmark.study import Study
from euinet.benchmark.tables import class_rows
from euinet.records import Dataset, unknown_label
from euinet.report.style import INK, KNOWN, UNKNOWN_TEXT, Drawing, drawable, house_style, new_figure, to_png
from euinet.system.files import write_bytes

SHOWN = 8  # images a row
PICTURED = 3  # splits
PICTURE_FILE = "most_wrong.png"


@dataclass(frozen=True)
class ScoredCell:
    """The test images of one cell with EuiNet's scores."""

    result: CellResult
    images: PixelArray  # (N, C, H, W)
    ood_score: FloatArray  # (N,), positive: rejected
    labels: IntArray  # (N,), negative = unknown
    class_names: Sequence[str]  # by label ≥ 0
    unknown_names: dict[int, str]  # by label < 0


def write_most_wrong(data: str, cells: Sequence[ScoredCell], path: Path) -> None:
    """Write the figure of `cells` to `path`."""
    with house_style():
        content = to_png(draw_most_wrong(data, cells).figure)
    write_bytes(path, content)


def draw_most_wrong(data: str, cells: Sequence[ScoredCell]) -> Drawing:
    """Draw for each cell the known images with the highest `ood_score` and the unknown with the lowest."""
    title = f"What EuiNet got most wrong on {drawable(data, 40)}: the weakest splits, first seed"
    note = (
        "Under each image: its class and its ood_score. EuiNet rejects above 0: a known image "
        "should lie below, an unknown one above. The most wrong is on the left."
    )
    figure = new_figure(0.75 + 2.45 * len(cells), title, note)
    rows = figure.subplots(2 * len(cells), 1, squeeze=False)[:, 0]
    for at, judged in enumerate(cells):
        known, unknown = most_wrong(judged.ood_score, judged.labels)
        auroc = judged.result.row(OWN, TEST).auroc
        head = f"{drawable(judged.result.split, 40)} unknown, AUROC {auroc:.4f}"
        _draw_row(rows[2 * at], judged, known, f"{head} · known images, highest scores", KNOWN)
        _draw_row(rows[2 * at + 1], judged, unknown, f"{head} · unknown images, lowest scores", UNKNOWN_TEXT)
    alt = f"Known images of highest and unknown images of lowest score in {len(cells)} cells of {data}."
    return Drawing(PICTURE_FILE, alt, figure)


def weakest_cells(study: Study, cells: Sequence[Cell], out: Path, dataset: Dataset) -> list[ScoredCell]:
    """Return the first seed's cell of each of the PICTURED weakest splits, to look at."""
    by_id = {cell.id: cell for cell in cells}
    judged = []
    for row in class_rows(study)[:PICTURED]:
        result = next(result for result in study.results if result.split == row.split)
        split, _ = split_of(by_id[result.cell], dataset)
        ood_score, labels = read_scores(cell_folder(out, result.cell))
        unknown = dict(zip(map(unknown_label, split.unknown_classes), split.unknown_names, strict=True))
        judged.append(ScoredCell(result, split.test.images, ood_score, labels, split.class_names, unknown))
    return judged


def most_wrong(
    ood_score: FloatArray, labels: IntArray
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return positions of SHOWN known images of highest and unknown of lowest score, worst first."""
    known, unknown = np.flatnonzero(labels >= 0), np.flatnonzero(labels < 0)
    highest = known[np.argsort(-ood_score[known], kind="stable")][:SHOWN]
    lowest = unknown[np.argsort(ood_score[unknown], kind="stable")][:SHOWN]
    return highest.astype(np.int64), lowest.astype(np.int64)


def _draw_row(
    axes: Axes, judged: ScoredCell, positions: npt.NDArray[np.int64], title: str, colour: str
) -> None:
    axes.set_title(title, loc="left", fontsize=9, color=colour)
    axes.set_axis_off()
    for place, position in enumerate(positions):
        picture = judged.images[int(position)].transpose(1, 2, 0) / 255  # (H, W, C)
        picture = picture if picture.shape[2] == 3 else picture[:, :, 0]
        axes.imshow(picture, cmap="gray", vmin=0, vmax=1, extent=(place + 0.05, place + 0.95, 0.95, 0.05))
        label = int(judged.labels[position])
        name = judged.class_names[label] if label >= 0 else judged.unknown_names[label]
        caption = f"{drawable(name, 12)}\n{judged.ood_score[position]:+.2g}".replace("-", "−")
        axes.text(place + 0.5, 1.0, caption, ha="center", va="top", fontsize=7.5, color=INK, linespacing=1.1)
    axes.set(xlim=(0, SHOWN), ylim=(1.45, 0), aspect="equal")
