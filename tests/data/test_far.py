from __future__ import annotations

import gzip
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from torchvision.datasets import EMNIST, ImageFolder

from embedders import MeanEmbedder
from euinet.data.far.idx import EMNIST_CLASSES
from euinet.data.far.letters import LETTERS, text_fonts
from euinet.data.far.overlap import leave_out_known
from euinet.data.far.sets import GENERATED_NAMES, FarReader, FarSet, far_names, fit, load_far, read_far
from euinet.data.sets.datasets import load_dataset
from euinet.data.split.fingerprint import image_digests
from euinet.data.tables.table import row_digests
from euinet.errors import DataError, UsageError
from euinet.images.geometry import read_image
from euinet.images.preprocessing import Preprocessing
from euinet.records import Dataset, LabelledImages


def idx(array: np.ndarray, kind: int = 8) -> bytes:
    return bytes([0, 0, kind, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def some_pixels(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def save_images(folder: Path, *shapes: tuple[int, ...], suffix: str = ".png") -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{number}{suffix}" for number in range(len(shapes))]
    for number, (path, shape) in enumerate(zip(paths, shapes, strict=True)):
        Image.fromarray(some_pixels(*shape, seed=number)).save(path)
    return paths


# --- names ---------------------------------------------------------------------------------------


def test_a_data_sets_name_gives_its_test_images_with_their_classes() -> None:
    far, test = load_far("digits", 1, 28), load_dataset("digits").test
    assert np.array_equal(far.images, test.images)
    assert far.labels == tuple(str(label) for label in test.labels.tolist())
    assert (far.name, far.remark) == ("digits", None)


def test_uniform_noise_has_every_value_as_often() -> None:
    far = load_far("noise-uniform", 1, 16)
    assert far.images.shape == (10_000, 1, 16, 16)
    shares = np.bincount(far.images.ravel(), minlength=256) / far.images.size
    assert shares.min() > 0.9 / 256
    assert shares.max() < 1.1 / 256
    assert far.labels is None
    assert np.array_equal(far.images, load_far("noise-uniform", 1, 16).images)


def test_gaussian_noise_is_clipped_at_half_a_deviation() -> None:
    # mean 0.5, variance 1: below 0 lies Φ(−0.5) = 30.85 %, above 1 as much
    images = load_far("noise-gaussian", 3, 8).images
    assert images.shape == (10_000, 3, 8, 8)
    black, white = (float((images == value).mean()) for value in (0, 255))
    assert black == pytest.approx(0.3085, abs=0.003)
    assert white == pytest.approx(0.3085, abs=0.003)
    assert not np.array_equal(images[0], images[500])  # a new draw in each part


def test_letters_are_ten_classes_in_every_text_font() -> None:
    names = {path.stem for path in text_fonts()}
    assert {"DejaVuSans", "STIXGeneral", "cmr10"} <= names
    # brackets, boxes and nothing at all in the places of letters
    assert not names & {"cmex10", "LastResortHE-Regular", "STIXNonUni", "DejaVuSansDisplay"}
    far = load_far("letters", 1, 28)
    assert far.labels is not None
    assert len(far.images) == 24 * len(LETTERS) * len(names) == len(far.labels)
    assert all(far.labels.count(letter) == 24 * len(names) for letter in "ABCDEFGHIJ")
    assert len(np.unique(far.images, axis=0)) == len(far.images)
    assert np.array_equal(far.images, load_far("letters", 1, 28).images)


def test_letters_without_matplotlib_name_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    with pytest.raises(UsageError, match=r"letters needs the package matplotlib, .*'euinet\[train\]'"):
        load_far("letters", 1, 28)


def test_letters_look_like_mnist_and_like_letters() -> None:
    far = load_far("letters", 1, 28)
    strokes = far.images / 255
    assert (strokes.max(axis=(1, 2, 3)) > 0.5).all()  # white strokes …
    assert strokes.mean() < 0.2  # … on black
    assert (far.images.max(axis=3) > 0).sum(axis=2).min() >= 10  # pixels of height
    labels = np.array(far.labels)
    means = {letter: strokes[labels == letter].mean(axis=0) for letter in "HI"}
    # an H has two uprights with a gap between, an I one in the middle
    assert means["H"][0, 9, 12:16].mean() < 0.5 * means["I"][0, 9, 12:16].mean()


def test_letters_are_whole() -> None:
    """The same letter at its six places has the same ink; where it were cut off, it would have less."""
    ink = load_far("letters", 1, 28).images.sum(axis=(1, 2, 3)).reshape(-1, 6)
    assert (ink == ink[:, :1]).all()


# --- files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("packed", [False, True])
def test_an_idx_file_is_known_by_its_content(tmp_path: Path, packed: bool) -> None:
    pixels = some_pixels(5, 28, 28)
    path = tmp_path / "anything"
    path.write_bytes(gzip.compress(idx(pixels), mtime=0) if packed else idx(pixels))
    far = load_far(str(path), 1, 28)
    assert far.images.tolist() == pixels[:, None].tolist()
    assert (far.name, far.labels, far.remark) == (str(path), None, None)


def test_transpose_turns_rows_into_columns(tmp_path: Path) -> None:
    pixels = some_pixels(2, 28, 28)
    path = tmp_path / "images"
    path.write_bytes(idx(pixels))
    far = load_far(f"{path}:transpose", 1, 28)
    assert far.images[:, 0].tolist() == pixels.transpose(0, 2, 1).tolist()
    assert far.remark == "every image transposed"
    (tmp_path / "images:transpose").write_bytes(idx(pixels[:1]))  # a file of that very name comes first
    assert load_far(f"{path}:transpose", 1, 28).images[0, 0].tolist() == pixels[0].tolist()


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
@pytest.mark.parametrize(
    ("axes", "channels"), [((0, 2, 3), 1), ((0, 2, 3, 1), 3), ((0, 1, 2, 3), 3), ((0, 2, 3, 1), 1)]
)
def test_an_array_may_have_its_channels_at_either_end(
    tmp_path: Path, axes: tuple[int, ...], channels: int, suffix: str
) -> None:
    wanted = some_pixels(4, channels, 16, 16)
    array = wanted[:, 0] if len(axes) == 3 else wanted.transpose(axes)
    path = tmp_path / f"images{suffix}"
    np.save(path, array) if suffix == ".npy" else np.savez(path, array)
    far = load_far(str(path), channels, 16)
    assert far.images.tolist() == wanted.tolist()
    assert far.remark is None


def test_a_single_image_is_a_far_set(tmp_path: Path) -> None:
    (path,) = save_images(tmp_path, (28, 28))
    far = load_far(str(path), 1, 28)
    assert far.images.tolist() == [[some_pixels(28, 28).tolist()]]


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "is empty: give an idx file"),
        (b"hello, world", "is none of the files that can be a far set: give an idx file"),
        (
            idx(some_pixels(2, 28, 28))[:-1],
            "bytes, but its header promises .*: replace it with an intact copy",
        ),
        (idx(some_pixels(2, 28, 28))[:9], "ends inside its header"),
        (gzip.compress(idx(some_pixels(2, 28, 28)), mtime=0)[:-9], "is truncated: replace it"),
        (gzip.compress(b"not idx at all", mtime=0), "is no idx file"),
        (idx(some_pixels(7)), "type 8 with 1 dimensions, but .* the file of the images, not of the labels"),
        (idx(some_pixels(2, 3, 4, 4)), "type 8 with 4 dimensions"),
        (idx(some_pixels(2, 4, 4), kind=0x0D), "type 13 with 3 dimensions, but images are unsigned bytes"),
        (idx(some_pixels(0, 28, 28)), "has no images"),
        (b"PK\x03\x04 and no archive", "is damaged or no plain NumPy array"),
        (b"\x93NUMPY\x01\x00", "is damaged or no plain NumPy array"),
    ],
)
def test_a_wrong_file_gets_one_sentence(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "images"
    path.write_bytes(content)
    with pytest.raises(DataError, match=rf"{path} .*{complaint}") as caught:
        load_far(str(path), 1, 28)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("array", "complaint"),
    [
        (np.zeros((2, 8, 8), np.float32), "holds float32 values, but images are uint8, 0 … 255: convert it"),
        (np.zeros((2, 8, 8), np.int64), "holds int64 values"),
        (
            np.zeros((8, 8), np.uint8),
            r"has the shape \(8, 8\), but images are \(N, H, W\), \(N, H, W, C\) or",
        ),
        (np.zeros((2, 8, 8, 4), np.uint8), r"has the shape \(2, 8, 8, 4\), .* 1 or 3 channels"),
        (np.zeros((0, 8, 8), np.uint8), r"has no images: its shape is \(0, 1, 8, 8\)"),
        (np.zeros((3, 0, 8), np.uint8), r"has the shape \(3, 0, 8\), but images are .* at least one pixel"),
        (np.array([{}], dtype=object), "holds object values, but images are uint8"),
    ],
)
def test_a_wrong_array_gets_one_sentence(tmp_path: Path, array: np.ndarray, complaint: str) -> None:
    path = tmp_path / "images.npy"
    np.save(path, array, allow_pickle=True)
    with pytest.raises(DataError, match=rf"{path} {complaint}") as caught:
        load_far(str(path), 1, 8)
    assert "\n" not in str(caught.value)


