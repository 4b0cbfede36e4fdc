"""What becomes of an upright image, against Pillow's own functions; JPEG files that are decoded smaller."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from euinet.errors import DataError, UsageError
from euinet.images.geometry import read_image
from euinet.images.given import read_images
from euinet.images.pixels import TooManyPixelsError, read_pixels
from euinet.images.preprocessing import Preprocessing, checked_backbone_size
from euinet.images.square import Interpolation, Square

SHAPES = [(30, 50), (50, 30), (33, 33), (7, 90), (90, 7), (1, 40), (16, 16), (15, 17)]  # height, width
FILTERS: tuple[Interpolation, ...] = ("bilinear", "bicubic", "lanczos")


def noise(height: int, width: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8))


def photograph(width: int, height: int) -> Image.Image:
    """Smooth colours, with an edge."""
    coarse = np.random.default_rng(1).integers(40, 216, (6, 8, 3), np.uint8)
    picture = Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)
    picture.paste((250, 20, 30), (width // 3, height // 3, width // 2, height // 2))
    return picture


def jpeg(picture: Image.Image, **options: object) -> io.BytesIO:
    written = io.BytesIO()
    picture.save(written, **{"format": "JPEG", "quality": 92} | options)
    return io.BytesIO(written.getvalue())


@pytest.mark.parametrize("size", [16, 20])
@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_first_models_see_the_very_pixels_that_they_always_saw(
    shape: tuple[int, int], mode: str, size: int, tmp_path: Path
) -> None:
    picture = noise(*shape).convert(mode)
    picture.save(tmp_path / "x.png")
    before = np.asarray(ImageOps.fit(picture, (size, size), Image.Resampling.BILINEAR))
    wanted = before[None] if mode == "L" else before.transpose(2, 0, 1)
    np.testing.assert_array_equal(read_image(tmp_path / "x.png", size), wanted)
    for same in (Square(size), Square(size, size)):
        np.testing.assert_array_equal(same.of(picture, mode), wanted)


@pytest.mark.parametrize("interpolation", FILTERS)
@pytest.mark.parametrize(("width", "height"), [(64, 64), (128, 64), (64, 96)])
def test_one_resampling_is_resizing_and_then_cropping(
    width: int, height: int, interpolation: Interpolation
) -> None:
    """Where the part that is kept begins between no two pixels, to the last bit."""
    picture = noise(height, width)
    small = picture.resize((width // 2, height // 2), Image.Resampling[interpolation.upper()])
    left, top = (small.width - 24) // 2, (small.height - 24) // 2
    wanted = np.asarray(small.crop((left, top, left + 24, top + 24))).transpose(2, 0, 1)
    np.testing.assert_array_equal(Square(24, 32, interpolation).of(picture, "RGB"), wanted)


def test_the_middle_is_kept() -> None:
    """Of 8 pixels a side, 4 of the 8 that they become: rows 2 … 5, which say their number."""
    picture = Image.fromarray(np.repeat(np.arange(8, dtype=np.uint8)[:, None] * 10, 12, axis=1))
    assert Square(4, 8).of(picture, "L")[0].tolist() == [[row] * 4 for row in (20, 30, 40, 50)]


def test_filters_differ_as_they_should() -> None:
    """An edge of 0 and 200, enlarged twofold: bicubic and Lanczos overshoot, a mean of two does not."""
    values = np.full((4, 4), 20, np.uint8)
    values[:, 2:] = 200
    rows = {name: Square(8, 0, name).of(Image.fromarray(values), "L")[0, 0].tolist() for name in FILTERS}
    assert rows["bilinear"] == [20, 20, 20, 65, 155, 200, 200, 200]  # 20 + 180 · (0, ¼, ¾, 1)
    # Keys's cubic is 111/128, 29/128, −9/128 and −3/128 at ¼, ¾, 1¼ and 1¾; so the share of 200 is
    # −3/137, −9/131, 26/128 and so on, where weights outside the image are left out of the sum
    assert rows["bicubic"] == [20, 16, 8, 57, 163, 212, 204, 200]
    assert min(rows["lanczos"]) < 20 < 200 < max(rows["lanczos"])
    assert rows["bicubic"] != rows["lanczos"]


def test_a_square_stays_what_it_is() -> None:
    picture = noise(24, 24)
    preprocessing = Preprocessing(3, 24, 32, "bicubic")
    once = np.asarray(picture).transpose(2, 0, 1)
    np.testing.assert_array_equal(preprocessing.square.of(picture, "RGB"), once)
    assert preprocessing.fit(once).pixels is once
    made = preprocessing.fit(np.asarray(noise(50, 40)).transpose(2, 0, 1)).pixels
    np.testing.assert_array_equal(preprocessing.fit(made).pixels, made)


def test_a_file_an_array_and_an_image_of_pillow_are_read_alike(tmp_path: Path) -> None:
    picture, preprocessing = noise(70, 90), Preprocessing(3, 24, 28, "bicubic", draft=True)
    picture.save(tmp_path / "x.png")
    wanted = preprocessing.square.of(picture, "RGB")
    for given in (tmp_path / "x.png", picture, np.asarray(picture), [np.asarray(picture)]):
        (read,) = read_images(given, preprocessing)
        assert read.pixels is not None
        np.testing.assert_array_equal(read.pixels, wanted)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ((0,), "The image size is 0, but must be at least 1"),
        ((8, 7), "shorter side is to become 7 pixels, but must be 0 .* or 8 … 4096, since 8 are kept"),
        ((8, 4097), "become 4097 pixels"),
        ((8, -1), "become -1 pixels"),
        ((8, 0, "nearest"), "interpolation is nearest, but must be one of bilinear, bicubic, lanczos: give"),
    ],
)
def test_a_geometry_that_there_is_not(wrong: tuple[int, int, Interpolation], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        Square(*wrong)
    with pytest.raises(UsageError, match=sentence):
        Preprocessing(3, *wrong)


def test_channels_that_there_are_not() -> None:
    with pytest.raises(UsageError, match=r"images have 4 channels, but must have 1 \(grey\) or 3"):
        Preprocessing(4, 8)


@pytest.mark.parametrize("size", [8, 30, 299, 518, 2048])
def test_a_backbone_may_have_a_size_that_no_gan_makes(size: int) -> None:
    assert checked_backbone_size(size) == size
    with pytest.raises(UsageError, match=r"must be 8 … 2048 for a backbone"):
        checked_backbone_size(2049 if size > 100 else 7)


# --- drafts ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("width", "height", "decoded"),
    [
        (120, 63, (120, 63)),  # a half would have less than twice 16
        (120, 64, (60, 32)),
        (127, 300, (64, 150)),  # 127/3 is none that a decoder has
        (128, 300, (32, 75)),
        (600, 400, (75, 50)),  # an eighth is the least that there is
    ],
)
def test_a_draft_keeps_twice_what_is_needed(width: int, height: int, decoded: tuple[int, int]) -> None:
    opened = Image.open(jpeg(photograph(width, height)))
    Square(12, 16).hint(opened)
    assert opened.size == (width, height), "no draft was asked for"
    Square(12, 16, draft=True).hint(opened)
    opened.load()
    assert opened.size == decoded


def test_a_draft_shows_the_same_image() -> None:
    """What is smoothed by the cosines and then by the filter is almost what the filter alone smooths."""
    file = jpeg(photograph(1200, 900))
    whole = Preprocessing(3, 64, 72, "bicubic").read(file).pixels
    draft = Preprocessing(3, 64, 72, "bicubic", draft=True).read(file).pixels
    apart = np.abs(whole.astype(int) - draft)
    assert apart.max() > 0
    assert apart.mean() < 1
    turned = np.abs(whole[:, ::-1].astype(int) - draft)
    assert turned.mean() > 10, "any image would have passed"


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_remarks_and_orientation_are_those_of_the_whole(mode: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = photograph(640, 400)
    if mode != "RGB":
        picture = picture.convert(mode)
    file = jpeg(picture, exif=exif)
    whole, draft = (Preprocessing(3, 32, draft=draft).read(file) for draft in (False, True))
    assert draft.remark == whole.remark
    assert (orientation == 1) == ("turned" not in (draft.remark or ""))
    assert np.abs(whole.pixels.astype(int) - draft.pixels).mean() < 1.5


def test_the_first_of_several_pictures_in_a_file_of_a_phone() -> None:
    file = jpeg(photograph(640, 400), format="MPO", save_all=True, append_images=[noise(400, 640)])
    whole, draft = (Preprocessing(3, 32, draft=draft).read(file) for draft in (False, True))
    assert draft.remark == whole.remark == "first of 2 frames"
    assert np.abs(whole.pixels.astype(int) - draft.pixels).mean() < 1.5


def test_limits_and_faults_are_those_of_the_whole_file() -> None:
    file = jpeg(photograph(640, 400))
    preprocessing = Preprocessing(3, 16, draft=True)
    with pytest.raises(TooManyPixelsError, match="more than 255,999 pixels"):
        preprocessing.read(file, 640 * 400 - 1)
    assert preprocessing.read(file, 640 * 400).pixels.shape == (3, 16, 16)
    with pytest.raises(DataError, match="is broken"):
        preprocessing.read(io.BytesIO(file.getvalue()[: len(file.getvalue()) // 2]))


@pytest.mark.parametrize("kind", ["png", "webp", "bmp", "gif", "tiff"])
def test_other_formats_know_no_draft(kind: str) -> None:
    file = io.BytesIO()
    photograph(320, 200).save(file, kind, **({"lossless": True} if kind == "webp" else {}))
    whole, draft = (read_pixels(file, Square(16, draft=draft), 3) for draft in (False, True))
    np.testing.assert_array_equal(whole.pixels, draft.pixels)
