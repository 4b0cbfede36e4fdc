"""One training step, in two halves: the GAN plays its game, then EuiNet learns from the same fakes.

`gan_step` is eq. 3 with its two optimizers; `joint_step` is eq. 2 with one. With several processes each is
given the whole batch, and in the joint steps takes its share of it (training/distributed.py).
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
import torch.nn.functional as F
from lightning_fabric import Fabric
from torch import Tensor, nn

from euinet.networks.records import Outputs
from euinet.presets import DiscriminatorSettings, GanSettings, TrainingSettings
from euinet.scoring.joint import apply_temperature
from euinet.training.distributed import averages, share, share_of_batch, weigh
from euinet.training.objectives import (
    EuiNetLosses,
    euinet_losses,
    feature_matching_loss,
    gan_discriminator_loss,
    generator_loss,
)
from euinet.training.players import Players
from euinet.training.records import Batch, DiscriminatorBatch


class GanStep(NamedTuple):
    """What one GAN step leaves behind."""

    fakes: Tensor  # (B, C, H, W), −1 … 1, detached: the model discriminator learns from these
    disc_loss: Tensor  # scalar, detached
    generator_loss: Tensor  # scalar, detached


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Let gradients pass through `module` without leaving any in its parameters."""
    wanted = [parameter.requires_grad for parameter in module.parameters()]
    module.requires_grad_(False)
    try:
        yield
    finally:
        for parameter, requires_grad in zip(module.parameters(), wanted, strict=True):
            parameter.requires_grad_(requires_grad)


def gan_step(
    fabric: Fabric, players: Players, reals: Tensor, latents: Tensor, settings: GanSettings
) -> GanStep:
    """Play one round of eq. 3 on `reals` (B, C, H, W) and `latents` (B, latent_size).

    The fakes are made once, for both players here and for EuiNet afterwards.
    """
    generator, discriminator = players.generator, players.gan_discriminator
    fakes = generator(latents)

    # (1) update D: maximise log D(x) + log(1 − D(G(z))). One pass over both halves.
    scored = discriminator(torch.cat([reals, fakes.detach()]))
    real_logits, fake_logits = scored.real_logits.split([len(reals), len(fakes)])
    disc_loss = gan_discriminator_loss(real_logits, fake_logits)
    players.gan_disc_optimizer.zero_grad()
    fabric.backward(disc_loss)
    players.gan_disc_optimizer.step()

    # (2) update G: maximise log D(G(z)), or match the mean of D's features, or both.
    with frozen(discriminator):
        scored_fakes = discriminator(fakes)
        loss = settings.adversarial_weight * generator_loss(scored_fakes.real_logits)
        if settings.feature_matching_weight > 0:
            with torch.no_grad():
                real_features = discriminator(reals).features
            matching = feature_matching_loss(real_features, scored_fakes.features)
            loss = loss + settings.feature_matching_weight * matching
        players.generator_optimizer.zero_grad()
        fabric.backward(loss)
    players.generator_optimizer.step()
    return GanStep(fakes.detach(), disc_loss.detach(), loss.detach())


def joint_step(
    fabric: Fabric, players: Players, batch: Batch, fakes: Tensor, settings: TrainingSettings
) -> EuiNetLosses:
    """Update EuiNet once by eq. 2 on a batch of reals x_r and the fakes x_f; return its losses, detached.

    With `settings.disc_shapes_trunk` the discriminator's gradient goes on into the trunk; without, the
    discriminator reads the trunk that the classifier alone has shaped.
    """
    mine, my_fakes = share_of_batch(fabric, batch), share(fabric, fakes)
    model, both = players.model, torch.cat([mine.images, my_fakes])
    # One pass over both: under distributed training a second forward before the backward would
    # overwrite BatchNorm's saved statistics.
    outputs: Outputs = (
        model(both) if settings.disc_shapes_trunk else model(mine.images, both, posed=mine.posed)
    )
    real_disc_logits, fake_disc_logits = outputs.disc_logits.split([len(mine.images), len(my_fakes)])
    losses = _losses(fabric, outputs, mine, batch, real_disc_logits, fake_disc_logits, settings)
    losses = losses._replace(
        disc_real_loss=weigh(fabric, losses.disc_real_loss, mine.images, batch.images),
        disc_fake_loss=weigh(fabric, losses.disc_fake_loss, my_fakes, fakes),
    )
    return _update(fabric, players, losses)


