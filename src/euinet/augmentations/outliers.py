"""Pseudo-outliers: images made of known ones that belong to no class, for the discriminator to learn from.

A GAN's fakes lie close to the known images; these lie near (pieces of two images), further off (turned,
torn, thick, tiny) and far (noise). No unknown image is needed. One coincidence is known: a 6 turned
round is a 9. The discriminator may then hold an unknown 9 for what it has seen, which helps it, and a known
9 as well, which costs; docs/detection.md tells what turning brings and takes.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from euinet.augmentations.warps import affine_basis, sample, smooth_field, warp_basis

Maker = Callable[[Tensor, Tensor, torch.Generator], Tensor]
"""Images (B, C, H, W) in −1 … 1, partners of the same shape, random stream → pseudo-outliers (B, C, H, W)."""


def pseudo_outliers(images: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
    """Return one pseudo-outlier for each of (B, C, H, W) images in −1 … 1, an equal share of each kind.

    `labels` (B,): where a kind needs a second image, it is one of another class as far as the batch has one.
    Which images meet which kind is drawn; B smaller than the number of kinds leaves some kinds out.
    """
    count = len(images)
    order = torch.randperm(count, generator=generator, device=images.device)
    others = partners(labels, generator)
    kinds = torch.randperm(len(KINDS), generator=generator, device=images.device).tolist()
    made = torch.empty_like(images)
    for kind, chosen in zip(kinds, order.chunk(len(KINDS)), strict=False):
        made[chosen] = _MAKERS[kind](images[chosen], images[others[chosen]], generator)
    return made


def partners(labels: Tensor, generator: torch.Generator) -> Tensor:
    """Return for each of (B,) labels the position of another image, of another class where there is one."""
    count, device = len(labels), labels.device
    # Ordered by class, half a turn away lies another class unless one class fills half of the batch.
    jitter = torch.rand(count, generator=generator, device=device)
    order = (labels + jitter).argsort()
    low, high = count // 3, max(count // 3 + 1, count - count // 3)
    turn = int(torch.randint(low, high, (1,), generator=generator, device=device))
    found = torch.empty_like(order)
    found[order] = order.roll(turn)
    return found


def stitched(images: Tensor, others: Tensor, generator: torch.Generator) -> Tensor:
    """One side of a straight cut from each of two images; the cut lies in the middle third."""
    _, _, height, width = images.shape
    cut = 0.35 + 0.3 * _uniform(images, generator)
    upright, first = (_uniform(images, generator) < 0.5 for _ in range(2))
    rows = torch.arange(height, device=images.device).view(1, 1, height, 1) < cut * height
    columns = torch.arange(width, device=images.device).view(1, 1, 1, width) < cut * width
    return torch.where(torch.where(upright, columns, rows) == first, images, others)


def overlaid(images: Tensor, others: Tensor, generator: torch.Generator) -> Tensor:
    """The brighter of two images at each pixel."""
    return torch.maximum(images, others)


def subtracted(images: Tensor, others: Tensor, generator: torch.Generator) -> Tensor:
    """One image, dark where another is bright."""
    return (images + 1) * (1 - others) / 2 - 1


def erased(images: Tensor, others: Tensor, generator: torch.Generator) -> Tensor:
    """A dark box of 30 to 54 % of each side, its middle anywhere in the inner half."""
    _, _, height, width = images.shape
    middle_y, middle_x = (0.25 + 0.5 * _uniform(images, generator) for _ in range(2))
    reach_y, reach_x = (0.15 + 0.12 * _uniform(images, generator) for _ in range(2))
    y = torch.arange(height, device=images.device).view(1, 1, height, 1) / height
    x = torch.arange(width, device=images.device).view(1, 1, 1, width) / width
    inside = ((y - middle_y).abs() < reach_y) & ((x - middle_x).abs() < reach_x)
    return images.masked_fill(inside, -1.0)


def turned(images: Tensor, others: Tensor, generator: torch.Generator) -> Tensor:
    """Rotated by 60° to 300°."""
    angle = math.radians(60) + math.radians(240) * _uniform(images, generator).flatten()
    ones = torch.ones_like(angle)
    return _mapped(images, angle, ones, ones, torch.zeros_like(angle))


def resized(images: Tensor, others: Tensor, generator: torch.Generator) -> Tensor:
    """Half of them 1.5 to 2.5 times smaller, the others 1.7 to 2.5 times larger and cut off."""
    draw, larger = (_uniform(images, generator).flatten() for _ in range(2))
    scale = torch.where(larger < 0.5, 0.4 + 0.2 * draw, 1.5 + draw)
    zeros = torch.zeros_like(draw)
    return _mapped(images, zeros, scale, scale * (0.85 + 0.3 * draw), zeros)


def sheared(images: Tensor, others: Tensor, generator: torch.Generator) -> Tensor:
    """Slanted by 39° to 56° to either side."""
    draw, side = (_uniform(images, generator).flatten() for _ in range(2))
    ones = torch.ones_like(draw)
    shear = torch.where(side < 0.5, -1.0, 1.0) * (0.8 + 0.7 * draw)
    return _mapped(images, torch.zeros_like(draw), ones, ones, shear)


def warped(images: Tensor, others: Tensor, generator: torch.Generator) -> Tensor:
    """Torn by a smooth random field, five times as strong as the augmentation's."""
    count, _, height, width = images.shape
    field = 0.18 * torch.randn(count, 2, 6**2, generator=generator, device=images.device)
    identity = torch.eye(2, 3, device=images.device).expand(count, 2, 3)
    basis = warp_basis(height, width, 6, images.device)
    return sample(images, torch.cat([identity, field], dim=2) @ basis)


