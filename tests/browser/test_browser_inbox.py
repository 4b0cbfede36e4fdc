"""From a drawing that is rejected to a folder with a new class, as `euinet train` reads it."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from browser_pages import Visit
from hand import ZERO
from PIL import Image

from euinet.data.sets.datasets import load_dataset

pytestmark = pytest.mark.browser
Visiting = Callable[..., Visit]


def test_rejected_drawings_become_a_class(visiting: Visiting, served_address: str, tmp_path: Path) -> None:
    found = visiting(served_address, accept_downloads=True)
    page = found.page
    for shift in range(3):
        page.click("[data-part=clear]") if shift else None
        found.draw([[(x + 0.01 * shift, y) for x, y in points] for points in ZERO])
        found.wait_for_answer("rejected")
        found.settle()
        page.click("[data-part=keep]")
        page.wait_for_function("() => document.getElementById('live').textContent.includes('inbox')")
    page.click("#tab-inbox")
    page.wait_for_selector("#view-inbox .groups .card")
    while page.locator("#view-inbox .groups input[list]").count():
        before = page.inner_text("#view-inbox .switches")
        box = page.locator("#view-inbox .groups input[list]").first
        box.fill("zero")
        box.press("Enter")
        page.wait_for_function(
            "(before) => document.querySelector('#view-inbox .switches').innerText !== before", arg=before
        )
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Export labelled images").click()
    archive = tmp_path / "inbox.zip"
    downloading.value.save_as(archive)
    with zipfile.ZipFile(archive) as opened:
        names = [name for name in opened.namelist() if not name.endswith("/")]
        assert len(names) == 3
        assert all(name.startswith("zero/") and name.endswith(".png") for name in names)
        opened.extractall(tmp_path / "data")
    images = sorted((tmp_path / "data" / "zero").iterdir())
    assert len(images) == 3
    with Image.open(images[0]) as image:
        assert image.size == (28, 28)
    (tmp_path / "data" / "other").mkdir()
    for at in range(3):
        Image.new("L", (28, 28), 80 * at).save(tmp_path / "data" / "other" / f"{at}.png")
    dataset = load_dataset(str(tmp_path / "data"), image_size=28)
    assert dataset.class_names == ("other", "zero")


def test_without_a_server_the_view_says_what_it_needs(visiting: Visiting, static_address: str) -> None:
    found = visiting(static_address, "inbox")
    assert "euinet serve MODEL --inbox FOLDER" in found.page.inner_text("#view-inbox")
    found.page.click("#tab-draw")
    assert found.page.locator("[data-part=keep]").is_hidden()
