"""The written folder: complete, self-contained, safe against hostile names, never half-written."""

from __future__ import annotations

import base64
import dataclasses
import io
import re
from html.parser import HTMLParser
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from euinet.errors import StorageError
from euinet.records import EvaluationRecord
from euinet.report.html import render_page, run_command
from euinet.report.reported import EUINET_REPORT
from euinet.report.write import write_report, write_together

REPORT_FIGURES = {f"figure-{number:02d}.png" for number in (1, *range(6, 22))}
FETCHING = {"src", "href", "srcset", "action", "data", "poster", "xlink:href"}


class Page(HTMLParser):
    """The parts of a page that the tests ask for."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1][0] != "style":
            self.text += f" {data}"


@pytest.fixture(scope="module")
def written(record: EvaluationRecord, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_report(record, tmp_path_factory.mktemp("out") / "new" / "folder", reported=EUINET_REPORT)


@pytest.fixture(scope="module")
def page(written: list[Path]) -> Page:
    return Page(written[0].read_text(encoding="utf-8"))


def test_every_figure_is_a_whole_png(written: list[Path]) -> None:
    names = {path.name for path in written}

    assert names >= REPORT_FIGURES | {"report.html"}
    assert {path.name for path in written[0].parent.iterdir()} == names  # nothing left beside them
    for path in written[1:]:
        with Image.open(path) as image:
            assert image.format == "PNG"
            image.load()


def test_page_fetches_nothing(page: Page) -> None:
    addresses = [
        value for _, attributes in page.tags for name, value in attributes.items() if name in FETCHING
    ]

    assert len(addresses) > 20
    assert all(value and value.startswith(("data:", "#")) for value in addresses)
    assert not {"script", "iframe", "object", "embed"} & {tag for tag, _ in page.tags}
    style = (files("euinet.report") / "template.html").read_text(encoding="utf-8")
    assert "url(" not in style
    assert "@import" not in style


def test_page_embeds_the_written_pictures_with_words(page: Page, written: list[Path]) -> None:
    images = [attributes for tag, attributes in page.tags if tag == "img"]
    embedded = {base64.b64decode((image["src"] or "").partition(",")[2]) for image in images}

    assert embedded == {path.read_bytes() for path in written[1:]}
    assert all(image["alt"] for image in images)
    assert ("html", {"lang": "en"}) in page.tags


def test_page_sets_ours_beside_the_reports(page: Page) -> None:
    assert "96.9353 % 86.8132 % 158 of 182" in page.text
    assert "Below the report’s by 10.12 percentage points" in page.text
    assert "Figure 10: label 2 The report says The largest score" in page.text
    assert "euinet reproduce --seed 3" in page.text
    assert "version of torch 2.15.0" in page.text
    assert "train seconds 812.4" in page.text
    assert "Perturbation coefficient ε 0.3 0.3 scoring.epsilon" in page.text


def test_every_link_on_the_page_has_its_place(page: Page) -> None:
    places = {attributes["id"] for _, attributes in page.tags if "id" in attributes}

    assert {(a["href"] or "")[1:] for tag, a in page.tags if tag == "a"} <= places


def test_comparison_is_absent_for_another_held_out_class(other_record: EvaluationRecord) -> None:
    assert not EUINET_REPORT.applies_to(other_record)
    html = Page(render_page(other_record, None, [], {})).text

    assert "96.9353" not in html
    assert "report says" not in html
    assert "EuiNet on mnist, 4 held out" in html
    assert "euinet train --data mnist --hold-out 4 --preset report --seed 3" in html


def test_write_report_drops_values_that_do_not_apply(
    six_images: EvaluationRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("euinet.report.figures.draw_all", lambda _record, _reported: [])

    (page,) = write_report(six_images, tmp_path, reported=EUINET_REPORT)

    assert "96.9353" not in page.read_text(encoding="utf-8")


def test_hostile_names_stay_text(hostile_record: EvaluationRecord, tmp_path: Path) -> None:
    paths = write_report(hostile_record, tmp_path / "out", reported=None)

    html = paths[0].read_text(encoding="utf-8")
    page = Page(html)
    assert "<script" not in html
    assert "&lt;script&gt;alert(" in html
    assert "{{ 7*7 }}" in page.text
    assert not {"script", "b", "i"} & {tag for tag, _ in page.tags}
    assert {path.parent for path in paths} == {tmp_path / "out"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_failed_drawing_touches_nothing(six_images: EvaluationRecord, tmp_path: Path) -> None:
    broken = dataclasses.replace(six_images, labels=np.full(6, -9, dtype=np.int64))

    with pytest.raises(ValueError, match="belong to no class"):
        write_report(broken, tmp_path / "out", reported=None)

    assert not (tmp_path / "out").exists()


def test_failed_writing_leaves_the_old_files_whole(tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text("old")
    (tmp_path / "figure-01.png").mkdir()  # a file cannot take a folder's place

    with pytest.raises(StorageError):
        write_together({"report.html": b"new", "figure-01.png": b"png"}, tmp_path)

    assert (tmp_path / "report.html").read_text() == "old"
    assert {path.name for path in tmp_path.iterdir()} == {"report.html", "figure-01.png"}


def test_own_command_is_shown_as_given(record: EvaluationRecord) -> None:
    given = dataclasses.replace(record, metrics={"command": "euinet evaluate m --data mnist"})

    assert run_command(given) == "euinet evaluate m --data mnist"


def contrast(one: str, other: str) -> float:
    """WCAG 2.2's contrast ratio of two colours."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        red, green, blue = [p / 12.92 if p <= 0.03928 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_text_is_readable_in_light_and_dark() -> None:
    style = (files("euinet.report") / "template.html").read_text(encoding="utf-8")
    themes = [
        dict(re.findall(r"--(\w+): (#\w{6})", block)) for block in re.findall(r":root \{([^}]*)\}", style)[:2]
    ]

    assert len(themes) == 2
    for theme in themes:
        for name in ("ink", "soft", "link", "known", "unknown"):
            assert contrast(theme[name], theme["page"]) >= 4.5, (name, theme["page"])
        assert contrast(theme["ink"], theme["tint"]) >= 4.5
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def test_png_reader_would_notice_a_cut_file(written: list[Path]) -> None:
    cut = written[1].read_bytes()[:-2000]

    with pytest.raises(OSError, match="truncated"), Image.open(io.BytesIO(cut)) as image:
        image.load()
