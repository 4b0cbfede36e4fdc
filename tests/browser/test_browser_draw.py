"""The Draw view in Chromium: by mouse, keyboard, file, paste and example; served and without a server."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from browser_pages import Visit
from hand import THREE, ZERO
from PIL import Image

pytestmark = pytest.mark.browser
Visiting = Callable[..., Visit]


def test_a_three_is_a_three_and_a_zero_is_none_of_these(visiting: Visiting, address: str) -> None:
    found = visiting(address)
    found.draw(THREE)
    assert found.wait_for_answer("known") == "3"
    found.page.click("[data-part=clear]")
    found.page.wait_for_selector("[data-part=answer][data-state=empty]")
    found.draw(ZERO)
    assert found.wait_for_answer("rejected") == "None of these"


def test_every_example_gets_the_answer_that_it_stands_for(visiting: Visiting, address: str) -> None:
    found = visiting(address)
    for kind, state in {"known": "known", "near": "rejected", "far": "rejected", "noise": "rejected"}.items():
        found.page.click(f"[data-kind={kind}]")
        found.page.wait_for_timeout(900)  # it is drawn as by hand
        found.wait_for_answer(state)


def test_all_parts_say_something(visiting: Visiting, address: str) -> None:
    found = visiting(address)
    found.page.click("[data-kind=near]")
    found.wait_for_answer("rejected")
    found.settle()
    page = found.page
    rows = page.locator("[data-part=softmax] tbody tr")
    assert rows.count() == 10
    assert rows.nth(0).inner_text().startswith("none of these")
    told = page.locator("[data-part=softmax] .value").all_inner_texts()
    shares = [float(text.strip("<> \u202f%")) for text in told]
    assert sum(shares) == pytest.approx(100, abs=0.6)
    assert shares[0] == max(shares)
    assert page.locator("[data-part=threshold] tbody tr").count() == 9
    assert page.locator("[data-part=threshold] tr.over").count() == 0
    assert "known images kept aside" in page.inner_text("[data-part=p-say]")
    assert "ε is 0" in page.inner_text("[data-part=change-say]")
    for details in page.locator("#view-draw details").all():
        details.locator("summary").click()
        assert details.locator("math:visible").count() >= 1
    page.wait_for_function("() => document.getElementById('live').textContent.startsWith('None of these')")


def test_undo_takes_a_stroke_back_and_clear_all(visiting: Visiting, served_address: str) -> None:
    found = visiting(served_address)
    found.draw(THREE)
    found.wait_for_answer("known")
    found.settle()
    for _ in THREE:
        found.page.click("[data-part=undo]")
    found.page.wait_for_selector("[data-part=answer][data-state=empty]")
    assert found.page.locator("[data-part=undo]").is_disabled()


def test_the_keyboard_alone_draws_a_one(visiting: Visiting, served_address: str) -> None:
    found = visiting(served_address)
    page = found.page
    page.locator("[data-part=canvas]").focus()
    for _ in range(3):
        page.keyboard.press("Shift+ArrowUp")
    page.keyboard.press("Space")
    for _ in range(22):
        page.keyboard.press("ArrowDown")
    page.keyboard.press("Space")
    assert found.wait_for_answer("known") == "1"
    page.keyboard.press("Control+z")
    page.wait_for_selector("[data-part=answer][data-state=empty]")


def test_touch_draws(visiting: Visiting, served_address: str) -> None:
    found = visiting(served_address, has_touch=True, viewport={"width": 375, "height": 812})
    canvas = found.page.locator("[data-part=canvas]")
    box = canvas.bounding_box()
    client = found.page.context.new_cdp_session(found.page)
    for points in THREE:
        spots = [{"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]} for x, y in points]
        client.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": spots[:1]})
        for spot in spots[1:]:
            client.send("Input.dispatchTouchEvent", {"type": "touchMove", "touchPoints": [spot]})
        client.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
    assert found.wait_for_answer("known") == "3"
    assert found.page.evaluate("scrollY") == 0


def test_a_file_is_read_as_predict_reads_it(visiting: Visiting, address: str, tmp_path: Path) -> None:
    found = visiting(address)
    pixels = np.zeros((90, 60), np.uint8)
    pixels[20:75, 27:33] = 255
    Image.fromarray(pixels).save(tmp_path / "one.png")
    found.page.set_input_files("[data-part=file]", tmp_path / "one.png")
    found.settle()
    assert found.page.locator("[data-part=canvas]").is_visible()
    assert found.page.inner_text("[data-part=read-caption]").startswith("28 × 28")
    (tmp_path / "no.png").write_bytes(b"this is no image")
    found.page.set_input_files("[data-part=file]", tmp_path / "no.png")
    found.page.wait_for_selector("[data-part=problem]:not([hidden])")
    assert "broken" in found.page.inner_text("[data-part=problem]")
    found.complaints[:] = [said for said in found.complaints if "422" not in said]  # the server's refusal


def test_dark_ink_on_paper_can_be_read_as_a_drawing(visiting: Visiting, address: str, tmp_path: Path) -> None:
    found = visiting(address)
    paper = Image.effect_noise((300, 400), 12).point(lambda grey: min(255, grey + 90))
    ink = np.asarray(paper).copy()
    ink[90:310, 140:160] = 30
    Image.fromarray(ink).save(tmp_path / "scan.png")
    found.page.set_input_files("[data-part=file]", tmp_path / "scan.png")
    found.page.click("[data-part=invert]")
    assert found.wait_for_answer("known") == "1"


def test_a_pasted_image_is_answered(visiting: Visiting, served_address: str) -> None:
    found = visiting(served_address)
    written = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (28, 28), dtype=np.uint8)).save(written, "PNG")
    found.page.evaluate(
        """(bytes) => {
          const data = new DataTransfer();
          data.items.add(new File([new Uint8Array(bytes)], "pasted.png", { type: "image/png" }));
          document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data, cancelable: true }));
        }""",
        list(written.getvalue()),
    )
    assert found.wait_for_answer("rejected") == "None of these"


def test_a_neighbour_can_be_explained(visiting: Visiting, address: str) -> None:
    found = visiting(address)
    found.page.click("[data-kind=known]")
    found.wait_for_answer("known")
    found.settle()
    near = found.page.locator("[data-part=near] button")
    if near.count() == 0:
        pytest.skip("MNIST is not at hand, so there are no neighbours")
    assert near.count() == 8
    near.first.click()
    found.settle()
    first = found.page.locator("[data-part=near] button .note").first.inner_text()
    assert float(first) == pytest.approx(0, abs=2e-3)  # it is nearest to itself