def shuffled(images: Tensor, others: Tensor, generator: torch.Generator) -> Tensor:
    """Cut into 2 × 2 or 4 × 4 tiles that change places; the tiles cover the largest multiple of 4 pixels."""
    height, width = (side - side % 4 for side in images.shape[2:])
    tiles_a_side = 2 if float(torch.rand(1, generator=generator, device=images.device)) < 0.5 else 4
    size_y, size_x = height // tiles_a_side, width // tiles_a_side
    tiles = F.unfold(
        images[:, :, :height, :width], (size_y, size_x), stride=(size_y, size_x)
    )  # (B, pixels, tiles)
    draw = torch.rand(len(images), 1, tiles_a_side**2, generator=generator, device=images.device)
    tiles = tiles.gather(2, draw.argsort(dim=2).expand_as(tiles))
    made = images.clone()
    made[:, :, :height, :width] = F.fold(tiles, (height, width), (size_y, size_x), stride=(size_y, size_x))
    return made


def inverted(images: Tensor, others: Tensor, generator: torch.Generator) -> Tensor:
    """Bright for dark."""
    return -images


def thickened(images: Tensor, others: Tensor, generator: torch.Generator) -> Tensor:
    """Each pixel takes the brightest value around it, within a sixth or a third of the image's width."""
    share = 6 if float(torch.rand(1, generator=generator, device=images.device)) < 0.5 else 3
    reach = max(1, images.shape[3] // (2 * share))
    return F.max_pool2d(images, 2 * reach + 1, stride=1, padding=reach)


def noise(images: Tensor, others: Tensor, generator: torch.Generator) -> Tensor:
    """No image at all: uniform or normal noise, smooth clouds, or flat blobs, in about equal shares."""
    fine = 2 * torch.rand(images.shape, generator=generator, device=images.device) - 1
    level, spread = (_uniform(images, generator) for _ in range(2))
    normal = 2 * level - 1 + spread * torch.randn(images.shape, generator=generator, device=images.device)
    clouds = 2 * spread * _smooth(images, 5, generator)
    blobs = torch.where(_smooth(images, 4, generator) > 1.2 * spread - 0.3, 2 * level - 1, -1.0)
    which = torch.randint(4, (len(images), 1, 1, 1), generator=generator, device=images.device)
    made = torch.where(
        which == 0, fine, torch.where(which == 1, normal, torch.where(which == 2, clouds, blobs))
    )
    return made.clamp(-1, 1)


def clouded(images: Tensor, others: Tensor, generator: torch.Generator) -> Tensor:
    """An image before smooth clouds: its ground is no longer plain."""
    clouds = 1.2 * _uniform(images, generator) * _smooth(images, 7, generator) - 0.2
    return torch.maximum(images, clouds.clamp(-1, 1))


KINDS: dict[str, Maker] = {
    maker.__name__: maker
    for maker in (
        stitched, overlaid, subtracted, erased, turned, resized, sheared, warped, shuffled, inverted,
        thickened, noise, clouded,
    )
}  # fmt: skip
"""What pseudo-outliers are made of, by name."""
_MAKERS = tuple(KINDS.values())


def _uniform(images: Tensor, generator: torch.Generator) -> Tensor:
    return torch.rand(len(images), 1, 1, 1, generator=generator, device=images.device)


def _smooth(images: Tensor, points: int, generator: torch.Generator) -> Tensor:
    """Standard normal values on `points` × `points` places, interpolated to the images' size."""
    coarse = torch.randn(*images.shape[:2], points, points, generator=generator, device=images.device)
    return smooth_field(coarse, *images.shape[2:])


def _mapped(images: Tensor, angle: Tensor, scale_x: Tensor, scale_y: Tensor, shear: Tensor) -> Tensor:
    """Draw (B, C, H, W) images through one affine map each, (B,) numbers; a scale above 1 makes smaller."""
    matrix = torch.zeros(len(images), 2, 3, device=images.device)
    matrix[:, 0, 0] = angle.cos() * scale_x
    matrix[:, 0, 1] = shear - angle.sin() * scale_y
    matrix[:, 1, 0] = angle.sin() * scale_x
    matrix[:, 1, 1] = angle.cos() * scale_y
    return sample(images, matrix @ affine_basis(*images.shape[2:], images.device))
