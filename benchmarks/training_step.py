"""What one training step costs, and where: the preset `report` on images of MNIST's size.

    python benchmarks/training_step.py [--steps 30] [--rounds 5]

Parts are timed inside whole steps, in turn with whole steps in the default layout and float32, so that a
drift of the machine's speed meets both. Random images serve: the time does not depend on what they show.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import nn

from contenders.common import random_split
from euinet.presets import get_preset
from euinet.training import loop
from euinet.training.devices import make_fabric
from euinet.training.loop import train_step
from euinet.training.run import TrainingRun

PARTS = ("gan_batch", "gan_step", "augment_alike", "classifier_batch", "joint_step")


class PartTimer:
    """Wraps functions of the training loop and adds up the seconds spent in each."""

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.originals = {name: getattr(loop, name) for name in PARTS}

    def __enter__(self) -> PartTimer:
        for name, function in self.originals.items():
            setattr(loop, name, self._timed(name, function))
        return self

    def __exit__(self, *_: object) -> None:
        for name, function in self.originals.items():
            setattr(loop, name, function)

    def _timed(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def timed(*arguments: Any) -> Any:
            started = time.perf_counter()
            result = function(*arguments)
            self.seconds[name] += time.perf_counter() - started
            return result

        return timed


def time_steps(run: TrainingRun, steps: int) -> dict[str, float]:
    """Return milliseconds a step, whole and by part, over `steps` steps."""
    order = run.epoch_order(0)
    with PartTimer() as timer:
        started = time.perf_counter()
        for step in range(steps):
            train_step(run, order[step * run.batch_size : (step + 1) * run.batch_size])
        whole = time.perf_counter() - started
    milliseconds = {name: 1000 * timer.seconds[name] / steps for name in PARTS}
    milliseconds["the rest (average, schedule)"] = 1000 * whole / steps - sum(milliseconds.values())
    return milliseconds | {"whole step": 1000 * whole / steps}


def plain(run: TrainingRun) -> TrainingRun:
    """Put the run's networks in torch's default layout."""
    players = run.players
    for network in (players.model, players.generator, players.gan_discriminator):
        module: nn.Module = network.module
        module.to(memory_format=torch.contiguous_format)
    return run


def main() -> None:
    """Time, and print one table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    preset, split = get_preset("report"), random_split(128 * (arguments.steps + 1))
    rows: defaultdict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory() as folder:
        ours = TrainingRun(split, preset, 0, Path(folder), make_fabric("cpu"))
        other = plain(TrainingRun(split, preset, 0, Path(folder), make_fabric("cpu", "32-true")))
        for run in (ours, other):
            time_steps(run, 5)
        for _ in range(arguments.rounds):
            for name, value in time_steps(ours, arguments.steps).items():
                rows[name].append(value)
            rows["default layout, float32"].append(time_steps(other, arguments.steps)["whole step"])
    rows["ratio"] = [a / b for a, b in zip(rows["default layout, float32"], rows["whole step"], strict=True)]
    print(
        f"{platform.machine()}, {torch.get_num_threads()} threads, torch {torch.__version__}; "
        f"batch {preset.training.batch_size} + {preset.gan.batch_size} fakes; "
        f"median (min … max) of {arguments.rounds} rounds of {arguments.steps} steps"
    )
    for name, values in rows.items():
        unit = "×" if name == "ratio" else "ms"
        print(f"{name:38}{statistics.median(values):8.1f} {unit}   ({min(values):.1f} … {max(values):.1f})")


if __name__ == "__main__":
    main()
