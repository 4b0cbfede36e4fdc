"""Benign changes: what a camera, a scanner or a file format does to an image without making it another.

All take and return uint8 (N, C, H, W). What a picture's edge leaves open is filled with its edge pixels, so
that light and dark backgrounds fare alike.
"""

import io
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as tv

from euinet.answers import PixelArray
from euinet.networks import as_tensor

_CHUNK = 250  # images changed at a time: in between some are float32
_SMALL = 28  # pixels a side for which the strengths were chosen

Way = Callable[[Tensor, torch.Generator], Tensor]


@dataclass(frozen=True)
class Strength:
    """One strength of a change. Each image goes one of the `ways`, by lot."""

    label: str  # with its unit
    ways: tuple[Way, ...]

    def apply(self, images: PixelArray, seed: int) -> PixelArray:
        """Return changed copies of uint8 images (N, C, H, W), the same for the same seed."""
        generator = torch.Generator().manual_seed(seed)
        lots = torch.randint(len(self.ways), (len(images),), generator=generator)
        stored, changed = as_tensor(images), torch.empty(images.shape, dtype=torch.uint8)
        for number, way in enumerate(self.ways):
            for at in torch.nonzero(lots == number).flatten().split(_CHUNK):
                if len(at):
                    changed[at] = way(stored[at], generator)
        return changed.numpy()

    def example(self, image: PixelArray) -> PixelArray:
        """Return one changed uint8 image (C, H, W), by the last of the ways (the darker, the paler one)."""
        return self.ways[-1](as_tensor(image[None]), torch.Generator().manual_seed(0))[0].numpy()


@dataclass(frozen=True)
class Change:
    """A kind of change at three strengths, the mildest first."""

    name: str
    what: str  # is done, in words
    strengths: tuple[Strength, ...]


def benign_changes(image_size: int) -> tuple[Change, ...]:
    """Return the seven changes for images of `image_size` pixels a side.

    Shifts grow with the size, blur with its square root (what a photograph shows gets finer, too, as it
    grows); angles, factors and qualities stay.
    """
    step = max(1, round(image_size / _SMALL))
    grown = math.sqrt(image_size / _SMALL)
    sigmas = [round(sigma * grown, 2) for sigma in (0.5, 0.75, 1.0)]
    factors = (1.25, 1.6, 2.5)
    return (
        _change("blur", "Gaussian", "sigma {} px", sigmas, lambda by: [_always(blur, by)]),
        _change("shift", "up, down, left or right", "{} px", (step, 2 * step, 3 * step), _shifts),
        _change(
            *("rotation", "left or right about the middle", "{}°", (5, 10, 15)),
            lambda by: [_always(rotate, by), _always(rotate, -by)],
        ),
        _change(
            *("contrast", "about the mean grey", "× or ÷ {}", factors),
            lambda by: [_always(tv.adjust_contrast, by), _always(tv.adjust_contrast, 1 / by)],
        ),
        _change(
            *("brightness", "lighter or darker", "× or ÷ {}", factors),
            lambda by: [_always(tv.adjust_brightness, by), _always(tv.adjust_brightness, 1 / by)],
        ),
        _change(
            "JPEG", "saved and read again", "quality {}", (90, 70, 50), lambda by: [_always(compress, by)]
        ),
        _change("sensor noise", "Gaussian, on each pixel", "sigma {} of 255", (4, 8, 16), _noise),
    )


def blur(images: Tensor, sigma: float) -> Tensor:
    """Return images blurred by a Gaussian of `sigma` pixels."""
    width = 2 * math.ceil(3 * sigma) + 1
    changed: Tensor = tv.gaussian_blur(images, [width, width], [sigma, sigma])
    return changed


def shift(images: Tensor, right: int, down: int) -> Tensor:
    """Return images moved by so many pixels; negative numbers move them left and up."""
    reach = max(abs(right), abs(down))
    height, width = images.shape[2:]
    padded = tv.pad(images, [reach, reach], padding_mode="edge")
    changed: Tensor = tv.crop(padded, reach - down, reach - right, height, width)
    return changed


def rotate(images: Tensor, degrees: float) -> Tensor:
    """Return images turned about their middle, counterclockwise where `degrees` is positive."""
    height, width = images.shape[2:]
    reach = math.ceil(max(height, width) / 4)  # the corners come in from there up to 30°
    padded = tv.pad(images, [reach, reach], padding_mode="edge")
    turned = tv.rotate(padded, degrees, interpolation=InterpolationMode.BILINEAR)
    changed: Tensor = tv.center_crop(turned, [height, width])
    return changed


def compress(images: Tensor, quality: int) -> Tensor:
    """Return images saved as JPEG of this quality, 1 … 100, and read again; grey or RGB."""
    changed = torch.empty_like(images)
    for at, image in enumerate(images):
        buffer = io.BytesIO()
        tv.to_pil_image(image).save(buffer, "JPEG", quality=quality)
        changed[at] = tv.pil_to_tensor(Image.open(buffer))
    return changed


def add_noise(images: Tensor, sigma: float, generator: torch.Generator) -> Tensor:
    """Return images with Gaussian noise of `sigma` grey levels of 255 on each pixel."""
    noise = sigma * torch.randn(images.shape, generator=generator)
    return (images + noise).round().clamp(0, 255).to(torch.uint8)


def _change(
    name: str, what: str, unit: str, values: Sequence[Any], ways: Callable[[Any], Sequence[Way]]
) -> Change:
    strengths = tuple(Strength(unit.format(f"{value:g}"), tuple(ways(value))) for value in values)
    return Change(name, what, strengths)


def _always(change: Callable[..., Tensor], *amounts: float) -> Way:
    """Return a way that draws nothing at random."""
    return lambda images, _: change(images, *amounts)


def _shifts(pixels: int) -> list[Way]:
    return [
        _always(shift, right, down) for right, down in ((pixels, 0), (-pixels, 0), (0, pixels), (0, -pixels))
    ]


def _noise(sigma: float) -> list[Way]:
    return [lambda images, generator: add_noise(images, sigma, generator)]
