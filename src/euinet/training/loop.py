"""The training loop: fit_loop → run_epoch → train_step, with checkpoints in between."""

from __future__ import annotations

import math
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from torch import Tensor

from euinet.artifact import round_weights
from euinet.data.augment import augment, stitch
from euinet.data.outliers import partners, pseudo_outliers
from euinet.data.poses import posed_batch
from euinet.errors import TrainingError
from euinet.files import storage_error
from euinet.models import to_network_range
from euinet.presets import DiscriminatorSettings, Preset
from euinet.records import Batch, DiscriminatorBatch, Mixing, Split
from euinet.scoring.inference import remember
from euinet.training.checkpoint import load_checkpoint
from euinet.training.log import TrainingLog
from euinet.training.run import Trained, TrainingRun
from euinet.training.steps import gan_step, joint_step, joint_step_with_outliers

LOG_EVERY = 50  # steps; also how late a loss that is not finite can be noticed
COLLAPSED = 0.1  # fakes vary less than this share of what the real images do


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
    trained = run.finish(history)
    if preset.training.half_weights:
        round_weights(trained.model)
    remember(trained.model, split.train)
    return trained


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
    whole, fakes = both.split([len(reals), len(game.fakes)])
    labels = run.labels[chosen]
    stitched = stitch(whole, F.one_hot(labels, run.classes).float(), preset.data.stitched, noise)
    # From the end of the batch: stitched are the first.
    last = slice(len(whole) - min(preset.training.poses, len(whole)), None)
    posed = posed_batch(whole[last], labels[last], noise) if preset.training.poses else (None, None)
    batch = Batch(*stitched, *posed)
    if preset.disc.only_fakes:
        losses = joint_step(run.fabric, run.players, batch, fakes, preset.training)
    else:
        disc_batch = discriminator_batch(whole, labels, fakes, preset.disc, noise)
        losses = joint_step_with_outliers(
            run.fabric, run.players, batch, disc_batch, preset.training, preset.disc
        )
    run.schedule.step()
    if run.average is not None:
        run.average.update_parameters(run.players.plain_model())
    return {
        **losses.present(),
        "gan_disc_loss": game.disc_loss,
        "gan_gen_loss": game.generator_loss,
        "fake_diversity": _diversity(game.fakes) / _diversity(gan_reals).clamp(min=1e-6),
    }


@torch.no_grad()
def discriminator_batch(
    images: Tensor, labels: Tensor, fakes: Tensor, settings: DiscriminatorSettings, noise: torch.Generator
) -> DiscriminatorBatch:
    """Return what the model discriminator sees of augmented images (B, C, H, W), labels (B,) and fakes."""
    reals = settings.reals or len(images)
    # From the end of the batch, so that an image is not asked for twice where that can be helped.
    last = slice(len(images) - min(settings.outliers, len(images)), None)
    outliers = pseudo_outliers(images[last], labels[last], noise) if settings.outliers else images[:0]
    real_labels = labels[:reals]
    draw = torch.rand(settings.mixtures, 1, generator=noise, device=images.device)
    first = torch.arange(settings.mixtures, device=images.device) % len(real_labels)
    second = partners(real_labels, noise)[first]
    return DiscriminatorBatch(images[:reals], fakes, outliers, Mixing(first, second, 0.3 + 0.4 * draw))


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
