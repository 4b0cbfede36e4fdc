from __future__ import annotations

import gc
import io
import random
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from euinet.errors import DataError, UsageError
from euinet.images import pixels
from euinet.images.geometry import read_image
from euinet.images.pixels import MOST_PIXELS, read_pixels

TURNED = "turned upright as its EXIF data say"
BROKEN_EXIF = "its EXIF data are broken"
ON_WHITE = "transparency laid on white"
TO_GREY, TO_COLOUR = "colour weighed into grey", "grey repeated into colour"


def packed(image: Image.Image, kind: str = "png", **options: object) -> io.BytesIO:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file


def plain(mode: str, value: object, size: tuple[int, int] = (8, 8)) -> Image.Image:
    return Image.new(mode, size, value)


def png(size: tuple[int, int], depth: int, colour: int, row: bytes, *between: bytes) -> io.BytesIO:
    """A PNG written by hand: all rows alike; `between` are chunks (name and content) before the pixels."""
    header = b"IHDR" + struct.pack(">2I5B", *size, depth, colour, 0, 0, 0)
    body = [b"IDAT" + zlib.compress((b"\0" + row) * size[1]), b"IEND"]
    chunks = [
        struct.pack(">I", len(part) - 4) + part + struct.pack(">I", zlib.crc32(part))
        for part in (header, *between, *body)
    ]
    return io.BytesIO(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))


def tiff(size: int, bits: int, zero_is_black: int, content: bytes) -> io.BytesIO:
    """A grey little-endian TIFF written by hand, in one uncompressed strip."""
    tags = {256: size, 257: size, 258: bits, 259: 1, 262: zero_is_black, 273: 0, 278: size, 279: len(content)}
    tags[273] = 8 + 2 + 12 * len(tags) + 4  # where the pixels begin
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags.items())
    return io.BytesIO(struct.pack("<2sHIH", b"II", 42, 8, len(tags)) + entries + bytes(4) + content)


def read(file: Path | io.BytesIO, channels: int | None = None) -> tuple[list[int] | None, str | None]:
    """The value of each channel of an image of one colour (None where it has several), and the remark."""
    found = read_pixels(file, 8, channels)
    assert found.pixels.dtype == np.uint8
    assert found.pixels.shape[1:] == (8, 8)
    first = found.pixels[:, :1, :1]
    return (first.flatten().tolist() if (found.pixels == first).all() else None), found.remark


def test_torch_is_not_needed() -> None:
    code = "import sys, euinet.images.pixels; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_ordinary_images_are_read_as_they_are_and_as_tensors() -> None:
    values = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    colour, grey = packed(Image.fromarray(values)), packed(Image.fromarray(values[..., 0]))
    assert read_pixels(colour, 8).pixels.tolist() == values.transpose(2, 0, 1).tolist()
    assert read_pixels(grey, 8).pixels.tolist() == [values[..., 0].tolist()]
    assert read_pixels(colour, 8).remark is read_pixels(grey, 8).remark is None
    assert read_image(colour, 8).tolist() == values.transpose(2, 0, 1).tolist()
    with pytest.raises(UsageError, match="1 or 3 channels, not 4: give one"):
        read_pixels(grey, 8, 4)


# --- what is an image ----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["jpeg", "png", "ppm", "bmp", "tiff", "webp", "gif"])
def test_the_content_says_what_a_file_is_and_a_part_of_it_is_not_enough(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.txt"
    content = packed(Image.effect_noise((32, 32), 50), kind).getvalue()
    path.write_bytes(content)
    assert read_pixels(path, 8).pixels.shape[1:] == (8, 8)
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=f"^{path} is broken or not an image .*: replace the file"):
        read_pixels(path, 8)