def test_an_archive_of_several_arrays_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "both.npz", images=some_pixels(2, 8, 8), labels=some_pixels(2))
    with pytest.raises(DataError, match=r"both\.npz holds 2 arrays: give a file with one array"):
        load_far(str(tmp_path / "both.npz"), 1, 8)


def test_a_name_that_is_nothing_is_a_usage_error(tmp_path: Path) -> None:
    for name in (str(tmp_path / "nowhere"), "leters", "leters:transpose"):
        with pytest.raises(UsageError, match=f"There is no far set, file or folder '{name}'") as caught:
            load_far(name, 1, 28)
        assert ", ".join(far_names()) in str(caught.value)
    with pytest.raises(UsageError, match=r"'leters'\. Did you mean 'letters'\? Give one of"):
        load_far("leters", 1, 28)
    with pytest.raises(UsageError, match="There is no far set"):
        load_far("letters:transpose", 1, 28)


# --- folders -------------------------------------------------------------------------------------


def test_a_folder_of_images_goes_to_any_depth_and_keeps_its_folders_names(tmp_path: Path) -> None:
    root = tmp_path / "far"
    save_images(root, (28, 28), suffix=".bmp")
    save_images(root / "b", (28, 28), (28, 28))
    save_images(root / "Greek" / "alpha", (28, 28))
    save_images(root / ".ipynb_checkpoints", (28, 28))  # another program's leftovers
    (root / "notes.txt").write_text("no image")
    far = load_far(str(root), 1, 28)
    assert far.labels == ("", "Greek/alpha", "b", "b")
    assert far.images[3, 0].tolist() == some_pixels(28, 28, seed=1).tolist()
    assert far.remark is None


