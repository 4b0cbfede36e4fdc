"""Smooth fields and affine maps over an image's places, each as one matrix product."""

from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor


@lru_cache(maxsize=64)
def smooth_basis(height: int, width: int, points: int, device: torch.device) -> Tensor:
    """Return what each of points × points control values adds at each place: (points², height·width).

    Values at control points, (…, points²), times this are their bicubic interpolation to height × width, as
    F.interpolate gives it (align_corners=False); which is linear, so that it tells the matrix itself.
    """
    control = torch.eye(points * points, device=device).view(-1, 1, points, points)
    return F.interpolate(control, size=(height, width), mode="bicubic", align_corners=False).flatten(1)


@lru_cache(maxsize=64)
def affine_basis(height: int, width: int, device: torch.device) -> Tensor:
    """Return x, y and 1 at each place, (3, height·width), x and y in −1 … 1 between the outer pixels' edges.

    An affine map's rows (…, 3) times this are where F.affine_grid (align_corners=False) reads.
    """
    y = (2 * torch.arange(height, device=device) + 1) / height - 1
    x = (2 * torch.arange(width, device=device) + 1) / width - 1
    ones = torch.ones(height, width, device=device)
    return torch.stack([ones * x, ones * y.view(-1, 1), ones]).flatten(1)


@lru_cache(maxsize=64)
def warp_basis(height: int, width: int, points: int, device: torch.device) -> Tensor:
    """Return `affine_basis` above `smooth_basis`, (3 + points², height·width), for both in one product."""
    affine, smooth = affine_basis(height, width, device), smooth_basis(height, width, points, device)
    return torch.cat([affine, smooth])


def smooth_field(values: Tensor, height: int, width: int) -> Tensor:
    """Return control values (B, C, points, points) as a smooth field (B, C, height, width)."""
    basis = smooth_basis(height, width, values.shape[-1], values.device)
    return (values.flatten(2) @ basis).view(*values.shape[:2], height, width)


def sample(images: Tensor, places: Tensor) -> Tensor:
    """Read (B, C, H, W) images in −1 … 1 at `places` (B, 2, H·W), x before y; −1 lies outside.

    Raises nothing: places off the image are allowed.
    """
    height, width = images.shape[2:]
    grid = places.view(-1, 2, height, width).permute(0, 2, 3, 1)
    # grid_sample pads with 0, so the images are moved to 0 … 2 for it
    return F.grid_sample(images + 1, grid, align_corners=False) - 1