@pytest.mark.parametrize("kind", ["eps", "pdf", "ico", "svg"])
def test_other_formats_are_refused_under_any_name(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "x.png"
    path.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    if kind != "svg":
        plain("RGB", 0, (32, 32)).save(path, kind)
    with pytest.raises(DataError, match="not an image of the formats BMP, GIF, JPEG, PNG, PPM, TIFF, WEBP"):
        read_pixels(path, 8)


def test_no_file_no_bytes_no_file_name_and_no_pixels(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    with pytest.raises(DataError, match=r"^\S+/empty\.png is empty: replace the file"):
        read_pixels(tmp_path / "empty.png", 8)
    with pytest.raises(DataError, match=r"^There is no image file .*two\\nlines\.png\.$"):
        read_pixels(tmp_path / "two\nlines.png", 8)
    with pytest.raises(DataError, match=rf"^{tmp_path} cannot be read \(Is a directory\)"):
        read_pixels(tmp_path, 8)
    with pytest.raises(DataError, match=r"^…d+\.png cannot be read \(File name too long\)"):
        read_pixels(tmp_path / ("d" * 500 + ".png"), 8)
    with pytest.raises(DataError, match=r"x00.* is broken or not an image \(embedded null byte\)"):
        read_pixels(tmp_path / "a\0b", 8)
    with pytest.raises(DataError, match="the image is broken or not an image"):
        read_pixels(io.BytesIO(b"GIF89a\0\0\5\0\0\0\0,\0\0\0\0\0\0\5\0\0\2\2L\1\0;"), 8)


LONG = "one\ntwo\r" + "x" * 9999
IN_ONE_LINE = r"is broken or not an image \(one\\ntwo\\rx+\): replace the file or take it out\.$"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(LONG), IN_ONE_LINE),
        (SyntaxError(LONG), IN_ONE_LINE),
        (struct.error(LONG), IN_ONE_LINE),
        (zlib.error(LONG), IN_ONE_LINE),
        (OverflowError(LONG), IN_ONE_LINE),
        (TypeError(LONG), IN_ONE_LINE),
        (Exception(LONG), IN_ONE_LINE),  # as Pillow's colour management raises
        (IndexError(), r"is broken or not an image \(IndexError\)"),
        (MemoryError(), "needs more memory than there is: make the image smaller"),
        (PermissionError(13, "Permission denied"), r"cannot be read \(Permission denied\)"),
    ],
)
def test_what_a_decoder_raises_becomes_one_short_line(
    monkeypatch: pytest.MonkeyPatch, error: Exception, message: str
) -> None:
    def load(self: Image.Image) -> None:
        raise error

    file = packed(plain("L", 1), "bmp")
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", load)
    with pytest.raises(DataError, match=f"^the image {message}") as told:
        read_pixels(file, 8)
    assert len(str(told.value)) < 300
    assert told.value.__cause__ is error


# --- size ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("guard", [Image.MAX_IMAGE_PIXELS, None])
def test_too_many_pixels_are_refused_by_the_header(
    monkeypatch: pytest.MonkeyPatch, guard: int | None
) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", guard)
    assert MOST_PIXELS == 17_895_697 * 10
    with pytest.raises(DataError, match="more than 178,956,970 pixels, the most that is read: make"):
        read_pixels(png((17_895_697, 11), 8, 0, b"\0"), 8)
    with pytest.raises(DataError, match="image file is truncated"):  # not too large
        read_pixels(png((17_895_697, 10), 1, 0, b"\0"), 8)


def test_large_images_are_read_without_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # Pillow warns above, and refuses from twice as many
    assert read(packed(plain("RGB", (1, 2, 3), (12, 12)))) == ([1, 2, 3], None)


def test_a_hundred_megapixels_are_read() -> None:
    flat = png((10_000, 10_000), 1, 0, b"\xff" * 1250)  # 1 bit a pixel: quick
    assert read(flat) == ([255], None)


@pytest.mark.parametrize("size", [(1, 100_000), (100_000, 1)])
def test_of_a_thin_image_the_middle_is_kept(size: tuple[int, int]) -> None:
    ramp = np.repeat(np.arange(200, dtype=np.uint8), 500).reshape(size[::-1])
    assert read(packed(Image.fromarray(ramp))) is not None
    middle = read_pixels(packed(Image.fromarray(ramp)), 8).pixels
    # the ramp steps from 99 to 100 at the middle, and the kept pixel is the one beyond it or before it
    assert set(middle.flatten().tolist()) <= {99, 100}


# --- frames --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["gif", "png", "webp", "tiff", "mpo"])
def test_the_first_frame_is_read_and_told(kind: str) -> None:
    frames = [plain("RGB", (240 - 20 * number, 0, 0), (16, 16)) for number in range(12)]
    options = {"lossless": True} if kind == "webp" else {}
    values, remark = read(packed(frames[0], kind, save_all=True, append_images=frames[1:], **options))
    assert values == pytest.approx([240, 0, 0], abs=2 if kind == "mpo" else 0)  # which is a JPEG
    assert remark == "first of 12 frames"
    if kind != "mpo":
        assert read(packed(frames[0], kind, save_all=True, **options))[1] is None


# --- transparency --------------------------------------------------------------------------------


