"""The operating point: the slider moves what it should, by mouse and keyboard."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from browser_pages import Visit

import euinet
from euinet.judging.operating import operating_point
from euinet.judging.record_store import load_record, record_path
from euinet.model.bundled import bundled_folder

pytestmark = pytest.mark.browser
Visiting = Callable[..., Visit]


def shares(found: Visit) -> list[float]:
    texts = found.page.locator("#view-operating .tile strong").all_inner_texts()
    return [float(re.sub(r"[^\d.]", "", text)) / 100 for text in texts]


def test_the_slider_shows_what_python_works_out(visiting: Visiting, address: str) -> None:
    found = visiting(address, "operating")
    slider = found.page.locator("#alpha")
    slider.wait_for()
    model = euinet.load("mnist-without-0")
    record = load_record(record_path(bundled_folder("mnist-without-0")), model.description.network)
    assert record is not None
    seen = []
    for presses, key in [(0, "ArrowRight"), (30, "ArrowRight"), (60, "ArrowLeft")]:
        slider.focus()
        for _ in range(presses):
            found.page.keyboard.press(key)
        spoken = slider.get_attribute("aria-valuetext") or ""
        alpha = float(re.sub(r"[^\d.]", "", spoken)) / 100
        point = operating_point(record, model.calibration, round(alpha, 10))
        accepted, right, near, _ = shares(found)
        assert accepted == pytest.approx(point.coverage.value, abs=6e-4)
        assert right == pytest.approx(point.accuracy.value, abs=6e-4)
        assert near == pytest.approx(point.rejected["held-out 0"].value, abs=6e-4)
        seen.append((accepted, near))
    assert seen[1][0] < seen[0][0] < seen[2][0]  # a larger alpha accepts fewer known images …
    assert seen[1][1] > seen[0][1] > seen[2][1]  # … and catches more unknown ones


def test_it_tells_what_would_change_for_the_last_decisions(visiting: Visiting, address: str) -> None:
    found = visiting(address)
    found.page.click("[data-kind=near]")
    found.wait_for_answer("rejected")
    found.settle()
    found.page.click("#tab-operating")
    found.page.locator("#alpha").focus()
    found.page.keyboard.press("Home")
    section = found.page.locator("#view-operating .decisions")
    section.scroll_into_view_if_needed()
    assert section.locator("canvas, img").count() >= 1
