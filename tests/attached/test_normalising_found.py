"""How a classifier wants its pixels is found on a folder's own images, by what it answers."""

from pathlib import Path

import numpy as np
from PIL import Image

from euinet.attached.known import a_few_labelled
from euinet.images.preprocessing import Preprocessing


def folder_of(place: Path) -> Path:
    for number, name in enumerate(("dark", "light")):
        (place / name).mkdir(parents=True)
        for at in range(4):
            pixels = np.full((8, 8, 3), 10 * at + 120 * number, np.uint8)
            Image.fromarray(pixels).save(place / name / f"{at}.png")
    return place


def test_a_few_images_of_a_folder_are_pixels_with_the_number_of_their_class(tmp_path: Path) -> None:
    place = folder_of(tmp_path / "known")
    images, numbers = a_few_labelled(place, None, ("light", "dark"), 4, Preprocessing(3, 8))
    assert [image.shape for image in images] == [(3, 8, 8)] * 4
    assert sorted(numbers.tolist()) == [0, 0, 1, 1]
    for image, number in zip(images, numbers, strict=True):  # "light" comes first in the order that was given
        assert (image.min() >= 120) == (number == 0)


def test_a_broken_image_is_left_out_with_its_label(tmp_path: Path) -> None:
    place = folder_of(tmp_path / "known")
    (place / "dark" / "0.png").write_bytes(b"no image")
    images, numbers = a_few_labelled(place, None, None, 8, Preprocessing(3, 8))
    assert len(images) == 7
    assert numbers.tolist().count(0) == 3


def test_a_grey_classifier_gets_grey_images(tmp_path: Path) -> None:
    images, _ = a_few_labelled(folder_of(tmp_path / "known"), None, None, 2, Preprocessing(1, 4))
    assert [image.shape for image in images] == [(1, 4, 4)] * 2