def test_a_folders_images_are_read_as_a_predictions_are(tmp_path: Path) -> None:
    paths = save_images(tmp_path / "far", (28, 28), (60, 40, 3), (20, 30))
    far = load_far(str(tmp_path / "far"), 1, 28)
    assert np.array_equal(far.images, np.stack([read_image(path, 28, 1) for path in paths]))
    assert far.remark == (
        "2 of 3 images were brought to 1 × 28 × 28 (channels, height, width): shorter side resized, "
        "centre cropped"
    )


def test_torchvisions_folders_have_the_labels_that_torchvision_gives_them(tmp_path: Path) -> None:
    root = tmp_path / "far"
    for name in ("cat", "dog"):
        save_images(root / name, (16, 16), (16, 16))
    theirs = ImageFolder(str(root))
    assert load_far(str(root), 1, 16).labels == tuple(theirs.classes[label] for label in theirs.targets)


def test_broken_images_are_left_out_and_counted(tmp_path: Path) -> None:
    save_images(tmp_path / "far", (28, 28), (28, 28))
    (tmp_path / "far" / "0a.png").write_bytes(b"")
    (tmp_path / "far" / "1a.png").write_bytes((tmp_path / "far" / "1.png").read_bytes()[:100])
    far = load_far(str(tmp_path / "far"), 1, 28)
    assert len(far.images) == 2
    assert far.labels == ("", "")
    assert far.remark is not None
    assert far.remark.startswith(
        f"2 of 4 files were left out, the first because {tmp_path / 'far' / '0a.png'}"
    )


