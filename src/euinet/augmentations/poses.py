"""The eight poses of an image, and a task for the trunk alone: to tell them apart.

A classifier forgets what its classes do not need, and an unknown class may differ from a known one in just
that: a network that has never seen a 4 need not look whether a 9 is closed at the top. Asked which class lies
in which pose, it must keep far more of a shape. The labels are those of class and pose jointly (Lee et al.
2020, "Self-supervised Label Augmentation via Input Transformations"); docs/detection.md has what it brings.

Some posed images look like known or unknown ones as they are (an 8 turned over, a 6 that is a 9). They cannot
be told apart and need not be: neither the classifier nor the model discriminator learns from them.
"""

import torch
from torch import Tensor

POSES = 8  # four quarter turns, each plain and mirrored: the symmetries of the square


def pose(images: Tensor, numbers: Tensor) -> Tensor:
    """Return square (B, C, H, W) images, each in the pose of its number (B,), 0 … 7.

    n quarter turns counter-clockwise for n < 4; 4 + n mirrors left and right first. 0 is as it was.
    """
    posed = torch.empty_like(images)
    for number in range(POSES):
        chosen = numbers == number
        part = images[chosen]
        posed[chosen] = torch.rot90(part.flip(3) if number >= 4 else part, number % 4, (2, 3))
    return posed


def posed_batch(images: Tensor, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return (P, C, H, W) images, each in a pose drawn for it, and class·8 + pose (P,) for labels (P,)."""
    numbers = torch.randint(POSES, labels.shape, generator=generator, device=labels.device)
    return pose(images, numbers), labels * POSES + numbers
