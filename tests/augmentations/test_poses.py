from __future__ import annotations

import torch

from euinet.augmentations.poses import POSES, pose, posed_batch


def test_every_pose_by_hand() -> None:
    image = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    posed = pose(image.expand(POSES, 1, 2, 2), torch.arange(POSES))
    assert posed[:, 0].tolist() == [
        [[1, 2], [3, 4]],  # as it was
        [[2, 4], [1, 3]],  # a quarter turn counter-clockwise
        [[4, 3], [2, 1]],
        [[3, 1], [4, 2]],
        [[2, 1], [4, 3]],  # mirrored left and right
        [[1, 3], [2, 4]],  # and turned
        [[3, 4], [1, 2]],
        [[4, 2], [3, 1]],
    ]


def test_the_label_says_class_and_pose_of_each_image() -> None:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(400, 1, 4, 4, generator=generator)
    labels = torch.arange(400) % 3
    posed, numbers = posed_batch(images, labels, generator)
    assert torch.equal(numbers // POSES, labels)
    assert torch.equal(posed, pose(images, numbers % POSES))
    counts = torch.bincount(numbers, minlength=3 * POSES)
    assert counts.min() > 400 / 24 / 3  # every class in every pose


def test_a_batch_without_images_stays_empty() -> None:
    posed, numbers = posed_batch(
        torch.zeros(0, 1, 4, 4), torch.zeros(0, dtype=torch.int64), torch.Generator()
    )
    assert posed.shape == (0, 1, 4, 4)
    assert numbers.shape == (0,)
