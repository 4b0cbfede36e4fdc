"""The page without a server says what the server says: all outputs of many images, to 1e-4."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from browser_pages import Visit
from hand import THREE, ZERO, scribble

from reading_plain import image_of, values_of

pytestmark = pytest.mark.browser
Visiting = Callable[..., Visit]

SCRIBBLES, NOISES = 40, 40
# What is drawn becomes pixels by the page's own code; then both backends are asked, as the Draw view does.
PIXELS = """async ([drawings, noises]) => {
  const { Sketch } = await import("./lib/sketch.js");
  const { prepare } = await import("./lib/preprocess.js");
  const model = await (await fetch("model.json")).json();
  const sketch = new Sketch(document.createElement("canvas"), { onchange() {}, onpause() {} });
  const { digitStrokes } = await import("./lib/strokes.js");
  const digits = Array.from({ length: 10 }, (_, digit) => digitStrokes(digit));
  const drawn = [...digits, ...drawings].map((strokes) => {
    sketch.setStrokes(strokes);
    const { ink, size } = sketch.ink();
    return Array.from(prepare(ink, size, model));
  });
  return drawn;
}"""
ASK = """async ([module, opener, images]) => {
  const { [opener]: open } = await import(module);
  const backend = await open({ token_needed: false });
  await backend.ready();
  const found = [];
  for (const pixels of images) found.push(await backend.explain(Uint8Array.from(pixels), [1, 28, 28]));
  return found;
}"""


@pytest.fixture(scope="module")
def noises() -> list[list[int]]:
    chance = np.random.default_rng(3)
    flat = chance.integers(0, 256, (NOISES, 784))
    flat[::4] = chance.normal(90, 40, (len(flat[::4]), 784)).clip(0, 255)
    flat[1::4] *= chance.random((len(flat[1::4]), 784)) < 0.15
    flat[2] = 0
    flat[3] = 255
    return [[int(value) for value in row] for row in flat]


def test_static_equals_served(
    visiting: Visiting, static_address: str, served_address: str, noises: list[list[int]]
) -> None:
    static, served = visiting(static_address), visiting(served_address)
    drawings = [ZERO, THREE, *(scribble(seed) for seed in range(SCRIBBLES))]
    images = static.page.evaluate(PIXELS, [drawings, noises]) + noises
    found = static.page.evaluate(ASK, ["./backends/browser.js", "openBrowser", images])
    wanted = served.page.evaluate(ASK, ["./backends/server.js", "openServer", images])
    assert len(found) == len(images) == 10 + SCRIBBLES + NOISES + 2
    answers = {one["answer"]["label"] for one in wanted}
    assert answers >= {None, *"123456789"}
    for one, other in zip(found, wanted, strict=True):
        same(one, other)


def same(found: Any, wanted: Any) -> None:
    answer, other = found["answer"], wanted["answer"]
    close = pytest.approx
    for key in ("ood_score", "p_value", "reject_probability"):
        assert answer[key] == close(other[key], rel=1e-4, abs=1e-4), key
    assert answer["probabilities"] == close(other["probabilities"], rel=1e-4, abs=1e-4)
    assert found["logits"] == close(wanted["logits"], rel=1e-4, abs=1e-4)
    for key in ("threshold", "disc_score", "disc_added"):
        assert found[key] == close(wanted[key], rel=1e-4, abs=1e-4), key
    assert (answer["label"], answer["best_class"], answer["rejected"]) == (
        other["label"],
        other["best_class"],
        other["rejected"],
    )
    np.testing.assert_array_equal(image_of(found["image"]), image_of(wanted["image"]))
    np.testing.assert_allclose(values_of(found["change"]), values_of(wanted["change"]), atol=1e-4)
    near, others = found["neighbours"], wanted["neighbours"]
    assert len(near) == len(others)
    assert [one["distance"] for one in near] == close([one["distance"] for one in others], abs=1e-4)
    distances = [one["distance"] for one in others]
    apart = [abs(a - b) > 1e-5 for a, b in pairwise(distances)]
    if all(apart):  # else rounding may order them otherwise
        pairs = zip(near[:-1], others[:-1], strict=True)
        assert all(one["image"] == other["image"] and one["label"] == other["label"] for one, other in pairs)


def test_a_model_that_perturbs_is_the_same_in_the_browser(
    visiting: Visiting, tmp_path_factory: pytest.TempPathFactory, noises: list[list[int]]
) -> None:
    """mnist-report: where a gradient is 0 but for rounding its sign may jump, and that pixel by 2ε."""
    from browser_pages import plain_server, write_static_page

    import euinet
    from euinet.explain import Explainer

    folder = write_static_page(tmp_path_factory.mktemp("report") / "page", "mnist-report")
    with plain_server(folder) as address:
        static = visiting(address)
        drawings = [ZERO, THREE, *(scribble(seed) for seed in range(20))]
        images = static.page.evaluate(PIXELS, [drawings, noises])
        found = static.page.evaluate(ASK, ["./backends/browser.js", "openBrowser", images])
        static.page.click("[data-kind=known]")
        static.wait_for_answer("known")
        assert "changed" in static.page.locator("[data-part=change]").get_attribute("aria-label")
    pixels = np.array(images, np.uint8).reshape(-1, 1, 28, 28)
    wanted = Explainer(euinet.load("mnist-report")).explain(pixels)
    scores = np.array([[one["answer"]["ood_score"], one["threshold"]] for one in found])
    others = np.array([[one["answer"]["ood_score"], one["threshold"]] for one in wanted])
    np.testing.assert_allclose(scores, others, atol=1e-4)
    change = np.stack([values_of(one["change"]) for one in found])
    other = np.stack([values_of(one["change"]) for one in wanted])
    assert np.abs(other).max() == pytest.approx(0.3, abs=1e-3)
    assert (np.abs(change - other) > 1e-3).mean() < 1e-3
