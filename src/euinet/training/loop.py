"""The training loop: fit_loop → run_epoch → train_step, with checkpoints in between."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from euinet.data.augment import augment, stitch
from euinet.errors import TrainingError
from euinet.files import storage_error
from euinet.models import to_network_range
from euinet.presets import Preset, TrainingSettings
from euinet.records import Batch, Split
from euinet.training.average import running_average
from euinet.training.checkpoint import load_checkpoint, save_checkpoint
from euinet.training.log import TrainingLog
from euinet.training.players import Players, build_players
from euinet.training.steps import gan_step, joint_step

LOG_EVERY = 50  # steps; also how late a loss that is not finite can be noticed
COLLAPSED = 0.1  # fakes vary less than this share of what the real images do


@dataclass(frozen=True)
class Trained:
    """What a finished training leaves: networks in eval mode and the log's rows."""

    model: nn.Module  # EuiNet; the running average of its weights where the preset asks for one
    generator: nn.Module
    gan_discriminator: nn.Module
    history: tuple[dict[str, float], ...]
    seconds: float  # of training, over all sittings


def train(
    split: Split,
    preset: Preset,
    seed: int,
    folder: Path,
    fabric: Fabric,
    *,
    resume: bool = False,
    quiet: bool = False,
) -> Trained:
    """Train EuiNet and its GAN on `split.train`, writing log and checkpoints to `folder`.

    Only known training images are read; `split.validation` is scored after each epoch for the log.
    With `resume` a run that was interrupted goes on from its checkpoint, bit for bit as if it had not
    been. Raises TrainingError for a loss that is not finite and KeyboardInterrupt after Ctrl-C, with
    the checkpoint written first.
    """
    run = TrainingRun(split, preset, seed, folder, fabric)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise storage_error(folder, error) from error
    if resume:
        run.restore(load_checkpoint(folder, run.identity))
    with TrainingLog(folder, run.total_steps, quiet=quiet) as log, _stop_on_interrupt() as stop:
        history = log.resume_at(run.step)
        fit_loop(run, log, history, stop)
    return run.finish(history)


