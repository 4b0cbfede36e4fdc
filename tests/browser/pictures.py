"""Pictures of each view for the docs: light and dark, desktop and phone.

    python tests/browser/pictures.py [--out docs/pictures]

The page is served with an inbox. Where MNIST and Fashion-MNIST are at hand (nothing is fetched), images of
them are sent to the server first, as a program would, so that the inbox has something to show.
"""

from __future__ import annotations

import argparse
import io
import tempfile
from pathlib import Path
from typing import Any

from browser_pages import Visit, browser, euinet_server, plain_server, visit, write_static_page
from hand import THREE, ZERO, scribble
from PIL import Image

SIZES = {
    "desktop": {"viewport": {"width": 1440, "height": 960}, "device_scale_factor": 1},
    "phone": {"viewport": {"width": 375, "height": 812}, "device_scale_factor": 2, "has_touch": True},
}
TALLEST = {"desktop": 2300, "phone": 1750}  # CSS pixels of a picture; what is below is left out
MOST_BYTES = 300_000
SENT = {"mnist": dict.fromkeys(range(10), 60), "fashion-mnist": {8: 14, 1: 12}}  # images of each label
OPEN_ALL = "document.querySelectorAll('#view-draw details').forEach((one) => (one.open = true))"
DRAWN = {"light": (scribble(1), THREE, ZERO), "dark": (ZERO, scribble(2), THREE)}
SEND = """async (images) => {
  for (let at = 0; at < images.length; at += 100) {
    const body = JSON.stringify({ images: images.slice(at, at + 100) });
    await fetch("v1/predict", { method: "POST", body, headers: { "Content-Type": "application/json" } });
  }
}"""


def arrivals() -> list[Any]:
    """Return images (28 × 28, nested lists) that a server might get: known ones, zeros, clothes."""
    from euinet.data.sets.datasets import is_at_hand, load_dataset

    images: list[Any] = []
    for name, wanted in SENT.items():
        if not is_at_hand(name):
            continue
        test = load_dataset(name).test
        for label, count in wanted.items():
            images += test.images[test.labels == label][:count, 0].tolist()
    return images


def shoot(found: Visit, out: Path, name: str, size: str) -> None:
    """Take a picture of what is shown."""
    page = found.page
    for step in range(12):  # images below are loaded when they come into sight
        page.evaluate(f"scrollTo(0, {400 * step})")
        page.wait_for_timeout(60)
    page.evaluate("scrollTo(0, 0)")
    page.mouse.move(0, 0)
    page.evaluate("document.activeElement?.blur()")
    page.wait_for_timeout(500)
    height = min(page.evaluate("document.documentElement.scrollHeight"), TALLEST[size])
    width = page.viewport_size["width"]
    taken = page.screenshot(full_page=True, clip={"x": 0, "y": 0, "width": width, "height": height})
    save(Image.open(io.BytesIO(taken)).convert("RGB"), out / f"page-{name}.png")


def save(image: Image.Image, path: Path) -> None:
    """Write an image with a palette, of fewer colours where it would be too large."""
    for colours in (256, 128, 64, 32):
        image.quantize(colours, dither=Image.Dither.NONE).save(path, optimize=True)
        if path.stat().st_size <= MOST_BYTES:
            break
    print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


def views(opened: Any, address: str, out: Path) -> None:
    """Take the three views in both themes and sizes."""
    for size, options in SIZES.items():
        for scheme in ("light", "dark"):
            with visit(opened, address, color_scheme=scheme, reduced_motion="reduce", **options) as found:
                found.open()
                for drawing in DRAWN[scheme]:
                    if found.page.locator("[data-part=clear]").is_enabled():
                        found.page.click("[data-part=clear]")
                    found.draw(drawing)
                    found.settle()
                shoot(found, out, f"draw-{scheme}-{size}", size)
                for view in ("operating", "inbox"):
                    found.page.click(f"#tab-{view}")
                    found.page.wait_for_timeout(1200)
                    shoot(found, out, f"{view}-{scheme}-{size}", size)


def perturbing(opened: Any, address: str, out: Path) -> None:
    """Take the model that perturbs, with its equations open."""
    with visit(opened, address, color_scheme="light", reduced_motion="reduce", **SIZES["desktop"]) as found:
        found.open()
        found.draw(ZERO)
        found.settle()
        found.page.evaluate(OPEN_ALL)
        shoot(found, out, "equations", "desktop")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, default=Path("docs/pictures"))
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder, browser() as opened:
        with euinet_server("--inbox", str(Path(folder) / "inbox")) as address:
            with visit(opened, address) as found:
                found.open()
                found.page.evaluate(SEND, arrivals())
            views(opened, address, out)
        with plain_server(write_static_page(Path(folder) / "page", "mnist-report")) as address:
            perturbing(opened, address, out)


if __name__ == "__main__":
    main()
