"""What each network sees in one step.

    images as they are ──► the GAN: its reals, and latents that become fakes
    images and fakes, augmented alike ──► the classifier: whole images, some stitched, and posed ones
                                     └──► the model discriminator: reals against fakes, outliers, mixtures

Everything drawn comes from the run's one stream, in the order of the functions here: another order is another
training. Where a part needs fewer images than there are, reals are the first of the batch, outliers and posed
images the last, so that one image is asked for twice only where that cannot be helped.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from euinet.augmentations.augment import augment, stitch
from euinet.augmentations.outliers import partners, pseudo_outliers
from euinet.augmentations.poses import posed_batch
from euinet.augmentations.vectors import vector_outliers
from euinet.networks.records import Mixing
from euinet.presets import DiscriminatorSettings, GanSettings, Preset
from euinet.training.records import Batch, DiscriminatorBatch


def gan_batch(images: Tensor, settings: GanSettings, noise: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return the reals (G, C, H, W) of images (B, C, H, W), and latents (G, latent_size), normally drawn.

    The images are to be as they are: what the GAN makes shall look like them, not like augmented ones.
    """
    reals = images[: settings.batch_size]
    latents = torch.randn(len(reals), settings.latent_size, generator=noise, device=noise.device)
    return reals, latents


def augment_alike(
    images: Tensor, fakes: Tensor, strength: float, noise: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return images (B, C, H, W) and fakes (G, C, H, W) through one augmentation; embeddings as they are.

    Were they not varied alike, the augmentation alone would tell them apart.
    """
    if images.ndim == 2:
        return images, fakes
    both = augment(torch.cat([images, fakes]), strength, noise)
    return both[: len(images)], both[len(images) :]


def classifier_batch(
    images: Tensor, labels: Tensor, classes: int, preset: Preset, noise: torch.Generator
) -> Batch:
    """Return what trunk and classifier see of augmented images (B, C, H, W) and labels (B,).

    `data.stitched` of the images, the first, are stitched; of the last, whole, `training.poses` are posed.
    Where the preset has only fakes, the model discriminator's reals are these images as well.
    """
    stitched = stitch(images, F.one_hot(labels, classes).float(), preset.data.stitched, noise)
    if not preset.training.poses:
        return Batch(*stitched)
    last = _last(images, preset.training.poses)
    return Batch(*stitched, *posed_batch(images[last], labels[last], noise))


def discriminator_batch(
    images: Tensor, labels: Tensor, fakes: Tensor, settings: DiscriminatorSettings, noise: torch.Generator
) -> DiscriminatorBatch:
    """Return what the model discriminator sees of augmented images (B, C, H, W), labels (B,) and fakes.

    Its reals are whole images: stitched ones are what outliers are made of.
    """
    reals = settings.reals or len(images)
    last = _last(images, settings.outliers)
    make = vector_outliers if images.ndim == 2 else pseudo_outliers
    outliers = make(images[last], labels[last], noise) if settings.outliers else images[:0]
    return DiscriminatorBatch(
        images[:reals], fakes, outliers, mixing(labels[:reals], settings.mixtures, noise)
    )


def mixing(labels: Tensor, count: int, noise: torch.Generator) -> Mixing:
    """Return how to mix reals of labels (R,) into `count` mixtures, each real in turn with a partner.

    The partner is of another class where there is one. A mixture lies 0.3 to 0.7 of the way to it: nearer to
    either end it would be an image of that class.
    """
    share = 0.3 + 0.4 * torch.rand(count, 1, generator=noise, device=labels.device)
    first = torch.arange(count, device=labels.device) % len(labels)
    return Mixing(first, partners(labels, noise)[first], share)


def _last(images: Tensor, count: int) -> slice:
    """The last `count` images, or all where there are fewer."""
    return slice(len(images) - min(count, len(images)), None)
