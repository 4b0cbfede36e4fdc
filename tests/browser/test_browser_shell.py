"""The shell: axe finds nothing serious, tabs and theme work, hostile names stay text."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from browser_pages import Visit, euinet_server, plain_server, visit

pytestmark = pytest.mark.browser
Visiting = Callable[..., Visit]
HOSTILE = '<img src=x onerror="document.title=1">'


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", ["draw", "operating", "inbox"])
def test_axe_finds_nothing_serious(visiting: Visiting, address: str, view: str, scheme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    found = visiting(address, color_scheme=scheme, reduced_motion="reduce")
    found.page.click("[data-kind=near]")
    found.wait_for_answer("rejected")
    found.settle()
    found.page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
    found.page.click(f"#tab-{view}")
    found.page.wait_for_timeout(600)
    for state in ("rejected", "known") if view == "draw" else ("",):
        if state == "known":
            found.page.click("[data-kind=known]")
            found.wait_for_answer("known")
            found.settle()
        violations = Axe().run(found.page).response["violations"]
        grave = [one for one in violations if one["impact"] in ("serious", "critical")]
        assert grave == [], json.dumps(grave, indent=1)[:4000]


def test_a_phone_shows_all_without_scrolling_sideways(visiting: Visiting, address: str) -> None:
    found = visiting(address, viewport={"width": 375, "height": 812}, reduced_motion="reduce")
    found.page.click("[data-kind=near]")
    found.wait_for_answer("rejected")
    found.settle()
    for view in ("draw", "operating", "inbox"):
        found.page.click(f"#tab-{view}")
        found.page.wait_for_timeout(400)
        assert found.page.evaluate("document.documentElement.scrollWidth") <= 375, view


def test_tabs_by_keyboard_and_by_address(visiting: Visiting, address: str) -> None:
    found = visiting(address)
    page = found.page
    page.locator("#tab-draw").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#view-operating:not([hidden])")
    assert page.evaluate("document.activeElement.id") == "tab-operating"
    assert page.get_attribute("#tab-operating", "aria-selected") == "true"
    page.keyboard.press("End")
    page.wait_for_selector("#view-inbox:not([hidden])")
    page.go_back()
    page.wait_for_selector("#view-operating:not([hidden])")
    assert page.locator("#view-draw").is_hidden()


def test_the_theme_is_kept(visiting: Visiting, address: str) -> None:
    found = visiting(address, color_scheme="light")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = found.page.evaluate(ground)
    for _ in range(2):
        found.page.click("#theme")
    assert found.page.get_attribute("html", "data-theme") == "dark"
    assert found.page.evaluate(ground) != light
    found.page.reload()
    found.page.wait_for_selector("#shell:not([hidden])")
    assert found.page.get_attribute("html", "data-theme") == "dark"


def test_hostile_names_are_shown_as_text(visiting: Visiting, static_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(static_folder, tmp_path / "page")
    facts = json.loads((folder / "model.json").read_text())
    names = [HOSTILE, "</script><script>document.title=2</script>", "__proto__", *facts["class_names"][3:]]
    facts |= {"class_names": names, "held_out": [HOSTILE], "name": HOSTILE}
    (folder / "model.json").write_text(json.dumps(facts))
    with plain_server(folder) as address:
        found = visiting(address)
        title = found.page.title()
        found.page.click("[data-kind=known]")
        found.wait_for_answer("known")
        found.settle()
        rows = found.page.locator("[data-part=softmax] tbody th").all_inner_texts()
        assert rows[1:4] == names[:3]
        values = found.page.locator("[data-part=threshold] .value").all_inner_texts()
        assert all(any(sign.isdigit() for sign in value) for value in values)
        assert found.page.title() == title
        assert found.page.locator("img[src=x]").count() == 0
        found.page.click("#tab-operating")
        found.page.wait_for_timeout(500)
        assert found.page.locator("img[src=x]").count() == 0


def test_opened_as_a_file_it_says_what_to_do(opened_browser: Any, static_folder: Path) -> None:
    page = opened_browser.new_page()
    page.goto((static_folder / "index.html").as_uri())
    page.wait_for_timeout(500)
    assert "python -m http.server" in page.inner_text("body")
    assert page.locator("h1").first.is_visible()
    page.close()


def test_a_server_that_wants_its_token_is_asked_with_it(opened_browser: Any, tmp_path: Path) -> None:
    token = "a-token-of-some-length"
    (tmp_path / "token").write_text(token)
    with (
        euinet_server("--token-file", str(tmp_path / "token")) as address,
        visit(opened_browser, address) as found,
    ):
        found.page.goto(address)
        found.page.fill("#token", token)
        found.page.keyboard.press("Enter")
        found.page.wait_for_selector("#shell:not([hidden])")
        found.page.click("[data-kind=known]")
        assert found.wait_for_answer("known") == "3"
        assert found.complaints == []
