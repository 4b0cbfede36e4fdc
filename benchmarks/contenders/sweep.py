"""How fast ten leave-one-outs train: `python -m contenders.sweep one-by-one|side-by-side|grouped|separate`.

`one-by-one`: one process with all cores trains ten models in turn; `side-by-side`: a process of one thread
for each core trains its share, as with `euinet benchmark --jobs`; steps a second, of all models together.
`grouped` and `separate`: a forward and backward pass of ten trunks in one, by grouped convolutions, and of
the ten in turn; milliseconds.
"""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
import time
from multiprocessing.synchronize import Barrier
from pathlib import Path

import torch
from torch import Tensor, nn

from contenders.common import median, random_split, seconds_each, tell
from euinet.presets import get_preset
from euinet.training.devices import make_fabric
from euinet.training.loop import train_step
from euinet.training.run import TrainingRun

MODELS, STEPS, WARM = 10, 8, 2


def train_some(models: int, threads: int, start: Barrier | None, seconds: list[float]) -> None:
    """Train `models` models for STEPS steps each, and add how long it took, from `start` on."""
    torch.set_num_threads(threads)
    preset = get_preset("default")
    split = random_split(preset.training.batch_size * (STEPS + WARM))
    with tempfile.TemporaryDirectory() as folder:
        runs = [TrainingRun(split, preset, seed, Path(folder), make_fabric("cpu")) for seed in range(models)]
    orders = [run.epoch_order(0).split(run.batch_size) for run in runs]
    for run, order in zip(runs, orders, strict=True):
        for chosen in order[:WARM]:
            train_step(run, chosen)
    if start is not None:
        start.wait()
    started = time.perf_counter()
    for run, order in zip(runs, orders, strict=True):
        for chosen in order[WARM:]:
            train_step(run, chosen)
    seconds.append(time.perf_counter() - started)


def side_by_side(jobs: int) -> float:
    """Return the seconds until the last of `jobs` processes is done."""
    context = multiprocessing.get_context("spawn")
    with context.Manager() as manager:
        seconds = manager.list()
        start = context.Barrier(jobs)
        workers = [
            context.Process(target=train_some, args=(MODELS // jobs, 1, start, seconds)) for _ in range(jobs)
        ]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        return float(max(seconds))


class GroupedTrunk(nn.Module):
    """The first stages of `models` default trunks as one network: channels side by side, groups apart."""

    def __init__(self, models: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = 1
        for width, stride, kernel in ((16, 2, 5), (16, 1, 3), (16, 1, 3), (32, 2, 3), (32, 1, 3), (64, 2, 3)):
            layers += [
                nn.Conv2d(
                    models * before, models * width, kernel, stride, kernel // 2, groups=models, bias=False
                ),
                nn.BatchNorm2d(models * width),
                nn.ReLU(inplace=True),
            ]
            before = width
        self.layers = nn.Sequential(*layers).to(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, models, H, W), one image for each model, to (B, models · 64, H/8, W/8)."""
        result: Tensor = self.layers(images)
        return result


def pass_through(networks: list[GroupedTrunk], images: Tensor) -> None:
    """Do a forward and a backward pass of each network."""
    for network in networks:
        network(images).square().mean().backward()


def main() -> None:
    """Measure one contender."""
    who, cores = sys.argv[1], os.cpu_count() or 1
    if who == "one-by-one":
        seconds: list[float] = []
        train_some(MODELS, cores, None, seconds)
        tell(steps_per_second=MODELS * STEPS / seconds[0])
    elif who == "side-by-side":
        tell(steps_per_second=MODELS * STEPS / side_by_side(cores))
    else:
        together = MODELS if who == "grouped" else 1
        networks = [GroupedTrunk(together) for _ in range(MODELS // together)]
        images = torch.randn(128, together, 28, 28).contiguous(memory_format=torch.channels_last)
        tell(ms=1000 * median(seconds_each(lambda: pass_through(networks, images), 5)))


if __name__ == "__main__":
    main()
