"""Batched augmentation on the images' own device: small affine maps and smooth elastic warps."""

import math

import torch
from torch import Tensor

from euinet.augmentations.warps import sample, warp_basis

# At strength 1; each is the largest change, drawn uniformly on both sides of none.
ROTATION = math.radians(15)
SCALE = 0.15
SHEAR = 0.2
SHIFT = 0.15  # of half the image's width: 2 pixels of 28
WARP = 0.035  # standard deviation of the elastic field, of half the image's width
WARP_GRID = 7  # control points a side

CUT = (0.43, 0.57)  # where a stitched image is cut, of the side's length


def augment(images: Tensor, strength: float, generator: torch.Generator) -> Tensor:
    """Return randomly warped copies of (B, C, H, W) images in −1 … 1; −1 fills what comes in from outside.

    `strength` 0 returns the images themselves, 1 rotates by up to 15°, scales by up to 15 %, shears,
    shifts by up to 7.5 % of the width and warps elastically; other strengths scale all of these.
    """
    if strength == 0:
        return images
    count, _, height, width = images.shape
    device = images.device

    def uniform(*shape: int) -> Tensor:
        return strength * (2 * torch.rand(*shape, generator=generator, device=device) - 1)

    angle = ROTATION * uniform(count)
    scale = 1 + SCALE * uniform(count, 2)
    shear = SHEAR * uniform(count)
    matrix = torch.empty(count, 2, 3, device=device)
    matrix[:, 0, 0] = angle.cos() * scale[:, 0]
    matrix[:, 0, 1] = shear - angle.sin() * scale[:, 1]
    matrix[:, 1, 0] = angle.sin() * scale[:, 0]
    matrix[:, 1, 1] = angle.cos() * scale[:, 1]
    matrix[:, :, 2] = SHIFT * uniform(count, 2)
    field = strength * WARP * torch.randn(count, 2, WARP_GRID**2, generator=generator, device=device)
    map_and_field = torch.cat([matrix, field], dim=2)  # (B, 2, 3 + 49)
    return sample(images, map_and_field @ warp_basis(height, width, WARP_GRID, device))


def stitch(
    images: Tensor, targets: Tensor, share: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return (B, C, H, W) images and (B, K) targets, the first `share` of them stitched from two.

    Each of those keeps one side of a straight cut, upright or level, near the middle, and gets the other
    side from another image of the batch; its target is shared out by area, as in CutMix (Yun et al. 2019).
    A classifier so trained claims less for a shape whose halves do not belong together. Near the middle,
    because a cut further out can leave one digit whole, with a target that says it is not.
    """
    count = round(share * len(images))
    if count == 0:
        return images, targets
    device, (height, width) = images.device, images.shape[2:]
    partner = torch.randperm(len(images), generator=generator, device=device)[:count]
    low, high = CUT
    cut = low + (high - low) * torch.rand(count, 1, 1, 1, generator=generator, device=device)
    first_side, upright = (torch.rand(2, count, 1, 1, 1, generator=generator, device=device) < 0.5).unbind()
    rows = torch.arange(height, device=device).view(1, 1, height, 1) < cut * height
    columns = torch.arange(width, device=device).view(1, 1, 1, width) < cut * width
    mask = torch.where(upright, columns, rows) == first_side  # True where the image keeps its own pixels
    kept = mask.expand(count, 1, height, width).flatten(1).float().mean(dim=1, keepdim=True)  # (count, 1)
    mixed = torch.where(mask, images[:count], images[partner])
    mixed_targets = kept * targets[:count] + (1 - kept) * targets[partner]
    return torch.cat([mixed, images[count:]]), torch.cat([mixed_targets, targets[count:]])