def test_transparency_is_laid_on_white() -> None:
    # value · alpha + 255 · (1 − alpha): 0 · 128/255 + 255 · 127/255; 100 · 51/255 + 255 · 204/255
    assert read(packed(plain("RGBA", (0, 255, 255, 128)))) == ([127, 255, 255], ON_WHITE)
    assert read(packed(plain("LA", (100, 51)))) == ([224], ON_WHITE)
    assert read(packed(plain("LA", (100, 51))), 3) == ([224] * 3, f"{ON_WHITE}; {TO_COLOUR}")
    assert read(packed(plain("RGBA", (0, 0, 0, 0)), "webp", lossless=True)) == ([255] * 3, ON_WHITE)
    one = plain("RGBA", (9, 9, 9, 255))
    one.putpixel((3, 3), (9, 9, 9, 254))
    assert read_pixels(packed(one), 8).remark == ON_WHITE


def test_an_opaque_alpha_channel_is_not_worth_a_remark() -> None:
    assert read(packed(plain("RGBA", (10, 20, 30, 255)))) == ([10, 20, 30], None)
    assert read(packed(plain("LA", (10, 255)))) == ([10], None)
    assert read(packed(plain("RGBA", (10, 10, 10, 255))), 1) == ([10], None)


@pytest.mark.parametrize("kind", ["png", "gif"])
def test_a_palette_may_have_a_transparent_colour(kind: str) -> None:
    image = plain("P", 1)
    image.putpalette([0, 0, 0, 10, 20, 30])
    assert read(packed(image, kind, transparency=1)) == ([255] * 3, ON_WHITE)
    # as declared, but not used
    assert read(packed(image, kind, transparency=0)) == ([10, 20, 30], None)


def test_a_palette_may_be_half_transparent() -> None:
    image = plain("P", 1)
    image.putpalette([0, 0, 0, 0, 255, 255])
    assert read(packed(image, transparency=b"\xff\x80")) == ([127, 255, 255], ON_WHITE)


@pytest.mark.parametrize(
    ("depth", "colour", "pixel", "transparent", "other"),
    [
        (1, 0, b"\xff", (1,), (0,)),
        (2, 0, b"\xaa\xaa", (2,), (170,)),  # four pixels of 2 a byte, which become 2 · 85
        (4, 0, b"\x33" * 4, (3,), (51,)),  # two pixels of 3 a byte, which become 3 · 17
        (8, 0, b"\x33" * 8, (51,), (52,)),
        (16, 0, b"\x12\x34" * 8, (0x1234,), (0x1235,)),
        (8, 2, b"\1\2\3" * 8, (1, 2, 3), (1, 2, 4)),
        (16, 2, b"\1\xff\2\xff\3\xff" * 8, (0x1FF, 0x2FF, 0x3FF), (0xFF01, 0xFF02, 0xFF03)),
    ],
)
def test_a_png_may_declare_one_value_transparent(
    depth: int, colour: int, pixel: bytes, transparent: tuple[int, ...], other: tuple[int, ...]
) -> None:
    def declared(*values: int) -> bytes:
        return b"tRNS" + struct.pack(f">{len(values)}H", *values)

    found, remark = read(png((8, 8), depth, colour, pixel, declared(*transparent)))
    assert set(found or ()) == {255}
    assert remark is not None
    assert remark.endswith(ON_WHITE)
    assert ON_WHITE not in (read_pixels(png((8, 8), depth, colour, pixel, declared(*other)), 8).remark or "")


# --- depth ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["png", "tiff"])
@pytest.mark.parametrize("order", ["<", ">"])
def test_of_sixteen_bits_the_upper_eight_are_kept(kind: str, order: str) -> None:
    image = Image.fromarray(np.full((8, 8), 0x1234, dtype=f"{order}u2"))
    assert read(packed(image, kind)) == ([0x12], "16 bits a pixel brought to 8")


def test_a_portable_greymap_of_sixteen_bits() -> None:
    content = b"P5 8 8 65535 " + b"\x12\x34" * 64
    assert read(io.BytesIO(content)) == ([0x12], "16 bits a pixel brought to 8")


def test_twelve_bits_and_white_at_zero_are_minded() -> None:
    # two pixels of 0xABC are the three bytes AB CA BC
    assert read(tiff(8, 12, 1, b"\xab\xca\xbc" * 32)) == ([0xAB], "12 bits a pixel brought to 8")
    assert read(tiff(8, 16, 1, b"\x34\x12" * 64)) == ([0x12], "16 bits a pixel brought to 8")
    assert read(tiff(8, 16, 0, b"\x34\x12" * 64)) == ([0xFF - 0x12], "16 bits a pixel brought to 8")
    assert read(tiff(8, 8, 0, b"\x12" * 64)) == ([0xFF - 0x12], None)


