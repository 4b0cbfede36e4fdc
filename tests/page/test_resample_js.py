"""The page resizes as Pillow does, to the very pixel: front/lib/resample.js, run by node."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import PIL
import pytest
from PIL import Image

from euinet.images.square import Square

NODE = shutil.which("node")
PHOTOGRAPHS = Path(__file__).parents[2] / "../shared/data/clothing/test"
needs_node = pytest.mark.skipif(NODE is None, reason="node is not installed")
# before 13 Pillow went across a tall image first, and rounded in between
across_first = int(PIL.__version__.split(".")[0]) < 13

SCRIPT = """
import { square } from %s;
let text = "";
for await (const chunk of process.stdin) text += chunk;
const found = JSON.parse(text).map(({ pixels, width, height, geometry }) => {
  const values = new Uint8Array(Buffer.from(pixels, "base64"));
  return Buffer.from(square(values, width, height, geometry)).toString("base64");
});
console.log(JSON.stringify(found));
"""
SIZES = [(90, 60), (60, 90), (61, 61), (40, 300), (300, 40), (33, 37), (1, 20), (24, 24), (12, 12)]
SQUARES = [
    *(Square(24, 0, "bilinear"), Square(24, 28, "bilinear"), Square(24, 28, "bicubic")),
    *(Square(24, 27, "lanczos"), Square(96, 110, "bicubic"), Square(7, 8, "bicubic")),
]


def by_node(pictures: list[Image.Image], square: Square) -> list[Any]:
    """Return the squares (size, size) of grey images."""
    module = Path(str(files("euinet") / "page" / "front" / "lib" / "resample.js")).as_uri()
    facts = {"size": square.image_size, "shorter_side": square.shorter_side}
    given = [
        {
            "pixels": base64.b64encode(picture.tobytes()).decode(),
            "width": picture.width,
            "height": picture.height,
            "geometry": facts | {"interpolation": square.interpolation},
        }
        for picture in pictures
    ]
    command = [str(NODE), "--input-type=module", "--eval", SCRIPT % json.dumps(module)]
    done = subprocess.run(command, input=json.dumps(given), capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    side = square.image_size
    return [
        np.frombuffer(base64.b64decode(one), np.uint8).reshape(side, side) for one in json.loads(done.stdout)
    ]


@needs_node
@pytest.mark.parametrize("square", SQUARES, ids=str)
def test_every_pixel_is_pillows(square: Square) -> None:
    chance = np.random.default_rng(5)
    pictures = [
        Image.fromarray(chance.integers(0, 256, (height, width), np.uint8))
        for width, height in SIZES
        if not across_first or height <= width
    ]
    for picture, found in zip(pictures, by_node(pictures, square), strict=True):
        np.testing.assert_array_equal(found, square.of(picture, "L")[0], err_msg=str(picture.size))


@needs_node
@pytest.mark.skipif(across_first, reason="Pillow before 13 always goes across first")
@pytest.mark.parametrize("width", [20, 24, 30, 50])
def test_which_pass_comes_first_changes_where_pillow_changes_it(width: int) -> None:
    """Heights on both sides of h − 24 = 2 · (w − 24)."""
    turn, chance = 24 + 2 * max(width - 24, 0), np.random.default_rng(6)
    pictures = [
        Image.fromarray(chance.integers(0, 256, (height, width), np.uint8))
        for height in range(max(turn - 3, 1), turn + 4)
    ]
    square = Square(24, 0, "bicubic")
    for picture, found in zip(pictures, by_node(pictures, square), strict=True):
        np.testing.assert_array_equal(found, square.of(picture, "L")[0], err_msg=str(picture.size))


@needs_node
def test_an_interpolation_that_the_page_lacks_is_no_guess() -> None:
    odd = Square(24)
    object.__setattr__(odd, "interpolation", "constructor")
    with pytest.raises(AssertionError, match="there is no interpolation constructor"):
        by_node([Image.new("L", (30, 30))], odd)


@needs_node
@pytest.mark.slow
@pytest.mark.skipif(not PHOTOGRAPHS.is_dir(), reason=f"{PHOTOGRAPHS} is not there")
@pytest.mark.parametrize("square", [Square(224, 256), Square(224, 256, "bicubic"), Square(518, 0, "bicubic")])
def test_every_pixel_of_photographs_is_pillows(square: Square) -> None:
    pictures = [Image.open(path).convert("L") for path in sorted(PHOTOGRAPHS.rglob("*.jpg"))[::12]]
    pictures = [picture for picture in pictures if not across_first or picture.height <= picture.width]
    assert pictures
    for picture, found in zip(pictures, by_node(pictures, square), strict=True):
        np.testing.assert_array_equal(found, square.of(picture, "L")[0], err_msg=str(picture.size))
