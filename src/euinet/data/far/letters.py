"""The letters A … J from the fonts that matplotlib ships: a set like notMNIST without a download.

White on black, 28 × 28, the strokes well inside as MNIST's are. An I without serifs looks like a 1, so a
model of the digits is not at fault when it takes some of these for one.

Source of the idea: Y. Bulatov, notMNIST, 2011,
https://yaroslavvb.blogspot.com/2011/09/notmnist-dataset.html
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from euinet.answers import PixelArray
from euinet.system.extras import needed_for

LETTERS = "ABCDEFGHIJ"
SIDE = 28
FONT_SIZES = (17, 19, 21, 23)  # pixels an em: capitals of 12 … 17 pixels, and no shift cuts one off
SHIFTS_A_SIZE = 6
MAX_SHIFT = 2  # pixels, each way
SEED = 0


def letter_images() -> tuple[PixelArray, tuple[str, ...]]:
    """Return uint8 images (M, 1, 28, 28) and each image's letter, the same ones each time.

    Each text font gives each letter in 4 sizes at 6 places; no two images of a letter, font and size have
    the same place. Another FreeType may anti-alias otherwise.
    """
    places = np.stack(np.meshgrid(*[np.arange(-MAX_SHIFT, MAX_SHIFT + 1)] * 2), axis=-1).reshape(-1, 2)
    rng = np.random.default_rng(SEED)
    images: list[np.ndarray] = []
    labels: list[str] = []
    for path in text_fonts():
        for size in FONT_SIZES:
            font = ImageFont.truetype(str(path), size)
            for letter in LETTERS:
                shifts = rng.choice(places, SHIFTS_A_SIZE, replace=False)
                ink = _ink(letter, font)
                images += [_placed(ink, int(right), int(down)) for right, down in shifts]
                labels += [letter] * SHIFTS_A_SIZE
    return np.stack(images)[:, None], tuple(labels)


def text_fonts() -> tuple[Path, ...]:
    """Return matplotlib's own font files that have the letters, in the order of their names.

    A font counts if its glyphs for A … J are named so: its symbol fonts have none there, or brackets.
    Raises UsageError without matplotlib.
    """
    with needed_for("The far set letters"):
        import matplotlib
        from matplotlib.ft2font import FT2Font

    def has_letters(path: Path) -> bool:
        font = FT2Font(str(path))
        return all(font.get_glyph_name(font.get_char_index(ord(letter))) == letter for letter in LETTERS)

    files = sorted(Path(matplotlib.get_data_path(), "fonts", "ttf").glob("*.ttf"))
    return tuple(path for path in files if has_letters(path))


def _ink(letter: str, font: ImageFont.FreeTypeFont) -> Image.Image:
    """Return the letter without a margin; the font's own boxes count empty columns on the right."""
    image = Image.new("L", (3 * SIDE, 3 * SIDE))
    ImageDraw.Draw(image).text((SIDE, SIDE), letter, font=font, fill=255)
    return image.crop(image.getbbox())


def _placed(ink: Image.Image, right: int, down: int) -> np.ndarray:
    """Return the letter in the middle and then moved by some pixels, (28, 28) uint8."""
    image = Image.new("L", (SIDE, SIDE))
    image.paste(ink, ((SIDE - ink.width) // 2 + right, (SIDE - ink.height) // 2 + down))
    return np.asarray(image)
