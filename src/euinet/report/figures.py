"""Every figure, in the order of the report, then the ones it does not have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from euinet.report.figures_curves import draw_operating_curves, draw_training
from euinet.report.figures_images import draw_fakes, draw_wrong_images
from euinet.report.figures_labels import draw_disc_scores, draw_max_to_second
from euinet.report.figures_scores import draw_active_threshold, draw_odin_scores
from euinet.report.figures_softmax import draw_label_softmax
from euinet.report.figures_tables import draw_accuracy_table, draw_confusion, draw_median_table

if TYPE_CHECKING:
    from euinet.records import EvaluationRecord
    from euinet.report.reported import ReportedValues
    from euinet.report.style import Drawing


def draw_all(record: EvaluationRecord, reported: ReportedValues | None) -> list[Drawing]:
    """Return all figures the record has the material for.

    Left out, and said to be so on the page: figure 1 without a detector named "vanilla ODIN",
    figure 6 without fakes, the training curves without a training log.
    Call it under `style.house_style()`.
    """
    drawings = [
        draw_odin_scores(record),
        draw_fakes(record),
        draw_disc_scores(record, reported),
        *draw_label_softmax(record),
        draw_max_to_second(record, reported),
        draw_median_table(record, reported),
        draw_confusion(record),
        draw_accuracy_table(record, reported),
        draw_active_threshold(record),
        draw_operating_curves(record),
        draw_wrong_images(record),
        draw_training(record),
    ]
    return [drawing for drawing in drawings if drawing is not None]
