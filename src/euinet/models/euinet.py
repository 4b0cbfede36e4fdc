"""EuiNet: classifier and model discriminator in one module, one forward pass, one optimizer."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from euinet.models.discriminators import FeatureDiscriminator, PixelDiscriminator
from euinet.models.resnet import ResNetTrunk
from euinet.presets import ModelSettings
from euinet.records import Outputs


class EuiNet(nn.Module):
    """ResNet classifier plus model discriminator (figure 4 of the report).

    What the discriminator reads is `settings.disc_input`: the image itself ("pixels"), the trunk's
    last pooled stage ("features"), or the pooled output of every stage ("stages").
    """

    def __init__(self, settings: ModelSettings, channels: int, image_size: int, classes: int) -> None:
        super().__init__()
        self.disc_input = settings.disc_input
        self.trunk = ResNetTrunk(channels, settings.trunk_widths, settings.blocks_per_stage)
        sizes = self.trunk.feature_sizes
        self.classifier = nn.Linear(sizes[-1], classes)
        self.discriminator: nn.Module
        if settings.disc_input == "pixels":
            self.discriminator = PixelDiscriminator(channels, image_size)
        else:
            read = sum(sizes) if settings.disc_input == "stages" else sizes[-1]
            self.discriminator = FeatureDiscriminator(read, settings.disc_hidden)

    def forward(self, images: Tensor, disc_images: Tensor | None = None) -> Outputs:
        """Map (B, C, H, W) images in −1 … 1 to class logits (B, K), fake logits (B,), features (B, F).

        With `disc_images` (M, C, H, W) the fake logits (M,) are theirs, from a trunk that is only read.
        """
        stages = self.trunk(images)
        if disc_images is None:
            disc_logits = self._discriminate(images, stages)
        else:
            disc_logits = self._discriminate(disc_images, self._read_trunk(disc_images))
        return Outputs(self.classifier(stages[-1]), disc_logits, stages[-1])

    @torch.no_grad()
    def _read_trunk(self, images: Tensor) -> list[Tensor]:
        """Return the trunk's stages without a gradient and with BatchNorm as at inference.

        Reals and fakes must share such a pass: were one of them normalised by its own batch, the
        discriminator could tell them apart by that alone.
        """
        training = self.trunk.training
        self.trunk.eval()
        stages: list[Tensor] = self.trunk(images)
        self.trunk.train(training)
        return stages

    def _discriminate(self, images: Tensor, stages: list[Tensor]) -> Tensor:
        if self.disc_input == "pixels":
            read = images
        elif self.disc_input == "stages":
            read = torch.cat(stages, dim=1)
        else:
            read = stages[-1]
        logits: Tensor = self.discriminator(read)
        return logits
