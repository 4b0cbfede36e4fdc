from __future__ import annotations

import pytest
import torch
from torch import Tensor

from euinet.augmentations.augment import augment, stitch


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def images() -> Tensor:
    return 2 * torch.rand(6, 3, 12, 12, generator=seeded(9)) - 1


def test_strength_0_changes_nothing_and_draws_nothing(images: Tensor) -> None:
    generator = seeded()
    assert augment(images, 0, generator) is images
    assert torch.equal(generator.get_state(), seeded().get_state())


def test_the_generator_decides(images: Tensor) -> None:
    first, again, other = (augment(images, 1, seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("strength", [0.5, 1, 2])
def test_images_keep_their_shape_and_range(images: Tensor, strength: float) -> None:
    warped = augment(images, strength, seeded())
    assert warped.shape == images.shape
    assert warped.min() >= -1 - 1e-6
    assert warped.max() <= 1 + 1e-6


def test_what_comes_in_from_outside_is_black_and_never_grey() -> None:
    white = augment(torch.ones(50, 1, 12, 12), 2, seeded())
    assert white.min() < -0.9  # −1, not the 0 that padding would give
    black = augment(-torch.ones(50, 1, 12, 12), 2, seeded())
    torch.testing.assert_close(black, -torch.ones(50, 1, 12, 12))


def test_a_greater_strength_moves_more_and_each_image_goes_its_own_way(images: Tensor) -> None:
    moved = [(augment(images, strength, seeded()) - images).abs().mean() for strength in (0.1, 0.5, 1)]
    assert moved == sorted(moved)
    twins = augment(images[:1].expand(4, -1, -1, -1), 1, seeded())
    assert all(not torch.equal(twins[0], twin) for twin in twins[1:])


# --- stitching -----------------------------------------------------------------------------------


def test_share_0_stitches_nothing(images: Tensor) -> None:
    targets = torch.eye(6)
    kept, same = stitch(images, targets, 0, seeded())
    assert kept is images
    assert same is targets


@pytest.mark.parametrize("seed", range(8))
def test_the_target_is_the_share_of_the_area(seed: int) -> None:
    # half the images all black and of class 0, half all white and of class 1: the mean tells the share
    white = torch.arange(10) % 2
    images = (2.0 * white - 1).view(10, 1, 1, 1).expand(10, 1, 12, 12)
    mixed, targets = stitch(images, torch.eye(3)[white], 1.0, seeded(seed))
    torch.testing.assert_close(targets.sum(dim=1), torch.ones(10))
    torch.testing.assert_close(targets[:, 1], (mixed.mean(dim=(1, 2, 3)) + 1) / 2)
    assert (targets[:, 2] == 0).all()
    two_kinds = targets.amax(dim=1) < 1
    assert two_kinds.any()
    # the cut lies in the middle third: neither part is less than a third
    assert (targets[two_kinds, :2].amin(dim=1) >= 1 / 3 - 1e-6).all()


def test_a_stitch_is_one_straight_cut_upright_or_level() -> None:
    white = torch.arange(40) % 2
    images = (2.0 * white - 1).view(40, 1, 1, 1).expand(40, 1, 12, 12)
    mixed, targets = stitch(images, torch.eye(2)[white], 1.0, seeded())
    upright = level = 0
    for image in mixed[targets.amax(dim=1) < 1, 0]:
        changes_down = int((image.diff(dim=0) != 0).any(dim=1).sum())
        changes_right = int((image.diff(dim=1) != 0).any(dim=0).sum())
        assert sorted((changes_down, changes_right)) == [0, 1]
        upright, level = upright + changes_right, level + changes_down
    assert upright > 0
    assert level > 0


def test_only_the_share_is_stitched(images: Tensor) -> None:
    mixed, targets = stitch(images, torch.eye(6), 0.5, seeded())
    assert torch.equal(mixed[3:], images[3:])
    assert torch.equal(targets[3:], torch.eye(6)[3:])
    assert not torch.equal(mixed[:3], images[:3])
    # every pixel is one of the batch's own
    assert torch.isin(mixed, images).all()


def test_stitching_is_decided_by_the_generator(images: Tensor) -> None:
    first, again, other = (stitch(images, torch.eye(6), 1, seeded(seed))[0] for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