def test_a_folder_without_a_readable_image_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"has no images \(\.bmp.*nor idx files of test images"):
        load_far(str(tmp_path), 1, 28)
    (tmp_path / "a.png").write_bytes(b"no image")
    with pytest.raises(
        DataError, match=rf"No image of {tmp_path} can be read; the first: {tmp_path / 'a.png'}"
    ):
        load_far(str(tmp_path), 1, 28)


@pytest.mark.parametrize("inside", ["raw", "."])
def test_a_folder_as_torchvision_lays_it_down_gives_its_test_images(tmp_path: Path, inside: str) -> None:
    folder = tmp_path / "KMNIST"
    (folder / inside).mkdir(parents=True)
    pixels = some_pixels(3, 28, 28)
    (folder / inside / "train-images-idx3-ubyte").write_bytes(idx(some_pixels(9, 28, 28, seed=1)))
    (folder / inside / "t10k-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(pixels), mtime=0))
    (folder / inside / "t10k-labels-idx1-ubyte.gz").write_bytes(
        gzip.compress(idx(np.array([0, 9, 3], np.uint8)), mtime=0)
    )
    far = load_far(str(folder), 1, 28)
    assert far.images[:, 0].tolist() == pixels.tolist()
    assert far.labels == ("o", "wo", "tsu")  # not "0", "9", "3": no digit is meant


def test_labels_that_do_not_fit_are_an_error(tmp_path: Path) -> None:
    folder = tmp_path / "MNIST" / "raw"
    folder.mkdir(parents=True)
    (folder / "t10k-images-idx3-ubyte").write_bytes(idx(some_pixels(3, 28, 28)))
    for labels in ([1, 2], [1, 2, 10]):
        (folder / "t10k-labels-idx1-ubyte").write_bytes(idx(np.array(labels, np.uint8)))
        with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte does not fit: .* an intact pair"):
            load_far(str(folder), 1, 28)


def test_emnists_classes_are_those_that_torchvision_has() -> None:
    assert {kind: list(names) for kind, names in EMNIST_CLASSES.items()} == EMNIST.classes_split_dict


def test_emnists_files_have_their_own_classes_and_stand_upright_when_transposed(tmp_path: Path) -> None:
    raw = tmp_path / "EMNIST" / "raw"
    raw.mkdir(parents=True)
    pixels, labels = some_pixels(2, 28, 28), np.array([1, 26], np.uint8)
    (raw / "emnist-letters-test-images-idx3-ubyte").write_bytes(idx(pixels))
    (raw / "emnist-letters-test-labels-idx1-ubyte").write_bytes(idx(labels))
    far = load_far(f"{tmp_path / 'EMNIST'}:transpose", 1, 28)
    assert far.labels == ("a", "z")
    assert far.images[0, 0].tolist() == pixels[0].T.tolist()
    plain = load_far(str(raw / "emnist-letters-test-images-idx3-ubyte"), 1, 28)
    assert plain.remark is not None
    assert "transposed, and :transpose after the path turns them" in plain.remark

    (raw / "emnist-digits-test-images-idx3-ubyte").write_bytes(idx(pixels))
    with pytest.raises(UsageError, match="has 2 idx files of test images: give the one to use, such as"):
        load_far(str(tmp_path / "EMNIST"), 1, 28)


# --- other sizes ---------------------------------------------------------------------------------


def test_another_size_and_other_channels_are_read_as_a_file_with_a_remark() -> None:
    far, test = load_far("digits", 3, 32), load_dataset("digits").test
    as_files = [Preprocessing(3, 32).fit(image).pixels for image in test.images]
    assert np.array_equal(far.images, np.stack(as_files)), "a copy of an image is no longer one"
    assert far.remark == "brought from 1 × 28 × 28 to 3 × 32 × 32 (channels, height, width)"


def test_the_middle_square_of_an_oblong_image_is_kept() -> None:
    image = np.zeros((1, 1, 8, 14), np.uint8)
    image[..., 3:11] = np.arange(64).reshape(8, 8)
    fitted, remark = fit(image, Preprocessing(1, 8))
    assert fitted[0, 0].tolist() == np.arange(64).reshape(8, 8).tolist()
    assert remark is not None
    assert remark.endswith("after cropping the middle square")
    upright, _ = fit(image.swapaxes(2, 3), Preprocessing(1, 8))
    assert upright[0, 0].tolist() == np.arange(64).reshape(8, 8).T.tolist()


def test_dark_on_light_stays_dark_on_light(tmp_path: Path) -> None:
    np.save(tmp_path / "light.npy", np.full((2, 40, 40), 255, np.uint8))
    assert load_far(str(tmp_path / "light.npy"), 3, 28).images.min() == 255


def test_a_part_of_a_set_keeps_its_labels_beside_its_images() -> None:
    images = np.arange(3, dtype=np.uint8).reshape(3, 1, 1, 1)
    part = FarSet("abc", images, ("a", "b", "c"), "first").where(np.array([True, False, True]), "second")
    assert part.images.flatten().tolist() == [0, 2]
    assert (part.labels, part.remark) == (("a", "c"), "first; second")
    assert FarSet("x", images, None).where(np.array([True] * 3), "r").labels is None


def test_every_generated_name_is_listed() -> None:
    assert set(GENERATED_NAMES) <= set(far_names())
    assert {"mnist", "kmnist", "digits"} <= set(far_names())


def test_a_backbones_far_images_are_read_as_it_wants_them(tmp_path: Path) -> None:
    """One file, a folder and an array of the same image have the features of the same pixels."""
    pixels = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
    (tmp_path / "far").mkdir()
    Image.fromarray(pixels).save(tmp_path / "far" / "x.png")
    np.save(tmp_path / "x.npy", pixels.transpose(2, 0, 1)[None])
    embedder = MeanEmbedder()
    embedder.preprocessing = Preprocessing(3, 16, 20, "bicubic", draft=True)
    reader = FarReader(3, 16, embedder, tmp_path / "cache")
    wanted = image_digests(embedder.preprocessing.read(tmp_path / "far" / "x.png").pixels[None])
    assert wanted.tolist() != image_digests(read_image(tmp_path / "far" / "x.png", 16)[None]).tolist()
    for name in ("far/x.png", "far", "x.npy"):
        far = read_far(str(tmp_path / name), reader)
        assert far.content_digests.tolist() == wanted.tolist(), name


def test_a_table_is_a_far_set_of_a_model_that_reads_tables(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    np.savez(tmp_path / "far.npz", features=rows, label=["hat", "hat", "dress", "hat", "cap"])
    np.save(tmp_path / "bare.npy", rows)
    reader = FarReader(0, 0, width=3)
    far = read_far(str(tmp_path / "far.npz"), reader)
    np.testing.assert_array_equal(far.images, rows)
    assert far.labels == ("hat", "hat", "dress", "hat", "cap")
    bare = read_far(str(tmp_path / "bare.npy"), reader)
    assert (bare.labels, bare.content_digests.tolist()) == (None, far.content_digests.tolist())
    known = LabelledImages(rows[1:2], np.array([0]), row_digests(rows[1:2]))
    dataset = Dataset("known", ("dress",), known, known.where(np.array([], np.int64)))
    left = leave_out_known(far, dataset, ("dress",))  # one of that class, and a copy of a known row
    np.testing.assert_array_equal(left.images, rows[[0, 3, 4]])


def test_what_is_no_table_of_that_width_is_one_sentence(tmp_path: Path) -> None:
    np.save(tmp_path / "wide.npy", np.zeros((2, 4), np.float32))
    with pytest.raises(UsageError, match=r"have 4 numbers, but the model reads 3: give embeddings"):
        read_far(str(tmp_path / "wide.npy"), FarReader(0, 0, width=3))
    with pytest.raises(UsageError, match="letters is no table of embeddings"):
        read_far("letters", FarReader(0, 0, width=3))
