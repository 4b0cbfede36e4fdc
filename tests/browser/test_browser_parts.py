"""The page's own arithmetic against Pillow, NumPy and Python."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from browser_pages import Visit
from PIL import Image

from euinet.images.preprocessing import Preprocessing

pytestmark = pytest.mark.browser
Visiting = Callable[..., Visit]


@pytest.fixture
def page(visiting: Visiting, static_address: str) -> Any:
    return visiting(static_address).page


def mnist_from(ink: np.ndarray) -> np.ndarray:
    """Return what MNIST's makers did, worked out apart: box, 20 × 20 by area, centre of mass in 28 × 28."""
    rows, columns = np.nonzero(ink > 8)
    cut = ink[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].astype(np.float64)
    scale = 20 / max(cut.shape)
    height, width = (max(1, int(np.floor(side * scale + 0.5))) for side in cut.shape)

    def areas(old: int, new: int) -> np.ndarray:
        edges = np.arange(new + 1) * old / new
        starts = np.maximum(edges[:-1, None], np.arange(old))
        ends = np.minimum(edges[1:, None], np.arange(1, old + 1))
        shares: np.ndarray = np.maximum(ends - starts, 0) * new / old
        return shares

    small = areas(cut.shape[0], height) @ cut @ areas(cut.shape[1], width).T
    centre = [(small * (np.indices(small.shape)[axis] + 0.5)).sum() / small.sum() for axis in (0, 1)]
    top, left = (int(np.floor(14 - middle + 0.5)) for middle in centre)
    field = np.zeros((28 + 40, 28 + 40))
    field[20 + top : 20 + top + height, 20 + left : 20 + left + width] = small
    return np.floor(field[20:48, 20:48] + 0.5)


@pytest.mark.parametrize("seed", range(6))
def test_a_drawing_is_fitted_and_centred_as_mnist_was(page: Any, seed: int) -> None:
    chance = np.random.default_rng(seed)
    ink = np.zeros((90, 90), np.uint8)
    height, width = chance.integers(5, 80, 2)
    top, left = chance.integers(0, 90 - height), chance.integers(0, 90 - width)
    ink[top : top + height, left : left + width] = chance.integers(0, 256, (height, width))
    found = page.evaluate(
        """async (ink) => {
          const { asMnist } = await import("./lib/preprocess.js");
          return Array.from(asMnist(Uint8Array.from(ink), 90));
        }""",
        ink.flatten().tolist(),
    )
    wanted = mnist_from(ink)
    np.testing.assert_allclose(np.reshape(found, (28, 28)), wanted, atol=1)
    rows, columns = np.indices((28, 28)) + 0.5
    mass = np.reshape(found, (28, 28))
    assert abs((mass * rows).sum() / mass.sum() - 14) <= 0.55
    assert abs((mass * columns).sum() / mass.sum() - 14) <= 0.55


SIZES = [("L", (301, 117)), ("RGB", (64, 200)), ("RGB", (20, 11)), ("L", (28, 28))]


@pytest.mark.parametrize(("mode", "size"), SIZES)
@pytest.mark.parametrize("channels", [1, 3])
def test_an_image_file_is_read_as_pillow_reads_it(
    page: Any, mode: str, size: tuple[int, int], channels: int
) -> None:
    chance = np.random.default_rng(4)
    shape = (size[1], size[0]) if mode == "L" else (size[1], size[0], 3)
    coarse = (max(2, shape[0] // 9), max(2, shape[1] // 9), *shape[2:])
    small = chance.integers(0, 256, coarse, dtype=np.uint8)
    written = io.BytesIO()
    Image.fromarray(small).resize(size, Image.Resampling.BICUBIC).save(written, "PNG")
    wanted = Preprocessing(channels, 28).read(io.BytesIO(written.getvalue())).pixels
    found = page.evaluate(
        """async ([bytes, channels]) => {
          const { readImage } = await import("./lib/decode.js");
          const file = new File([new Uint8Array(bytes)], "image.png", { type: "image/png" });
          return Array.from((await readImage(file, { channels, image_size: 28 })).pixels);
        }""",
        [list(written.getvalue()), channels],
    )
    apart = np.abs(np.reshape(found, wanted.shape) - wanted.astype(int))
    assert apart.max() <= 1
    assert (apart > 0).mean() < 0.2  # of tall images Pillow resizes the columns first, and rounds in between


def test_halves_are_read_as_numpy_writes_them(page: Any) -> None:
    halves = np.arange(0, 65536, 7, dtype=np.uint16)
    wanted = halves.view(np.float16).astype(np.float64)
    finite = np.isfinite(wanted)
    found = page.evaluate(
        "async (halves) => Array.from((await import('./lib/bank.js')).fromHalf(Uint16Array.from(halves)))",
        halves[finite].tolist(),
    )
    np.testing.assert_array_equal(found, wanted[finite])


def test_pixels_survive_base64_and_nesting(page: Any) -> None:
    found = page.evaluate(
        """async () => {
          const { base64Of, bytesOf, floatsOf, nested } = await import("./lib/codec.js");
          const pixels = Uint8Array.from({ length: 24 }, (_, at) => 10 * at);
          return [Array.from(bytesOf(base64Of(pixels))), nested(pixels, [2, 3, 4]),
                  Array.from(floatsOf(base64Of(new Float32Array([0.5, -3]))))];
        }"""
    )
    flat = [10 * at for at in range(24)]
    assert found == [flat, np.reshape(flat, (2, 3, 4)).tolist(), [0.5, -3]]


def test_of_many_drawings_only_the_last_is_asked_about(page: Any) -> None:
    asked = page.evaluate(
        """async () => {
          const { latest } = await import("./lib/latest.js");
          const asked = [], shown = [];
          const wait = () => new Promise((resolve) => setTimeout(resolve, 20));
          const queue = latest(async (job) => { asked.push(job); await wait(); return job; },
                               (result) => shown.push(result), () => {});
          for (const job of [1, 2, 3, 4]) queue.submit(job);
          await wait(); await wait(); await wait();
          queue.submit(5); queue.forget();
          await wait(); await wait();
          return [asked, shown];
        }"""
    )
    assert asked == [[1, 4, 5], [1, 4]]


@pytest.mark.parametrize(
    ("call", "wanted"),
    [
        ("percent(0.5)", "50.0\u202f%"),
        ("percent(0.00001)", "<\u202f0.1\u202f%"),
        ("percent(0.99999)", ">\u202f99.9\u202f%"),
        ("percent(1)", "100.0\u202f%"),
        ("number(-0.3724)", "\u22120.372"),
        ("number(1234.5)", "1235"),
        ("number(0.0000123)", "1.23e\u22125"),
    ],
)
def test_numbers_are_written_for_people(page: Any, call: str, wanted: str) -> None:
    name = call.split("(")[0]
    assert page.evaluate(f"async () => (await import('./lib/format.js')).{name}{call[len(name) :]}") == wanted