def joint_step_with_outliers(
    fabric: Fabric,
    players: Players,
    batch: Batch,
    disc_batch: DiscriminatorBatch,
    settings: TrainingSettings,
    disc: DiscriminatorSettings,
) -> EuiNetLosses:
    """Update EuiNet once by eq. 2 where x_f are the GAN's fakes, pseudo-outliers and mixed features.

    The discriminator reads a trunk that the classifier alone has shaped. What each kind of x_f weighs in
    the third sum is `disc.outlier_share` and `disc.mixture_share`; the GAN's fakes have the rest.
    Of several processes each passes its share of `batch`, and all of `disc_batch`, which is small and does
    not grow with the batch.
    """
    mine = share_of_batch(fabric, batch)
    reals, fakes, outliers, mixing = disc_batch
    read = torch.cat([reals, fakes, outliers])
    outputs: Outputs = players.model(mine.images, read, reals=len(reals), mixing=mixing, posed=mine.posed)
    counts = [len(reals), len(fakes), len(outliers), len(mixing.first)]
    real_logits, *fake_logits = outputs.disc_logits.split(counts)
    weights = fake_weights(fake_logits, (disc.outlier_share, disc.mixture_share))
    losses = _losses(fabric, outputs, mine, batch, real_logits, torch.cat(fake_logits), settings, weights)
    return _update(fabric, players, losses)


def fake_weights(parts: Sequence[Tensor], shares: tuple[float, float]) -> Tensor:
    """Return one weight for each logit of (fakes, outliers, mixtures), together 1.

    `shares` are the outliers' and the mixtures'; the fakes have the rest. Within a part all weigh alike;
    the share of an empty part goes to the others.
    """
    outlier_share, mixture_share = shares
    wanted = (1 - outlier_share - mixture_share, outlier_share, mixture_share)
    weights = torch.cat(
        [torch.full_like(part, share / max(1, len(part))) for part, share in zip(parts, wanted, strict=True)]
    )
    return weights / weights.sum()


def _losses(
    fabric: Fabric,
    outputs: Outputs,
    mine: Batch,
    whole: Batch,
    real_disc_logits: Tensor,
    fake_disc_logits: Tensor,
    settings: TrainingSettings,
    weights: Tensor | None = None,
) -> EuiNetLosses:
    """Return what this process's share `mine` of the batch adds; the discriminator's two are plain means."""
    class_logits = outputs.class_logits[: len(mine.images)]
    losses = euinet_losses(
        apply_temperature(class_logits, settings.temperature, settings.temperature_rule),
        mine.targets,
        real_disc_logits,
        fake_disc_logits,
        settings.class_loss,
        weights,
    )
    losses = losses._replace(class_loss=weigh(fabric, losses.class_loss, mine.images, whole.images))
    if outputs.pose_logits is None or mine.pose_labels is None or whole.pose_labels is None:
        return losses
    pose_loss = settings.pose_weight * F.cross_entropy(outputs.pose_logits, mine.pose_labels)
    return losses._replace(pose_loss=weigh(fabric, pose_loss, mine.pose_labels, whole.pose_labels))


def _update(fabric: Fabric, players: Players, losses: EuiNetLosses) -> EuiNetLosses:
    players.model_optimizer.zero_grad()
    fabric.backward(losses.total)
    players.model_optimizer.step()
    present = losses.present()
    return EuiNetLosses(**dict(zip(present, averages(fabric, present.values()), strict=True)))
