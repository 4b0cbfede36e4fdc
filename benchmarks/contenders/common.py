"""What contenders share: images, time taken in turns, and one line of JSON for the one who asked."""

from __future__ import annotations

import json
import resource
import statistics
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn

from euinet.networks.resnet import PointwiseConv, StemConv
from euinet.records import LabelledImages, Split, SplitPositions

CLASSES = 9


def random_split(images: int) -> Split:
    """Return a split of random images (N, 1, 28, 28) in nine classes; only its training part is used."""
    rng = np.random.default_rng(0)
    part = LabelledImages(
        rng.integers(0, 256, (images, 1, 28, 28), dtype=np.uint8), np.arange(images) % CLASSES
    )
    names = tuple(str(c) for c in range(1, CLASSES + 1))
    none = np.empty(0, np.int64)
    return Split(
        "random", names, tuple(range(1, CLASSES + 1)), (0,), ("0",), part, part, part, part,
        SplitPositions(none, none, none, none),
    )  # fmt: skip


def as_torch_has_it(network: nn.Module) -> None:
    """Give `network`, in place, the convolutions and the layout that a user of plain torch would have."""
    for module in network.modules():
        if isinstance(module, StemConv | PointwiseConv):
            module.__class__ = nn.Conv2d  # type: ignore[assignment]
    network.to(memory_format=torch.contiguous_format)


def seconds_each(work: Callable[[], object], times: int, warm: int = 2) -> list[float]:
    """Return how long each of `times` calls took, after `warm` that do not count."""
    for _ in range(warm):
        work()
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        work()
        taken.append(time.perf_counter() - started)
    return taken


def batches_of(images: Tensor, size: int) -> list[Tensor]:
    """Return (N, C, H, W) images in batches."""
    return list(images.split(size))


def tell(**values: object) -> None:
    """Print what was measured as one line of JSON, with this process's peak memory."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)
    print(json.dumps({**values, "peak_mb": round(peak)}))


def median(values: list[float]) -> float:
    """Return the median, which one slow call does not move."""
    return statistics.median(values)
