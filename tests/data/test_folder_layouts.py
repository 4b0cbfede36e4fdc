"""How a folder of images lies: in parts or not, under which names, and what is asked back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from euinet.data.sets.folders import load_whole_folder


def save(path: Path, value: int = 100, mode: str = "L") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    colour = (value, 0, 0) if mode == "RGB" else value
    Image.new(mode, (20, 20), colour).save(path)
    return path


def make(root: Path, *parts: str, classes: str = "ab", count: int = 6) -> Path:
    """Write `count` images of each class below each part; each image has a value of its own."""
    value = 0
    for part in parts:
        for name in classes:
            for number in range(count):
                save(root / part / name / f"{number}.png", value)
                value += 1
    return root


@pytest.mark.parametrize("parts", [("",), ("test",), ("train", "Val", "TEST"), ("valid",)])
def test_a_whole_folder_is_all_its_images(parts: tuple[str, ...], tmp_path: Path) -> None:
    make(tmp_path, *parts)
    found = load_whole_folder(tmp_path, 16)
    assert found.class_names == ("a", "b")
    assert np.bincount(found.images.labels).tolist() == [6 * len(parts)] * 2
    assert sorted(found.images.images[:, 0, 0, 0].tolist()) == list(range(12 * len(parts)))


def test_a_whole_folder_takes_the_models_order_and_channels_and_adds_what_it_lacks(tmp_path: Path) -> None:
    make(tmp_path, "test", classes="ba")
    found = load_whole_folder(tmp_path, 16, ("z", "b"), channels=3)
    assert found.class_names == ("z", "b", "a")
    assert found.images.labels.tolist() == [2] * 6 + [1] * 6
    assert found.images.images.shape == (12, 3, 16, 16)


def test_a_whole_folder_of_one_class_is_enough(tmp_path: Path) -> None:
    make(tmp_path, "", classes="a")
    assert load_whole_folder(tmp_path, 16).class_names == ("a",)
