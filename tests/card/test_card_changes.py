"""Benign changes do what they say, and nothing else."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy.stats import norm

from euinet.answers import Answers, PixelArray
from euinet.card.changes import Change, add_noise, benign_changes, blur, compress, rotate, shift
from euinet.card.groups import AnsweredGroup, Group
from euinet.card.stress import measure_stress


def change(name: str, image_size: int = 28) -> Change:
    return next(one for one in benign_changes(image_size) if one.name == name)


@pytest.mark.parametrize(("channels", "size"), [(1, 4), (1, 28), (3, 33), (3, 64)])
def test_every_change_keeps_shape_and_type(
    channels: int, size: int, random_images: Callable[..., torch.Tensor]
) -> None:
    images = random_images(6, channels, size, size).numpy()
    before = images.copy()
    for one in benign_changes(size):
        assert len(one.strengths) == 3
        for strength in one.strengths:
            changed = strength.apply(images, seed=3)
            assert (changed.shape, changed.dtype) == (images.shape, np.uint8), one.name
            assert np.array_equal(changed, strength.apply(images, seed=3)), one.name
            assert strength.example(images[0]).shape == images[0].shape
    assert np.array_equal(images, before)


def test_a_shift_moves_a_pixel() -> None:
    images = torch.zeros(1, 1, 8, 8, dtype=torch.uint8)
    images[0, 0, 3, 4] = 200
    assert shift(images, 1, 0)[0, 0, 3, 5] == 200
    assert shift(images, 0, -2)[0, 0, 1, 4] == 200
    assert int(shift(images, -1, 0).sum()) == 200


def test_a_shift_goes_each_of_four_ways() -> None:
    images = np.zeros((60, 1, 28, 28), np.uint8)
    images[:, 0, 10, 10] = 255
    moved = change("shift").strengths[1].apply(images, seed=0)  # 2 px
    places = {tuple(divmod(int(image.argmax()), 28)) for image in moved.reshape(60, -1)}
    assert places == {(8, 10), (12, 10), (10, 8), (10, 12)}


def test_a_rotation_goes_both_ways() -> None:
    images = np.zeros((40, 1, 28, 28), np.uint8)
    images[:, 0, :, 13:15] = 255  # upright
    turned = change("rotation").strengths[2].apply(images, seed=0)
    leans = {image[0, 2].argmax().item() > image[0, 25].argmax().item() for image in turned}
    assert leans == {True, False}


def test_a_quarter_turn_is_numpys(random_images: Callable[..., torch.Tensor]) -> None:
    images = random_images(2, 3, 12, 12)
    assert torch.equal(rotate(images, 90), torch.rot90(images, 1, (2, 3)))


@pytest.mark.parametrize("name", ["blur", "shift", "rotation"])
def test_edges_are_filled_with_what_is_there(name: str) -> None:
    images = np.full((8, 1, 28, 28), 240, np.uint8)
    for strength in change(name).strengths:
        assert np.array_equal(strength.apply(images, seed=0), images)


def test_blur_spreads_a_pixel_by_a_gaussian() -> None:
    images = torch.zeros(1, 1, 15, 15, dtype=torch.uint8)
    images[0, 0, 7, 7] = 255
    weights = norm.pdf(np.arange(-3, 4), scale=1.0)
    weights /= weights.sum()
    blurred = blur(images, 1.0)[0, 0, 4:11, 4:11].numpy().astype(float)
    np.testing.assert_allclose(blurred, 255 * np.outer(weights, weights), atol=1)


def test_contrast_and_brightness_go_both_ways() -> None:
    images = np.full((40, 1, 28, 28), 100, np.uint8)
    images[:, :, :14] = 60  # mean 80
    contrast = change("contrast").strengths[0].apply(images, seed=0)  # 80 ± 20 · 1.25 or ÷ 1.25
    assert {tuple(np.unique(image).tolist()) for image in contrast} == {(55, 105), (64, 96)}
    bright = change("brightness").strengths[1].apply(images, seed=0)  # × or ÷ 1.6
    assert {tuple(np.unique(image).tolist()) for image in bright} == {(96, 160), (37, 62)}
    assert int(change("brightness").strengths[1].example(images[0]).max()) == 62


def test_jpeg_loses_more_at_less_quality_and_keeps_colours(
    random_images: Callable[..., torch.Tensor],
) -> None:
    images = random_images(3, 1, 32, 32).numpy()
    lost = [
        np.abs(strength.apply(images, seed=0).astype(float) - images).mean()
        for strength in change("JPEG", 32).strengths
    ]
    assert 0.5 < lost[0] < lost[1] < lost[2] < 40
    red = torch.zeros(1, 3, 16, 16, dtype=torch.uint8)
    red[:, 0] = 250
    difference = compress(red, 50).int() - red.int()
    assert difference.abs().max() <= 6


def test_noise_has_the_deviation_it_names() -> None:
    grey = torch.full((4, 1, 64, 64), 128, dtype=torch.uint8)
    noise = add_noise(grey, 8.0, torch.Generator().manual_seed(0)).float() - 128
    assert float(noise.std()) == pytest.approx(8, rel=0.03)
    assert float(noise.mean()) == pytest.approx(0, abs=0.3)
    white = torch.full_like(grey, 255)
    assert int(add_noise(white, 8.0, torch.Generator().manual_seed(0)).min()) > 200  # no wrapping round


def test_strengths_grow_with_the_image() -> None:
    assert [one.label for one in change("shift", 224).strengths] == ["8 px", "16 px", "24 px"]
    assert [one.label for one in change("blur", 28).strengths] == [
        "sigma 0.5 px",
        "sigma 0.75 px",
        "sigma 1 px",
    ]
    assert [one.label for one in change("blur", 112).strengths] == [
        "sigma 1 px",
        "sigma 1.5 px",
        "sigma 2 px",
    ]


def test_stress_counts_what_the_model_answers(make_judged: Callable[..., AnsweredGroup]) -> None:
    # the model rejects dark images and takes all others for "b"; half of the images are "b"
    images = np.full((40, 1, 28, 28), 100, np.uint8)
    labels = np.arange(40) % 2

    def predict(changed: PixelArray) -> Answers:
        dark = changed.mean(axis=(1, 2, 3)) < 70
        return make_judged(labels, np.ones(40, np.int64), np.where(dark, 1.0, -1.0)).answers

    group = Group("known", "known", images, labels, {0: "a", 1: "b"}, 40)
    said: list[str] = []
    stress = measure_stress(predict, group, seed=0, notify=said.append)
    brightness = next(row for row in stress.rows if row.name == "brightness")
    mild, medium, _ = brightness.strengths
    darkened = int((change("brightness").strengths[1].apply(images, 0)[:, 0, 0, 0] < 70).sum())
    assert mild.rejected.count == 0  # 100 ÷ 1.25 = 80
    assert 0 < medium.rejected.count == darkened < 40  # 100 ÷ 1.6 = 62
    assert medium.own_class.count == 20
    assert stress.unchanged.rejected.count == 0
    assert stress.worst[0].name == "brightness"
    assert len(said) == 7
