"""Near copies planted among digits: each is found beside its original."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from euinet.answers import PixelArray
from euinet.data.sets.datasets import load_dataset
from euinet.judging.near_copies import SHOWN, find_near_copies, picture


@pytest.fixture(scope="module")
def digits() -> PixelArray:
    return load_dataset("digits").train.images


def features(images: PixelArray) -> np.ndarray:
    """A poor network's: brightness of 7 × 7 places."""
    return images.reshape(-1, 7, 4, 7, 4).mean(axis=(2, 4), dtype=np.float32).reshape(-1, 49)


def recompressed(image: PixelArray) -> PixelArray:
    file = io.BytesIO()
    Image.fromarray(image[0]).save(file, "JPEG", quality=85)
    return np.asarray(Image.open(file))[None]


def larger(image: PixelArray) -> PixelArray:
    """Stored at 1.5 times its size, and brought back as a model would."""
    big = Image.fromarray(image[0]).resize((42, 42), Image.Resampling.BICUBIC)
    return np.asarray(big.resize((28, 28), Image.Resampling.BICUBIC))[None]


@pytest.mark.parametrize("copied", [recompressed, larger])
def test_each_near_copy_is_found_beside_its_original(digits: PixelArray, copied: object) -> None:
    learned, others = digits[:400], digits[400:700]
    copies = np.stack([copied(image) for image in learned[40:50]])  # type: ignore[operator]
    assert (copies != learned[40:50]).any(axis=(1, 2, 3)).all(), "these are copies to the last pixel"
    held = np.concatenate([others, copies])
    pairs = find_near_copies(held, features(held), learned, features(learned))
    planted = pairs.held >= len(others)
    assert planted.sum() == 10
    assert sorted(pairs.learned[planted]) == list(range(40, 50))
    assert (pairs.learned[planted] - 40 == pairs.held[planted] - len(others)).all()
    assert (~planted).sum() <= 3, "different digits were taken for copies"


def test_brighter_is_alike_and_inverted_is_not(digits: PixelArray) -> None:
    """By hand: the correlation of x with x/2 + 20 is 1, with 255 − x it is −1."""
    learned = digits[:5]
    held = np.concatenate([learned // 2 + 20, 255 - learned])
    at = np.concatenate([features(learned), features(learned)])
    pairs = find_near_copies(held, at, learned, features(learned))
    assert sorted(pairs.held.tolist()) == [0, 1, 2, 3, 4]


def test_blank_images_and_none_at_all_are_no_copies(digits: PixelArray) -> None:
    blank, none = np.zeros((3, 1, 28, 28), np.uint8), digits[:0]
    assert len(find_near_copies(blank, features(blank), digits[:9], features(digits[:9]))) == 0
    assert len(find_near_copies(none, features(none), digits[:9], features(digits[:9]))) == 0
    assert len(find_near_copies(digits[:9], features(digits[:9]), none, features(none))) == 0


def test_the_picture_has_a_pair_a_column(digits: PixelArray) -> None:
    held = digits[:30]
    pairs = find_near_copies(held, features(held), digits[:30], features(digits[:30]))
    drawn = picture(pairs, held, digits[:30])
    assert drawn.shape == (2 * (28 * 3 + 4), SHOWN * (28 * 3 + 4), 3)
    assert np.array_equal(drawn[: 28 * 3 + 4], drawn[28 * 3 + 4 :]), "an image is not above its copy"
