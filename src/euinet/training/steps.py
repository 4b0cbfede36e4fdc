"""One training step, in two halves: the GAN plays its game, then EuiNet learns from the same fakes.

`gan_step` is eq. 3 with its two optimizers; `joint_step` is eq. 2 with one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn

from euinet.presets import GanSettings, TrainingSettings
from euinet.records import Batch, Outputs
from euinet.scoring.joint import apply_temperature
from euinet.training.objectives import (
    EuiNetLosses,
    euinet_losses,
    feature_matching_loss,
    gan_discriminator_loss,
    generator_loss,
)
from euinet.training.players import Players


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
    model, both = players.model, torch.cat([batch.images, fakes])
    # One pass over both: under distributed training a second forward before the backward would
    # overwrite BatchNorm's saved statistics.
    outputs: Outputs = model(both) if settings.disc_shapes_trunk else model(batch.images, both)
    class_logits = outputs.class_logits[: len(batch.images)]
    real_disc_logits, fake_disc_logits = outputs.disc_logits.split([len(batch.images), len(fakes)])
    losses = euinet_losses(
        apply_temperature(class_logits, settings.temperature, settings.temperature_rule),
        batch.targets,
        real_disc_logits,
        fake_disc_logits,
        settings.class_loss,
    )
    players.model_optimizer.zero_grad()
    fabric.backward(losses.total)
    players.model_optimizer.step()
    return EuiNetLosses(*(loss.detach() for loss in losses))
