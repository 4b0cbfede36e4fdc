"""The last stages of a published network opened, for a few epochs of a classifier on known training images.

Frozen features were made for other classes; a little of the network learned on its own images makes them fit.
Images are decoded as they come, in another order each epoch. BatchNorm's statistics stay as published: a
batch is too small to measure them.
"""

import math
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim import AdamW
from torch.optim.lr_scheduler import LambdaLR

from euinet.answers import IntArray
from euinet.data.embedded.contents import Content
from euinet.data.embedded.reading import read_blocks
from euinet.errors import TrainingError
from euinet.images.preprocessing import Preprocessing
from euinet.networks.pretrained import Pretrained
from euinet.system.files import make_folder
from euinet.system.interrupts import stop_between_steps
from euinet.system.notify import Notify
from euinet.training.checkpoint import load_checkpoint, save_checkpoint

STAGES = 3  # that are opened, from the end
BATCH = 32  # images a step
RATE, HEAD_RATE = 3e-4, 2e-3  # peaks; the head starts from random numbers
DECAY = 0.02  # of weights, a step and unit of rate
SMOOTHING = 0.1  # of labels: the share that is spread over all classes
SMALLEST_CROP = 0.4  # share of an image's square that is shown, at least
TELL_SECONDS = 10.0


def finetune(
    network: Pretrained,
    contents: Sequence[Content],
    labels: IntArray,
    classes: int,
    *,
    epochs: int,
    seed: int,
    folder: Path,
    fabric: Fabric,
    identity: dict[str, Any],
    notify: Notify,
) -> Pretrained:
    """Train the last stages of `network` on images with labels (N,), 0 … classes − 1, and return it.

    A checkpoint after each epoch goes to `folder`; interrupted, it goes on there when it is called again with
    the same `identity`. Raises TrainingError where the loss is no finite number, KeyboardInterrupt.
    """
    make_folder(folder)
    run = {**identity, "epochs": epochs, "seed": seed, "images": len(labels)}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = nn.Linear(network.features, classes)
    model = nn.Sequential(network.network, head).to(fabric.device).to(memory_format=torch.channels_last)
    opened = _opened(network)
    steps = epochs * math.ceil(len(labels) / BATCH)
    optimizer = AdamW(
        [{"params": opened, "lr": RATE}, {"params": head.parameters(), "lr": HEAD_RATE}], weight_decay=DECAY
    )
    schedule = LambdaLR(optimizer, lambda step: _one_cycle(step / max(1, steps)))
    state = load_checkpoint(folder, run, notify)
    first = 0
    if state is not None:
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        first = state["epoch"]
    model.eval()  # BatchNorm and dropout as at inference
    with stop_between_steps() as stop:
        for epoch in range(first, epochs):
            order = np.random.default_rng((seed, epoch)).permutation(len(labels))
            shown = _batches(network, [contents[place] for place in order], labels[order], (seed, epoch))
            _epoch(fabric, model, optimizer, schedule, shown, stop, (epoch, epochs, len(labels)), notify)
            tensors = {
                "model": model.state_dict(),
                "optimizer": optimizer.state_dict(),
                "schedule": schedule.state_dict(),
            }
            save_checkpoint(folder, {"run": run, "epoch": epoch + 1, **tensors})
    model.requires_grad_(False).cpu()
    return network


def _opened(network: Pretrained) -> list[nn.Parameter]:
    """Return the parameters that learn; all others of the network do not."""
    network.network.requires_grad_(False)
    opened = [parameter for part in network.last_stages(STAGES) for parameter in part.parameters()]
    for parameter in opened:
        parameter.requires_grad_(True)
    return opened


def _epoch(
    fabric: Fabric,
    model: nn.Module,
    optimizer: AdamW,
    schedule: LambdaLR,
    batches: Iterator[tuple[Tensor, Tensor]],
    stop: Any,
    at: tuple[int, int, int],
    notify: Notify,
) -> None:
    """One step for each batch; says how far it is."""
    epoch, epochs, count = at
    done, losses, started, told = 0, 0.0, time.monotonic(), time.monotonic()
    for images, targets in batches:
        images = images.to(fabric.device, memory_format=torch.channels_last)
        with fabric.autocast():
            logits = model(images)
        loss = F.cross_entropy(logits.float(), targets.to(fabric.device), label_smoothing=SMOOTHING)
        if not loss.isfinite():
            raise TrainingError("The loss of fine-tuning is no finite number: leave out --finetune.")
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        done += len(images)
        losses += float(loss.detach()) * len(images)
        if stop.is_set():
            notify(f"Interrupted in epoch {epoch + 1}; the same command goes on from the epoch before.")
            raise stop.error
        now = time.monotonic()
        if now - told > TELL_SECONDS or done == count:
            rate = done / (now - started)
            left = (count * (epochs - epoch) - done) / rate
            notify(
                f"fine-tuning, epoch {epoch + 1}/{epochs}: {done:,} of {count:,} images, loss "
                f"{losses / done:.3f}, {rate:,.0f} images a second, {left:,.0f} s left"
            )
            told = now


def _batches(
    network: Pretrained, contents: Sequence[Content], labels: IntArray, seed: tuple[int, int]
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield normalised images (B, 3, S, S), cut out and mirrored at random, and their labels (B,)."""
    draw = np.random.default_rng((*seed, 1))
    side = max(network.resize, network.image_size)
    reads = Preprocessing(3, side, draft=True)
    mean, deviation = (torch.tensor(v).view(3, 1, 1) for v in (network.mean, network.deviation))
    blocks = read_blocks(iter(contents), reads, _nothing_known)
    images = (one for block in blocks for one in zip(block.pixels, block.positions.tolist(), strict=True))
    while batch := list(islice(images, BATCH)):
        cut = torch.stack(
            [_cut_out(torch.from_numpy(pixels), network.image_size, draw) for pixels, _ in batch]
        )
        yield (cut / 255 - mean) / deviation, torch.from_numpy(labels[[at for _, at in batch]])


def _cut_out(image: Tensor, side: int, draw: np.random.Generator) -> Tensor:
    """Return a piece of an image (3, R, R), of any place, size and a little any shape, as (3, side, side)."""
    _, height, width = image.shape
    share, aspect = draw.uniform(SMALLEST_CROP, 1), math.exp(draw.uniform(-0.25, 0.25))
    tall = min(height, round(math.sqrt(share * aspect) * height))
    wide = min(width, round(math.sqrt(share / aspect) * width))
    top, left = draw.integers(0, height - tall + 1), draw.integers(0, width - wide + 1)
    piece = image[None, :, top : top + tall, left : left + wide].float()
    piece = F.interpolate(piece, (side, side), mode="bilinear", antialias=True, align_corners=False)[0]
    return piece.flip(2) if draw.random() < 0.5 else piece


def _nothing_known(contents: Any) -> tuple[IntArray, Any]:
    return np.full(len(contents), -1, np.int64), np.zeros(len(contents), np.uint64)


def _one_cycle(share: float) -> float:
    """Return the rate's factor: up in the first fifth, then down to 0 along a cosine."""
    warm = 0.2
    return share / warm if share < warm else 0.5 * (1 + math.cos(math.pi * (share - warm) / (1 - warm)))
