"""How long a training step takes: `python -m contenders.training euinet|layout|plain-0|plain-2`.

`layout`: this package's step in torch's default layout, float32, memory given back after each step;
`plain-N`: the plain loop with N DataLoader workers.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch.utils.flop_counter import FlopCounterMode

from contenders.common import median, random_split, seconds_each, tell
from contenders.plain_loop import PlainLoop
from euinet.presets import get_preset
from euinet.training.devices import make_fabric
from euinet.training.loop import train_step
from euinet.training.run import TrainingRun

STEPS, WARM = 25, 5


def ours(*, fast: bool) -> None:
    """Time this package's step, as it is or in the default layout and allocation."""
    preset = get_preset("default")
    split = random_split(preset.training.batch_size * (STEPS + WARM + 1))
    fabric = make_fabric("cpu") if fast else Fabric(accelerator="cpu", devices=1, precision="32-true")
    with tempfile.TemporaryDirectory() as folder:
        run = TrainingRun(split, preset, 0, Path(folder), fabric)
    if not fast:
        for network in (run.players.model, run.players.generator, run.players.gan_discriminator):
            network.module.to(memory_format=torch.contiguous_format)
    order = iter(run.epoch_order(0).split(run.batch_size))
    taken = seconds_each(lambda: train_step(run, next(order)), STEPS, WARM)
    with FlopCounterMode(display=False) as counter:
        train_step(run, next(order))
    tell(ms=1000 * median(taken), gflop=counter.get_total_flops() / 1e9)


def plain(workers: int) -> None:
    """Time the plain loop's step, its share of loading included."""
    preset = get_preset("default")
    split = random_split(preset.training.batch_size * (STEPS + WARM + 1))
    loop = PlainLoop(split, preset, workers)
    batches = loop.batches()
    taken = seconds_each(lambda: loop.step(next(batches)), STEPS, WARM)
    tell(ms=1000 * sum(taken) / len(taken))  # the mean: a loader's workers deliver in bursts


if __name__ == "__main__":
    who = sys.argv[1]
    if who.startswith("plain-"):
        plain(int(who.removeprefix("plain-")))
    else:
        ours(fast=who == "euinet")
