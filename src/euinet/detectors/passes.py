"""One forward pass an image, read by as many detectors as can: logits, pooled features, feature maps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from euinet.answers import IntArray, PixelArray
from euinet.data.split.stratify import stratified_positions
from euinet.detectors.stopwatch import Stopwatch
from euinet.networks import as_tensor, to_network_range
from euinet.networks.euinet import EuiNet
from euinet.networks.records import Outputs
from euinet.records import LabelledImages
from euinet.scoring.inference import BATCH, in_batches

FEW = 10_000  # known images that a slow method is fitted on
PLAIN, PERTURBED = "plain", "perturbed"  # the two passes, as the stopwatch knows them


@dataclass(frozen=True)
class Pass:
    """What the network says of B images, stage by stage."""

    images: Tensor  # (B, C, H, W) in −1 … 1
    outputs: Outputs
    maps: tuple[Tensor, ...]  # every stage's feature maps, (B, widths[i], H_i, W_i)
    embedded: bool  # whether the features are an embedding of the last maps, not their average

    @property
    def stages(self) -> list[Tensor]:
        """What the trunk's forward pass returns, (B, feature_sizes[i]); the last are `outputs.features`."""
        averages = [stage.mean(dim=(2, 3)) for stage in self.maps]
        return [*averages, self.outputs.features] if self.embedded else averages


@torch.no_grad()
def read(model: EuiNet, images: Tensor) -> Pass:
    """Pass (B, C, H, W) images in −1 … 1 through `model` once and keep what its stages give."""
    maps: list[Tensor] = []
    hooks = [
        # contiguous: several of pytorch-ood's detectors flatten maps by `view`
        stage.register_forward_hook(lambda _module, _inputs, output: maps.append(output.contiguous()))
        for stage in model.trunk.stages
    ]
    try:
        outputs = model(images)
    finally:
        for hook in hooks:
            hook.remove()
    return Pass(images, outputs, tuple(maps), model.trunk.embed is not None)


class ReadBatch:
    """A batch of images in −1 … 1 and its passes, each made once and only if a detector reads it."""

    def __init__(
        self, model: EuiNet, images: Tensor, perturbed: Callable[[Tensor], Tensor], clock: Stopwatch
    ) -> None:
        self.images = images
        self._model, self._perturb, self._clock = model, perturbed, clock

    @cached_property
    def plain(self) -> Pass:
        """The images as they are."""
        with self._clock.charge(PLAIN):
            return read(self._model, self.images)

    @cached_property
    def perturbed(self) -> Pass:
        """The images after eq. 4's perturbation."""
        with self._clock.charge(PERTURBED):
            return read(self._model, self._perturb(self.images))


@dataclass(frozen=True)
class Gathered:
    """What a plain pass says of N known images, on the CPU; small enough to keep of all of them."""

    class_logits: Tensor  # (N, K)
    stages: tuple[Tensor, ...]  # (N, feature_sizes[i])

    def where(self, positions: IntArray) -> Gathered:
        """Return the rows at `positions`."""
        at = torch.from_numpy(positions)
        return Gathered(self.class_logits[at], tuple(stage[at] for stage in self.stages))


class KnownImages:
    """Known images to fit on: as batches for those that need the images, gathered for all others."""

    def __init__(self, images: LabelledImages, device: torch.device, gather: Callable[[], Gathered]) -> None:
        self.labels = as_tensor(images.labels)
        self.batches = ImageBatches(images, device)
        self._gather = gather

    @cached_property
    def gathered(self) -> Gathered:
        """What the shared pass says of these images, in their order."""
        return self._gather()


class ImageBatches:
    """Batches (x, y) of labelled images, x in −1 … 1: the loader that pytorch-ood's `fit` asks for."""

    def __init__(self, images: LabelledImages, device: torch.device, size: int = BATCH) -> None:
        self.images, self.device, self.size = images, device, size

    def __len__(self) -> int:
        return -(-len(self.images) // self.size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for start in range(0, len(self.images), self.size):
            batch = slice(start, start + self.size)
            yield (
                to_network_range(as_tensor(self.images.images[batch]).to(self.device)),
                as_tensor(self.images.labels[batch]).to(self.device),
            )


def gather(model: EuiNet, images: PixelArray, clock: Stopwatch) -> Gathered:
    """Pass uint8 images (N, C, H, W) through `model` and keep logits and pooled stages."""

    def parts(inputs: Tensor) -> tuple[Tensor, ...]:
        passed = read(model, inputs)
        return passed.outputs.class_logits, *passed.stages

    with clock.charge(PLAIN):
        class_logits, *stages = in_batches(parts, images, next(model.parameters()).device)
    return Gathered(class_logits, tuple(stages))


def few_positions(labels: IntArray, few: int = FEW, seed: int = 0) -> IntArray:
    """Return ascending positions of about `few` of the N `labels`, or of all; each class in proportion."""
    if len(labels) <= few:
        return np.arange(len(labels), dtype=np.int64)
    classes = np.unique(labels).tolist()
    names = [f"class {number}" for number in range(max(classes) + 1)]
    _, chosen = stratified_positions(labels, classes, names, [few / len(labels)], seed)
    return chosen