def test_sixteen_bits_are_turned_upright_too() -> None:
    values = np.zeros((8, 8), np.uint16)
    values[:4] = 0xFF00
    exif = Image.Exif()
    exif[0x0112] = 3
    found = read_pixels(packed(Image.fromarray(values), exif=exif), 8)
    assert found.pixels[0, :, 0].tolist() == [0] * 4 + [255] * 4
    assert found.remark == f"{TURNED}; 16 bits a pixel brought to 8"


@pytest.mark.parametrize("value", [-1, 65_536])
def test_whole_numbers_without_a_known_range_are_refused(value: int) -> None:
    image = plain("I", 5)
    image.putpixel((7, 7), value)
    with pytest.raises(
        DataError, match=r"^the image has whole numbers outside 0 … 65535, whose range is not known"
    ):
        read_pixels(packed(image, "tiff"), 8)


@pytest.mark.parametrize("kind", ["tiff", "ppm"])
def test_floating_point_is_refused(kind: str) -> None:
    with pytest.raises(DataError, match=r"floating-point numbers.* save it with 8 or 16 bits a pixel"):
        read_pixels(packed(plain("F", 0.5), kind), 8)


# --- colours -------------------------------------------------------------------------------------


def test_other_colour_spaces_become_rgb() -> None:
    assert read(packed(plain("CMYK", (0, 255, 255, 0)), "tiff")) == ([255, 0, 0], None)
    assert read(packed(plain("CMYK", (0, 255, 255, 0)), "tiff"), 1) == ([76], TO_GREY)
    # JFIF: red = Y + 1.402 · (Cr − 128), blue = Y + 1.772 · (Cb − 128)
    values, _ = read(packed(plain("YCbCr", (100, 128, 178)), "tiff"))
    assert values == pytest.approx([170.1, 100 - 0.714 * 50, 100], abs=1)
    # sRGB's red is L* 54.29, a* 80.81, b* 69.89 under D50; L* · 2.55, a* + 128, b* + 128
    red = packed(plain("LAB", (138, 209, 198)), "tiff")
    assert read(red)[0] == pytest.approx([255, 0, 0], abs=5)
    values, remark = read(red, 1)
    assert values == pytest.approx([76], abs=3)
    assert remark == TO_GREY


def test_a_change_of_channels_is_told_where_it_changes_something() -> None:
    colour, grey, alike = (packed(plain(*it)) for it in (("RGB", (255, 0, 0)), ("L", 9), ("RGB", (9, 9, 9))))
    assert read(colour, 1) == ([76], TO_GREY)  # 0.299 · 255
    assert read(grey, 3) == ([9] * 3, TO_COLOUR)
    assert read(alike, 1) == ([9], None)
    assert read(colour, 3)[1] is read(grey, 1)[1] is read(colour)[1] is read(grey)[1] is None


def test_one_coloured_pixel_is_colour() -> None:
    image = plain("RGB", (9, 9, 9), (3000, 3000))  # more than one part that is looked through
    image.putpixel((2999, 2999), (9, 9, 10))
    assert read_pixels(packed(image, "bmp"), 8, 1).remark == TO_GREY


# --- EXIF ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["png", "tiff", "webp"])
def test_every_orientation_is_turned_upright(kind: str) -> None:
    stored = np.random.default_rng(0).integers(0, 256, (8, 8), dtype=np.uint8)
    upright = {  # where the EXIF standard says that the stored first row and first column stand
        1: stored,
        2: stored[:, ::-1],  # top, right
        3: stored[::-1, ::-1],  # bottom, right
        4: stored[::-1],  # bottom, left
        5: stored.T,  # left, top
        6: stored.T[:, ::-1],  # right, top
        7: stored.T[::-1, ::-1],  # right, bottom
        8: stored.T[::-1],  # left, bottom
    }
    for orientation, expected in upright.items():
        exif = Image.Exif()
        exif[0x0112] = orientation
        options = {"lossless": True} if kind == "webp" else {}
        found = read_pixels(packed(Image.fromarray(stored), kind, exif=exif, **options), 8, 1)
        assert found.pixels.tolist() == [expected.tolist()]
        assert found.remark == (None if orientation == 1 else TURNED)