class TrainingRun:
    """All that changes while training, and can be saved and restored."""

    def __init__(self, split: Split, preset: Preset, seed: int, folder: Path, fabric: Fabric) -> None:
        self.preset, self.seed, self.folder, self.fabric = preset, seed, folder, fabric
        device = fabric.device
        self.images, self.labels = split.train.images.to(device), split.train.labels.to(device)
        self.validation = split.validation
        self.classes = len(split.known_classes)
        self.batch_size = min(preset.training.batch_size, len(self.labels))
        self.steps_per_epoch = len(self.labels) // self.batch_size
        self.epochs = max(preset.training.epochs, -(-preset.training.min_steps // self.steps_per_epoch))
        self.total_steps = self.epochs * self.steps_per_epoch
        self.players = build_players(split, preset, seed, fabric)
        self.schedule = _schedule(self.players, preset.training, self.total_steps)
        decay = preset.training.average_decay
        self.average = running_average(self.players.plain_model(), decay) if decay > 0 else None
        self.noise = torch.Generator(device).manual_seed(seed)
        self.step = 0  # steps done, over all epochs
        self.seconds_before = 0.0  # in earlier sittings
        self.started = time.monotonic()
        self.collapse_reported = False
        self.sums: dict[str, Tensor] = {}  # of the losses since the last row of the log
        self.summed = 0  # steps in them
        self.identity: dict[str, Any] = {
            "data": split.dataset,
            "held_out": list(split.unknown_classes),
            "preset": preset.model_dump(mode="json"),
            "seed": seed,
            "images": len(self.labels),
            "precision": str(fabric.strategy.precision.precision),
        }

    def epoch_order(self, epoch: int) -> Tensor:
        """Return the order of the training images in `epoch`, from the seed and the epoch alone."""
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + epoch)
        return torch.randperm(len(self.labels), generator=generator).to(self.labels.device)

    def state(self) -> dict[str, Any]:
        """Return everything needed to go on, as tensors and plain values."""
        return {
            "run": self.identity,
            "step": self.step,
            "seconds": self.seconds(),
            "players": self.players.state_dict(),
            "average": self.average.state_dict() if self.average is not None else None,
            "schedule": self.schedule.state_dict(),
            "noise": self.noise.get_state(),
            "collapse_reported": self.collapse_reported,
            "sums": self.sums,
            "summed": self.summed,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take up the state that `state()` returned."""
        self.step, self.seconds_before = state["step"], state["seconds"]
        self.players.load_state_dict(state["players"])
        if self.average is not None:
            self.average.load_state_dict(state["average"])
        self.schedule.load_state_dict(state["schedule"])
        self.noise.set_state(state["noise"])
        self.collapse_reported = state["collapse_reported"]
        self.sums = {name: value.to(self.labels.device) for name, value in state["sums"].items()}
        self.summed = state["summed"]

    def save(self) -> Path:
        """Write the checkpoint."""
        return save_checkpoint(self.folder, self.state())

    def seconds(self) -> float:
        """Return the time spent training so far, over all sittings."""
        return self.seconds_before + time.monotonic() - self.started

    def evaluated_model(self) -> nn.Module:
        """Return the network to be judged, in eval mode: the average if there is one."""
        model = self.average.module if self.average is not None else self.players.plain_model()
        return model.eval()

    def finish(self, history: list[dict[str, float]]) -> Trained:
        """Return the trained networks in eval mode."""
        return Trained(
            self.evaluated_model(),
            self.players.generator.module.eval(),
            self.players.gan_discriminator.module.eval(),
            tuple(history),
            self.seconds(),
        )


def fit_loop(
    run: TrainingRun, log: TrainingLog, history: list[dict[str, float]], stop: threading.Event
) -> None:
    """Run the epochs that are left; a checkpoint after each, and one when `stop` is set."""
    for epoch in range(run.step // run.steps_per_epoch, run.epochs):
        run_epoch(run, epoch, log, history, stop)
        accuracy = validation_accuracy(run)
        text = f"epoch {epoch + 1}/{run.epochs}: validation accuracy {accuracy:.2%} (no reject)"
        log.epoch(text, last=epoch + 1 == run.epochs)
        run.save()


def run_epoch(
    run: TrainingRun, epoch: int, log: TrainingLog, history: list[dict[str, float]], stop: threading.Event
) -> None:
    """Run the steps of `epoch` that are left, logging their mean losses every LOG_EVERY steps."""
    order = run.epoch_order(epoch)
    first = run.step - epoch * run.steps_per_epoch
    for index in range(first, run.steps_per_epoch):
        chosen = order[index * run.batch_size : (index + 1) * run.batch_size]
        for name, value in train_step(run, chosen).items():
            run.sums[name] = run.sums[name] + value if name in run.sums else value
        run.summed += 1
        run.step += 1
        if run.step % LOG_EVERY == 0 or index + 1 == run.steps_per_epoch:
            means = {name: float(total) / run.summed for name, total in run.sums.items()}
            row = {"step": run.step, "epoch": epoch + 1, **means}
            run.sums, run.summed = {}, 0
            _check_finite(row)
            _warn_of_collapse(run, row, log)
            history.append(row)
            log.row(row)
        if stop.is_set():
            log.say(
                f"Interrupted at step {run.step}; {run.save()} holds the state: --resume goes on from it."
            )
            raise KeyboardInterrupt


def train_step(run: TrainingRun, chosen: Tensor) -> dict[str, Tensor]:
    """One GAN step and one joint step on the training images at `chosen` (B,); losses, detached."""
    preset, noise = run.preset, run.noise
    run.players.train()
    reals = to_network_range(run.images[chosen])
    # The GAN learns from the images as they are, EuiNet from augmented ones.
    gan_reals = reals[: preset.gan.batch_size]
    latents = torch.randn(len(gan_reals), preset.gan.latent_size, generator=noise, device=noise.device)
    game = gan_step(run.fabric, run.players, gan_reals, latents, preset.gan)

    # Reals and fakes go through the same augmentation, or it alone would tell them apart.
    both = augment(torch.cat([reals, game.fakes]), preset.data.augmentation, noise)
    images, fakes = both.split([len(reals), len(game.fakes)])
    targets = F.one_hot(run.labels[chosen], run.classes).float()
    images, targets = stitch(images, targets, preset.data.stitched, noise)
    losses = joint_step(run.fabric, run.players, Batch(images, targets), fakes, preset.training)
    run.schedule.step()
    if run.average is not None:
        run.average.update_parameters(run.players.plain_model())
    return {
        **losses._asdict(),
        "gan_disc_loss": game.disc_loss,
        "gan_gen_loss": game.generator_loss,
        "fake_diversity": _diversity(game.fakes) / _diversity(gan_reals).clamp(min=1e-6),
    }


@torch.no_grad()
def validation_accuracy(run: TrainingRun) -> float:
    """Return the classifier's accuracy on the validation images, without the reject option."""
    model, device = run.evaluated_model(), run.fabric.device
    right = 0
    for start in range(0, len(run.validation), 500):
        part = run.validation.where(torch.arange(start, min(start + 500, len(run.validation))))
        logits = model(to_network_range(part.images.to(device))).class_logits
        right += int((logits.argmax(dim=1).cpu() == part.labels).sum())
    return right / len(run.validation)


def _diversity(images: Tensor) -> Tensor:
    """Mean over pixels of the standard deviation over the batch; near 0 when all images are one."""
    return images.std(dim=0).mean()


def _check_finite(row: dict[str, float]) -> None:
    for name, value in row.items():
        if name.endswith("_loss") and not math.isfinite(value):
            raise TrainingError(
                f"The loss '{name}' is {value} by step {row['step']} (epoch {row['epoch']}): training "
                "diverged. Lower the learning rate of that network or train in float32 (--precision 32-true)."
            )


def _warn_of_collapse(run: TrainingRun, row: dict[str, float], log: TrainingLog) -> None:
    if row["fake_diversity"] < COLLAPSED and row["epoch"] > 1 and not run.collapse_reported:
        run.collapse_reported = True
        log.say(
            f"warning: the GAN has collapsed: its fakes vary {row['fake_diversity']:.0%} as much as real "
            "images. The model discriminator learns little from them; try gan.generator_bias=false or "
            "gan.feature_matching_weight=1."
        )


def _schedule(players: Players, settings: TrainingSettings, total_steps: int) -> LRScheduler:
    """A constant factor, or one cycle: up to it over the first 15 % of the steps, then a cosine to 0."""

    def factor(step: int) -> float:
        if settings.schedule == "constant":
            return settings.rate_factor
        warm = max(1, round(0.15 * total_steps))
        if step < warm:
            return settings.rate_factor * (0.04 + 0.96 * step / warm)
        done = min(1.0, (step - warm) / max(1, total_steps - warm))
        return settings.rate_factor * 0.5 * (1 + math.cos(math.pi * done))

    return LambdaLR(players.model_optimizer.optimizer, factor)


@contextmanager
def _stop_on_interrupt() -> Iterator[threading.Event]:
    """Turn the first Ctrl-C into a flag, read between steps; a second one interrupts at once."""
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    previous = signal.getsignal(signal.SIGINT)

    def on_interrupt(number: int, frame: object) -> None:
        stop.set()
        signal.signal(signal.SIGINT, previous)

    signal.signal(signal.SIGINT, on_interrupt)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, previous)
