"""The training loop: fit_loop → run_epoch → train_step, with checkpoints in between."""

import math
import time
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor

from euinet.errors import TrainingError, UsageError
from euinet.networks import as_tensor, to_network_range
from euinet.networks.half import round_weights
from euinet.presets import Preset
from euinet.records import Split
from euinet.scoring.inference import remember
from euinet.system.files import make_folder, storage_error
from euinet.system.interrupts import Stop, stop_between_steps
from euinet.training.batch import augment_alike, classifier_batch, discriminator_batch, gan_batch
from euinet.training.checkpoint import drop_checkpoints, load_checkpoint
from euinet.training.distributed import UnheardLog, agreed, from_first, share, total
from euinet.training.log import TrainingLog
from euinet.training.run import Trained, TrainingRun
from euinet.training.steps import gan_step, joint_step, joint_step_with_outliers

LOG_EVERY = 50  # steps, and at each epoch's end; also how late a loss that is not finite can be noticed
SAVE_EVERY = 60.0  # seconds between checkpoints within an epoch
COLLAPSED = 0.1  # fakes vary less than this share of what the real images do


def train(
    split: Split,
    preset: Preset,
    seed: int,
    folder: Path,
    fabric: Fabric,
    *,
    resume: bool = False,
    fresh: bool = False,
    quiet: bool = False,
) -> Trained:
    """Train EuiNet and its GAN on `split.train`, writing log and checkpoints to `folder`.

    Only known training images are read; `split.validation` is scored after each epoch for the log.
    A run that was interrupted goes on from the checkpoint in `folder`, bit for bit as if it had not been, and
    one that is finished is not repeated; with `resume` there must be a checkpoint, with `fresh` those of any
    run are removed. Raises TrainingError for a loss that is not finite and KeyboardInterrupt after Ctrl-C or
    SIGTERM, with the checkpoint written first; UsageError, and leaves all as it was, for a `folder` of
    another run.
    """
    run = TrainingRun(split, preset, seed, folder, fabric)
    kind = TrainingLog if fabric.is_global_zero else UnheardLog
    log = kind(folder, run.total_steps, quiet=quiet)
    take_up(run, log, resume=resume, fresh=fresh)
    with log, stop_between_steps() as stop:
        log.start_with(run.history)
        fit_loop(run, log, stop)
    trained = run.finish()
    if preset.training.half_weights:
        round_weights(trained.model)
    remember(trained.model, split.train)
    return trained


def take_up(run: TrainingRun, log: TrainingLog, *, resume: bool, fresh: bool) -> None:
    """Bring `run` to where the checkpoint in its folder is, if there is one, and say so."""
    if resume and fresh:
        raise UsageError(
            "--resume goes on and --fresh starts anew: give one of them, or none to go on if possible."
        )
    state = from_first(run.fabric, lambda: _found(run, log, fresh=fresh))
    if state is not None:
        run.restore(state)
        if run.step < run.total_steps:
            log.notify(
                f"Going on at step {run.step} of {run.total_steps}, from the checkpoint in {run.folder}."
            )
        else:
            log.notify(f"Trained already, {run.step} steps: nothing is trained anew (--fresh would do that).")
    elif resume:
        raise TrainingError(
            f"There is no checkpoint to resume from in {run.folder}; leave out --resume to start anew."
        )


def _found(run: TrainingRun, log: TrainingLog, *, fresh: bool) -> dict[str, Any] | None:
    """Return the checkpoint in the run's folder, which is made, or None."""
    try:
        make_folder(run.folder)
    except OSError as error:
        raise storage_error(run.folder, error) from error
    if fresh:
        drop_checkpoints(run.folder)
    return load_checkpoint(run.folder, run.identity, log.notify)


def fit_loop(run: TrainingRun, log: TrainingLog, stop: Stop) -> None:
    """Run the epochs that are left; a checkpoint after each, every SAVE_EVERY, and when `stop` is set."""
    for epoch in range(run.step // run.steps_per_epoch, run.epochs):
        run_epoch(run, epoch, log, stop)
        accuracy = validation_accuracy(run)
        text = f"epoch {epoch + 1}/{run.epochs}: validation accuracy {accuracy:.2%} (no reject)"
        log.epoch(text, last=epoch + 1 == run.epochs)
        run.save()


def run_epoch(run: TrainingRun, epoch: int, log: TrainingLog, stop: Stop) -> None:
    """Run the steps of `epoch` that are left, logging their mean losses every LOG_EVERY and at its end."""
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
            run.history.append(row)
            log.row(row)
        due = time.monotonic() - run.saved_at >= SAVE_EVERY
        stopping, saving = agreed(run.fabric, run.step, stop.is_set(), due)
        if stopping:
            log.notify(
                f"Interrupted at step {run.step}; {run.save()} holds the state: the same command goes on "
                "from it."
            )
            raise stop.error
        if saving:
            run.save()


def train_step(run: TrainingRun, chosen: Tensor) -> dict[str, Tensor]:
    """One GAN step and one joint step on the training images at `chosen` (B,); losses, detached."""
    fabric, players, preset, noise = run.fabric, run.players, run.preset, run.noise
    players.train()
    images, labels = to_network_range(run.batch(chosen)), run.labels[chosen]

    # (1) The GAN plays one round, on the images as they are.
    reals, latents = gan_batch(images, preset.gan, noise)
    game = gan_step(fabric, players, reals, latents, preset.gan)

    # (2) EuiNet learns from augmented images and the same fakes, augmented alike.
    # (embeddings are not augmented: what they were made of is no longer there)
    images, fakes = augment_alike(images, game.fakes, preset.data.augmentation, noise)
    batch = classifier_batch(images, labels, run.classes, preset, noise)
    if preset.disc.only_fakes:
        losses = joint_step(fabric, players, batch, fakes, preset.training)
    else:
        shown = discriminator_batch(images, labels, fakes, preset.disc, noise)
        losses = joint_step_with_outliers(fabric, players, batch, shown, preset.training, preset.disc)

    # (3) The rate moves on, and the average of the weights follows.
    run.schedule.step()
    if run.average is not None:
        run.average.update_parameters(players.plain_model())
    return {
        **losses.present(),
        "gan_disc_loss": game.disc_loss,
        "gan_gen_loss": game.generator_loss,
        "fake_diversity": _diversity(game.fakes) / _diversity(reals).clamp(min=1e-6),
    }


@torch.no_grad()
def validation_accuracy(run: TrainingRun) -> float:
    """Return the classifier's accuracy on the validation images, without the reject option."""
    model, device = run.evaluated_model(), run.fabric.device
    right = 0
    mine = share(run.fabric, torch.arange(len(run.validation))).numpy()
    for start in range(0, len(mine), 500):
        part = run.validation.where(mine[start : start + 500])
        logits = model(to_network_range(as_tensor(part.images).to(device))).class_logits
        right += int((logits.argmax(dim=1).cpu().numpy() == part.labels).sum())
    return total(run.fabric, right) / len(run.validation)


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
        log.notify(
            f"warning: the GAN has collapsed: its fakes vary {row['fake_diversity']:.0%} as much as real "
            "images. The model discriminator learns little from them; try gan.generator_bias=false or "
            "gan.feature_matching_weight=1."
        )
