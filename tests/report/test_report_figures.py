"""What the figures show, and that nothing in them is cut off or in the way."""

from __future__ import annotations

import dataclasses
import io

import numpy as np
import pytest
from matplotlib.backend_bases import RendererBase
from matplotlib.text import Text
from matplotlib.transforms import Bbox
from PIL import Image

from euinet.records import EvaluationRecord
from euinet.report.figures import draw_all
from euinet.report.figures_scores import draw_active_threshold, draw_odin_scores
from euinet.report.figures_softmax import draw_label_softmax, label_file_names
from euinet.report.figures_tables import draw_confusion
from euinet.report.groups import LabelGroup
from euinet.report.reported import EUINET_REPORT
from euinet.report.style import Drawing, drawable, house_style, to_png

REPORT_FIGURES = {f"figure-{number:02d}.png" for number in (1, *range(6, 22))}


@pytest.fixture(scope="module", params=["record", "hostile_record"])
def drawings(request: pytest.FixtureRequest) -> list[Drawing]:
    record: EvaluationRecord = request.getfixturevalue(request.param)
    with house_style():
        return draw_all(record, EUINET_REPORT if request.param == "record" else None)


def drawn_texts(drawing: Drawing, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Bbox]]:
    """Return each piece of text that really is drawn (ticks beyond the axis are not) with its place."""
    drawn: list[tuple[str, Bbox]] = []
    draw = Text.draw

    def note(text: Text, renderer: RendererBase, *others: object, **more: object) -> None:
        if text.get_visible() and text.get_text().strip():
            drawn.append((text.get_text(), text.get_window_extent(renderer)))
        draw(text, renderer, *others, **more)

    with house_style(), monkeypatch.context() as patch:
        patch.setattr(Text, "draw", note)
        drawing.figure.canvas.draw()
    return drawn


def test_no_text_leaves_the_picture(drawings: list[Drawing], monkeypatch: pytest.MonkeyPatch) -> None:
    for drawing in drawings:
        texts, page = drawn_texts(drawing, monkeypatch), drawing.figure.bbox
        assert len(texts) > 2
        for text, box in texts:
            inside = box.x0 > -1 and box.y0 > -1 and box.x1 < page.x1 + 1 and box.y1 < page.y1 + 1
            assert inside, (drawing.file_name, text)


def test_title_and_foot_lie_clear_of_all_else(
    drawings: list[Drawing], monkeypatch: pytest.MonkeyPatch
) -> None:
    for drawing in drawings:
        texts = drawn_texts(drawing, monkeypatch)
        frame = {drawing.figure.get_suptitle(), drawing.figure.get_supxlabel()} - {""}
        for title, box in texts:
            if title in frame:
                over = [text for text, other in texts if text != title and box.overlaps(other)]
                assert over == [], (drawing.file_name, title)


def test_every_picture_has_words_for_those_who_cannot_see_it(drawings: list[Drawing]) -> None:
    assert all(len(drawing.alt) > 30 for drawing in drawings)


def test_the_same_record_gives_the_same_bytes(record: EvaluationRecord) -> None:
    with house_style():
        first, second = to_png(draw_confusion(record).figure), to_png(draw_confusion(record).figure)

    assert first == second
    assert Image.open(io.BytesIO(first)).width == 1152


def test_all_figures_of_the_report_are_drawn(record: EvaluationRecord) -> None:
    with house_style():
        names = {drawing.file_name for drawing in draw_all(record, EUINET_REPORT)}

    assert names >= REPORT_FIGURES
    assert all(name.startswith("extra-") for name in names - REPORT_FIGURES)


def test_figures_without_material_are_left_out(record: EvaluationRecord) -> None:
    bare = dataclasses.replace(record, detectors=(), fakes=record.fakes[:0], history=())

    with house_style():
        names = {drawing.file_name for drawing in draw_all(bare, None)}

    assert {"figure-01.png", "figure-06.png"} == REPORT_FIGURES - names


def test_odins_title_states_the_shares_that_its_threshold_accepts(record: EvaluationRecord) -> None:
    odin = record.detectors[2]
    known = record.labels >= 0
    accepted = odin.ood_score <= odin.threshold

    with house_style():
        drawing = draw_odin_scores(record)

    assert drawing is not None
    assert f"accepts {100 * accepted[known].mean():.1f}\N{NO-BREAK SPACE}% of known" in drawing.alt
    assert f"and {100 * accepted[~known].mean():.1f}\N{NO-BREAK SPACE}% of unknown" in drawing.alt


def test_the_diagonal_divides_rejected_from_accepted(six_images: EvaluationRecord) -> None:
    with house_style():
        axes = draw_active_threshold(six_images).figure.axes[0]

    points = np.concatenate([np.asarray(cloud.get_offsets()) for cloud in axes.collections[:2]])
    best, threshold = points[:, 0], points[:, 1]
    assert (threshold > best).sum() == 2  # images 1 and 4 are rejected
    assert axes.get_xlabel().startswith("Best class score")


def test_confusion_prints_the_counts(six_images: EvaluationRecord) -> None:
    with house_style():
        axes = draw_confusion(six_images).figure.axes[0]

    printed = {text.get_position(): text.get_text() for text in axes.texts}
    assert printed[(0, 1)] == "1"  # true a, answered reject
    assert printed[(2, 1)] == "·"  # true a, never answered b
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["reject", "a", "b"]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["z", "a", "b"]


def test_label_figures_put_the_named_reject_entry_first(record: EvaluationRecord) -> None:
    with house_style():
        zero, one, *_ = draw_label_softmax(record)

    ticks = [tick.get_text() for tick in zero.figure.axes[0].get_xticklabels()]
    assert ticks == ["0\n(reject)", *"123456789"]
    assert "True label 0: 86.8\N{NO-BREAK SPACE}% rejected" in zero.alt
    assert "True label 1: 100\N{NO-BREAK SPACE}% labelled 1" in one.alt


def test_label_figure_names_are_plain_and_differ() -> None:
    names = [*map(str, range(10)), "../etc/passwd", "Ankle boot", "ankle-boot", "日本", ""]
    groups = [LabelGroup(number, name, number) for number, name in enumerate(names)]

    files = label_file_names(groups)

    assert files[0] == "figure-08.png"
    assert files[9] == "figure-17.png"
    assert files[10:] == [
        "figure-label-etc-passwd.png",
        "figure-label-ankle-boot.png",
        "figure-label-ankle-boot-12.png",
        "figure-label--13.png",
        "figure-label--14.png",
    ]


def test_names_that_the_font_lacks_are_marked_not_warned_about() -> None:
    assert drawable("名é\n") == "□é□"
    assert drawable("x" * 40) == "x" * 15 + "…"
