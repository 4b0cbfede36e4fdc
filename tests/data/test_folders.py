from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from euinet.data.sets.datasets import load_dataset
from euinet.data.split.holdout import hold_out_classes
from euinet.errors import DataError, UsageError
from euinet.images.geometry import read_image


def save(path, value=100, *, mode="L", size=(20, 20)):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, value).save(path)


@pytest.fixture
def folder(tmp_path):
    """Classes "cat" and "dog", 10 grey images each; cats are darker than 100."""
    root = tmp_path / "pets"
    for number in range(10):
        save(root / "cat" / f"{number}.png", number)
        save(root / "dog" / f"{number}.png", 100 + number)
    return root


def test_class_folders_become_a_stratified_data_set(folder):
    found = load_dataset(str(folder), image_size=16)
    assert (found.name, found.class_names) == ("pets", ("cat", "dog"))
    assert found.train.images.shape == (16, 1, 16, 16)
    assert found.test.labels.tolist() == [0, 0, 1, 1]
    assert ((found.train.images[:, 0, 0, 0] >= 100) == found.train.labels).all()
    values = np.concatenate([found.train.images, found.test.images])[:, 0, 0, 0]
    assert sorted(values.tolist()) == [*range(10), *range(100, 110)]  # each image once
    again = load_dataset(str(folder), image_size=16)
    assert np.array_equal(found.test.images, again.test.images)


def test_train_and_test_folders_are_kept_apart(tmp_path):
    for part, value in (("train", 1), ("test", 2)):
        for name in ("a", "b"):
            save(tmp_path / part / name / "x.png", value)
    found = load_dataset(str(tmp_path))
    assert np.unique(found.train.images).tolist() == [1]
    assert np.unique(found.test.images).tolist() == [2]
    assert found.test.images.shape == (2, 1, 32, 32)


def test_one_coloured_image_makes_all_rgb(folder):
    save(folder / "cat" / "red.png", (255, 0, 0), mode="RGB")
    found = load_dataset(str(folder), image_size=16)
    assert found.train.images.shape[1:] == (3, 16, 16)
    everything = np.concatenate([found.train.images, found.test.images])[:, :, 0, 0].tolist()
    assert [255, 0, 0] in everything
    assert [109, 109, 109] in everything


def test_other_programs_leftovers_are_no_classes_and_no_images(folder):
    (folder / ".ipynb_checkpoints").mkdir()
    (folder / "cat" / "._1.png").write_bytes(b"not an image")
    (folder / "cat" / "notes.txt").write_text("not an image")
    save(folder / "cat" / ".ipynb_checkpoints" / "1-checkpoint.png")
    assert len(load_dataset(str(folder)).train) == 16


def test_the_shorter_side_is_resized_and_the_centre_kept(tmp_path):
    pixels = np.zeros((40, 80), dtype=np.uint8)
    pixels[:, 20:60] = 200  # exactly the centre square
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    found = read_image(tmp_path / "wide.png", 20)
    assert found.shape == (1, 20, 20)
    # At the crop's own edge the antialiasing filter reaches into the dark; elsewhere it does not.
    assert np.unique(found[0, :, 1:-1]).tolist() == [200]


def test_sixteen_bit_grey_keeps_its_range(tmp_path):
    values = np.linspace(0, 65535, 16 * 16).astype(np.uint16).reshape(16, 16)
    Image.fromarray(values).save(tmp_path / "deep.png")
    found = read_image(tmp_path / "deep.png", 16)
    assert found[0].flatten().tolist() == (values // 256).flatten().tolist()


def test_channels_can_be_asked_for(tmp_path):
    save(tmp_path / "red.png", (255, 0, 0), mode="RGB")
    assert read_image(tmp_path / "red.png", 16).shape == (3, 16, 16)
    assert np.unique(read_image(tmp_path / "red.png", 16, channels=1)).tolist() == [76]  # 0.299 · 255
    save(tmp_path / "grey.png", 9)
    assert read_image(tmp_path / "grey.png", 16, channels=3).shape == (3, 16, 16)


def test_a_palette_with_transparency_is_read_without_a_warning(tmp_path):
    save(tmp_path / "x.png", 0, mode="P")
    # Half transparent: Pillow cannot reduce that to one transparent colour, and warns when it is dropped.
    Image.open(tmp_path / "x.png").save(tmp_path / "y.png", transparency=b"\x80")
    assert read_image(tmp_path / "y.png", 16).shape == (3, 16, 16)


def test_a_file_on_its_side_is_turned_upright(tmp_path):
    pixels = np.zeros((16, 16, 3), dtype=np.uint8)
    pixels[:8] = 255  # bright above
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    Image.fromarray(pixels).save(tmp_path / "x.png", exif=exif)
    found = read_image(tmp_path / "x.png", 16)
    assert (int(found[0, 0, 0]), int(found[0, 15, 0])) == (0, 255)


def test_a_broken_image_is_left_out_and_said(folder):
    whole = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(whole, "png")
    broken = folder / "dog" / "broken.png"
    broken.write_bytes(whole.getvalue()[:500])
    said = []
    assert len(load_dataset(str(folder), notify=said.append).train) == 16
    (sentence,) = said
    assert sentence.startswith(f"1 of 21 images were left out, the first because {broken} is broken")
    for path in (folder / "dog").glob("?.png"):
        path.unlink()
    with pytest.raises(
        DataError, match=f"No image of the class folder .*dog can be read; the first: {broken}"
    ):
        load_dataset(str(folder))


def test_a_text_file_called_png_and_a_missing_file_are_named(tmp_path):
    (tmp_path / "x.png").write_text("hello")
    with pytest.raises(DataError, match=r"x\.png is broken or not an image"):
        read_image(tmp_path / "x.png", 16)
    with pytest.raises(DataError, match=r"no image file .*y\.png"):
        read_image(tmp_path / "y.png", 16)


def test_an_empty_class_is_named(folder):
    (folder / "emu").mkdir()
    with pytest.raises(DataError, match=f"class folder {folder / 'emu'} has no images"):
        load_dataset(str(folder))


def test_fewer_than_two_classes_are_refused(tmp_path):
    save(tmp_path / "cat" / "x.png")
    with pytest.raises(DataError, match="has 1 class folder, but at least 2"):
        load_dataset(str(tmp_path))


def test_a_class_with_one_image_cannot_be_divided(folder):
    save(folder / "emu" / "x.png", 200)
    dataset = load_dataset(str(folder))
    with pytest.raises(DataError, match="'emu' has 1 image, but at least 4 are needed to fill 4 parts"):
        hold_out_classes(dataset, [])
    assert hold_out_classes(dataset, ["emu"]).test.labels.tolist() == [0, 0, 1, 1, -3]


def test_train_and_test_must_have_the_same_classes(tmp_path):
    for part, names in (("train", "ab"), ("test", "abc")):
        for name in names:
            save(tmp_path / part / name / "x.png")
    with pytest.raises(DataError, match="only one of them has c"):
        load_dataset(str(tmp_path))


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(UsageError, match=f"no data set or folder '{tmp_path / 'nothing'}'"):
        load_dataset(str(tmp_path / "nothing"))


@pytest.mark.parametrize("size", [12, 30, 0, -32])
def test_image_sizes_are_multiples_of_four_from_sixteen(folder, size):
    with pytest.raises(UsageError, match=f"is {size}, but must be a multiple of 4 and at least 16"):
        load_dataset(str(folder), image_size=size)
