"""The rates that docs/scale.md reckons with: networks and images of ImageNet's size on this machine.

    python benchmarks/large.py

Training steps of preset `default` with a torchvision trunk at 224 × 224 (images a second, GAN and poses
included), scoring with and without the perturbation, reading JPEG files of 500 × 375, each on random content.
"""

from __future__ import annotations

import io
import os
import platform
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from contenders.common import median, random_split, seconds_each
from euinet.images.preprocessing import Preprocessing
from euinet.networks import to_network_range
from euinet.networks.folded import fold_batch_norms
from euinet.presets import Preset, get_preset
from euinet.records import LabelledImages
from euinet.scoring.inference import perturbed_scores
from euinet.training.devices import make_fabric
from euinet.training.loop import train_step
from euinet.training.run import TrainingRun

SIDE, BATCH, FILES = 224, 16, 60


def settings(backbone: str) -> Preset:
    """Return preset `default` for large photographs: no embedding of places, batches that fit a laptop."""
    changes = {"model.backbone": backbone, "model.embedding": "0", "training.batch_size": str(BATCH)}
    changes |= {"training.poses": str(BATCH), "disc.reals": "8", "disc.outliers": "13", "disc.mixtures": "8"}
    return get_preset("default", changes)


def network_rates(backbone: str) -> None:
    """Print the rates of one trunk."""
    preset, few = settings(backbone), random_split(4 * BATCH)
    images = torch.randint(0, 256, (4 * BATCH, 3, SIDE, SIDE), dtype=torch.uint8)
    part = LabelledImages(images.numpy(), few.train.labels)
    split = few.__class__(
        **{**vars(few), "train": part, "validation": part, "calibration": part, "test": part}
    )
    with tempfile.TemporaryDirectory() as folder:
        run = TrainingRun(split, preset, 0, Path(folder), make_fabric("cpu"))
    order = iter(run.epoch_order(0).split(BATCH))
    step = median(seconds_each(lambda: train_step(run, next(order)), 3, 1))
    network = fold_batch_norms(run.players.plain_model()).requires_grad_(False)
    inputs = to_network_range(images[:BATCH]).contiguous(memory_format=torch.channels_last)
    for epsilon in (0.0, 0.001):
        scoring = preset.scoring.model_copy(
            update={"epsilon": epsilon, "pixel_range": 1.0, "distance_scale": 0}
        )
        network.memory = None  # type: ignore[assignment]  # empty before a training ends
        each = median(seconds_each(partial(perturbed_scores, network, inputs, scoring), 3, 1))
        what = "with the perturbation" if epsilon else "without"
        print(f"{backbone}: scoring {what}, {BATCH / each:.1f} images/s")
    print(f"{backbone}: training, {BATCH / step:.1f} images/s ({step:.2f} s a step of {BATCH})", flush=True)


def reading_rate() -> None:
    """Print how many JPEG files a second one thread reads and brings to 224 × 224."""
    generator = np.random.default_rng(0)
    coarse = Image.fromarray(generator.integers(0, 256, (24, 32, 3), np.uint8))
    content = io.BytesIO()
    coarse.resize((500, 375), Image.Resampling.BICUBIC).save(content, "JPEG", quality=90)
    preprocessing = Preprocessing(3, SIDE)
    started = time.perf_counter()
    for _ in range(FILES):
        preprocessing.read(io.BytesIO(content.getvalue()))
    each = (time.perf_counter() - started) / FILES
    print(f"JPEG, 500 × 375, {len(content.getvalue()) / 1000:.0f} kB: {1 / each:.0f} images/s a thread")


def main() -> None:
    """Measure and print."""
    print(f"{platform.machine()}, {os.cpu_count()} cores, torch {torch.__version__}")
    reading_rate()
    for backbone in ("resnet18", "resnet50"):
        network_rates(backbone)


if __name__ == "__main__":
    main()
