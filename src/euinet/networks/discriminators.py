"""The two discriminators: the GAN's plays the game, the model's learns off to the side and is kept.

Neither uses BatchNorm: a score must not depend on which other images are in the batch.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from euinet.networks.resnet import StemConv

LEAK = 0.2  # slope of LeakyReLU below zero, as in DCGAN


def _downsampling(channels: int, width: int, image_size: int) -> tuple[nn.Sequential, int]:
    """Two stride-2 convolutions and a flatten; returns them and the number of features."""
    layers = nn.Sequential(
        StemConv(channels, width, 4, stride=2, padding=1),
        nn.LeakyReLU(LEAK),
        nn.Conv2d(width, 2 * width, 4, stride=2, padding=1),
        nn.LeakyReLU(LEAK),
        nn.Flatten(),
    )
    return layers, 2 * width * (image_size // 4) ** 2


class GanDiscriminatorOutputs(NamedTuple):
    """What the GAN's discriminator says of B images."""

    real_logits: Tensor  # (B,), D(x) = sigmoid(real_logits): 1 real … 0 fake (eq. 3)
    features: Tensor  # (B, F), the layer whose mean feature matching compares


class GanDiscriminator(nn.Module):
    """D of eq. 3. Its only job is to push the generator."""

    def __init__(self, channels: int, image_size: int, width: int = 32) -> None:
        super().__init__()
        self.layers, features = _downsampling(channels, width, image_size)
        self.real = nn.Linear(features, 1)

    def forward(self, images: Tensor) -> GanDiscriminatorOutputs:
        """Score (B, C, H, W) images in −1 … 1."""
        features = self.layers(images)
        return GanDiscriminatorOutputs(self.real(features).squeeze(1), features)


class FeatureDiscriminator(nn.Module):
    """Model discriminator that reads the trunk's pooled features: (B, F) → fake logit (B,)."""

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(features, hidden), nn.LeakyReLU(LEAK), nn.Linear(hidden, 1))

    def forward(self, features: Tensor) -> Tensor:
        """Return the logit of "fake" for each row, (B,)."""
        logits: Tensor = self.layers(features).squeeze(1)
        return logits


class RunningStandardiser(nn.Module):
    """Bring each of F features to mean 0 and deviation 1 by averages over the real images of past batches.

    Unlike BatchNorm it never uses the batch at hand, so a row's result does not depend on the others.
    """

    mean: Tensor
    variance: Tensor
    batches: Tensor

    def __init__(self, features: int, decay: float = 0.99) -> None:
        super().__init__()
        self.decay = decay
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("variance", torch.ones(features))
        self.register_buffer("batches", torch.zeros(()))

    @torch.no_grad()
    def follow(self, reals: Tensor) -> None:
        """Take the features (B, F) of real images into the averages."""
        self.batches += 1
        weight = torch.clamp(1 / self.batches, min=1 - self.decay)
        variance, mean = torch.var_mean(reals.float(), dim=0, correction=0)
        self.mean.lerp_(mean, weight)
        self.variance.lerp_(variance, weight)

    def forward(self, features: Tensor) -> Tensor:
        """Return (B, F) features, standardised."""
        return (features.float() - self.mean) * (self.variance + 1e-6).rsqrt()


class EvidenceDiscriminator(nn.Module):
    """Model discriminator that reads all that trunk and classifier found: (B, F) → fake logit (B,)."""

    def __init__(self, features: int, hidden: int) -> None:
        super().__init__()
        self.standardise = RunningStandardiser(features)
        self.layers = nn.Sequential(
            nn.Linear(features, hidden),
            nn.LeakyReLU(LEAK),
            nn.Linear(hidden, hidden),
            nn.LeakyReLU(LEAK),
            nn.Linear(hidden, 1),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return the logit of "fake" for each row, (B,)."""
        logits: Tensor = self.layers(self.standardise(features)).squeeze(1)
        return logits


class PixelDiscriminator(nn.Module):
    """Model discriminator that reads the image itself: (B, C, H, W) → fake logit (B,)."""

    def __init__(self, channels: int, image_size: int, width: int = 32) -> None:
        super().__init__()
        layers, features = _downsampling(channels, width, image_size)
        self.layers = nn.Sequential(layers, nn.Linear(features, 1))

    def forward(self, images: Tensor) -> Tensor:
        """Return the logit of "fake" for each image, (B,)."""
        logits: Tensor = self.layers(images).squeeze(1)
        return logits