def test_an_oblong_image_is_turned_before_it_is_cropped() -> None:
    stored = np.zeros((8, 16), np.uint8)
    stored[:, 4:12] = np.arange(8)[:, None]
    exif = Image.Exif()
    exif[0x0112] = 6
    found = read_pixels(packed(Image.fromarray(stored), exif=exif), 8)
    assert found.pixels[0, 4].tolist() == list(range(8))[::-1]  # the first row stands right


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp"])
def test_of_an_image_with_broken_exif_data_the_pixels_are_read(kind: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    exif[0x0131] = "a camera's own program"  # a tag behind the orientation
    whole = exif.tobytes()
    exif[0x0112] = 9
    no_such_orientation = exif.tobytes()
    image = plain("RGB", (50, 50, 50))
    for block, remark in (
        (whole, TURNED),
        (whole[:-20], f"{TURNED}; {BROKEN_EXIF}"),  # the orientation stands before the break
        (b"Exif\0\0no such thing", BROKEN_EXIF),
        (b"Exif\0\0II", BROKEN_EXIF),
        (no_such_orientation, BROKEN_EXIF),
    ):
        assert read(packed(image, kind, exif=block)) == ([50, 50, 50], remark)


# --- streams -------------------------------------------------------------------------------------


def test_a_stream_is_named_and_left_open() -> None:
    file = packed(plain("L", 7))
    assert read(file) == read(file) == ([7], None)
    assert not file.closed
    broken = io.BytesIO(b"no image")
    with pytest.raises(DataError, match=r"^the image is broken or not an image"):
        read_pixels(broken, 8)
    broken.name = "<stdin>"
    with pytest.raises(DataError, match=r"^<stdin> is broken or not an image"):
        read_pixels(broken, 8)
    file.close()
    with pytest.raises(DataError, match="closed file"):
        read_pixels(file, 8)


def test_standard_input_may_be_a_pipe() -> None:
    code = "import sys, euinet.images.pixels as p; print(p.read_pixels(sys.stdin.buffer, 8).pixels.sum())"
    content = packed(plain("L", 7)).getvalue()
    done = subprocess.run([sys.executable, "-c", code], input=content, capture_output=True, check=True)
    assert int(done.stdout) == 7 * 64


class Pipe(io.BytesIO):
    def seekable(self) -> bool:
        return False


def test_a_pipe_may_not_run_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    content = packed(plain("L", 7)).getvalue()
    monkeypatch.setattr(pixels, "_MOST_PIPED_BYTES", len(content))
    assert read(Pipe(content)) == ([7], None)
    with pytest.raises(DataError, match=f"has more than {len(content)} bytes: give a smaller image"):
        read_pixels(Pipe(content + b"\0"), 8)
    with pytest.raises(DataError, match="the image is empty"):
        read_pixels(Pipe(), 8)


# --- anything ------------------------------------------------------------------------------------


def some_files() -> list[bytes]:
    noise = np.random.default_rng(0).integers(0, 256, (24, 20, 4), dtype=np.uint8)
    colour, clear, grey = (Image.fromarray(noise[..., part]) for part in (slice(3), slice(4), 0))
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "a maker of cameras"
    frames = {"save_all": True, "append_images": [colour.rotate(90), colour.rotate(180)]}
    made = [
        packed(clear, "png", exif=exif),
        packed(colour, "jpeg", exif=exif),
        packed(colour, "gif", **frames),
        packed(colour, "tiff", compression="tiff_lzw", exif=exif),
        packed(clear, "webp", exif=exif),
        packed(colour.quantize(16), "bmp"),
        packed(colour, "png", **frames),
        packed(grey, "jpeg", progressive=True),
        packed(grey, "tiff", **frames),
        packed(Image.fromarray(noise.view(np.uint32)[..., 0].astype(np.uint16)), "png"),
        packed(colour, "mpo", **frames),
        packed(colour, "webp", **frames),
    ]
    return [file.getvalue() for file in made]


def damaged(content: bytes, chance: random.Random) -> bytes:
    changed = bytearray(content)
    for _ in range(chance.choice([0, 1, 2, 8, 32])):
        # half of them among the first bytes, where the header stands
        place = chance.randrange(chance.choice([min(100, len(changed)), len(changed)]))
        changed[place] = chance.randrange(256)
    return bytes(changed[: chance.randrange(len(changed))] if chance.random() < 0.3 else changed)


def test_a_damaged_file_is_read_or_refused_in_one_line(tmp_path: Path) -> None:
    chance, path = random.Random(0), tmp_path / "damaged"
    files, refusals = some_files(), []
    for number in range(300):
        path.write_bytes(damaged(files[number % len(files)], chance))
        try:
            assert read_pixels(path, 8, 3).pixels.shape == (3, 8, 8)
        except DataError as error:
            refusals.append(str(error))
    gc.collect()  # a file left open would be told now, and warnings are errors
    assert 75 < len(refusals) < 290  # neither all nor none
    for refusal in refusals:
        assert str(path) in refusal
        assert refusal.isprintable()  # so on one line
        assert len(refusal) < 400 + len(str(path))
