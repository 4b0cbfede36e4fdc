"""A subject taken apart, as pytorch-ood's detectors want it: encoder, backbone, layers, head."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import cast

from torch import Tensor, nn

from euinet.detectors.subject import Subject
from euinet.errors import UsageError
from euinet.networks.euinet import EuiNet
from euinet.networks.folded import fold_batch_norms
from euinet.scoring.baselines import ClassifierOnly


class Encoder(nn.Module):
    """Images (B, C, H, W) → the features (B, F) that the classifier reads."""

    def __init__(self, trunk: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk

    def forward(self, images: Tensor) -> Tensor:
        """Return the features that the classifier reads."""
        features: Tensor = self.trunk(images)[-1]
        return features


class PooledHead(nn.Module):
    """Feature maps (B, F, H, W) → class logits (B, K)."""

    def __init__(self, head: nn.Module) -> None:
        super().__init__()
        self.head = head

    def forward(self, maps: Tensor) -> Tensor:
        """Pool and classify."""
        logits: Tensor = self.head(maps.mean(dim=(2, 3)))
        return logits


@dataclass(frozen=True)
class Parts:
    """The networks of a subject in float32 and eval mode, and their parts, which share the weights.

    They are copies: some of pytorch-ood's detectors move networks or leave gradients in them.
    """

    subject: Subject
    model: EuiNet

    @staticmethod
    def of(subject: Subject) -> Parts:
        """Take a subject apart."""
        return Parts(subject, cast(EuiNet, fold_batch_norms(subject.model).float()))

    @property
    def gan_discriminator(self) -> nn.Module:
        """The GAN's own discriminator. Raises UsageError where the subject has none."""
        if self.subject.gan_discriminator is None:
            raise UsageError(
                "The GAN's discriminator is not there, and saved models do not keep it: leave out the "
                "detectors that need it, or train the model anew."
            )
        return copy.deepcopy(self.subject.gan_discriminator).float().eval()

    @property
    def classifier(self) -> nn.Module:
        """Images → class logits (B, K)."""
        return ClassifierOnly(self.model)

    @property
    def frozen_classifier(self) -> nn.Module:
        """A copy of `classifier` whose weights take no gradient: only the images' is wanted."""
        return copy.deepcopy(self.classifier).requires_grad_(False)

    @property
    def head(self) -> nn.Linear:
        """Features (B, F) → class logits (B, K)."""
        return self.model.classifier

    @property
    def encoder(self) -> nn.Module:
        """Images → pooled features (B, F)."""
        return Encoder(self.model.trunk)

    @property
    def frozen_encoder(self) -> nn.Module:
        """A copy of `encoder` whose weights take no gradient: only the images' is wanted."""
        return copy.deepcopy(self.encoder).requires_grad_(False)

    @property
    def layers(self) -> list[nn.Module]:
        """The stages one after the other, the stem before the first: images → maps → … → maps."""
        first, *others = self.model.trunk.stages
        return [nn.Sequential(self.model.trunk.stem, first), *others]

    @property
    def all_layers(self) -> list[nn.Module]:
        """Those, then the embedding as maps of one pixel, if there is one; pooled, the pass's stages."""
        embed = self.model.trunk.embed
        return self.layers if embed is None else [*self.layers, nn.Sequential(embed, _as_pixel())]

    @property
    def backbone(self) -> nn.Module:
        """Images → the last stage's feature maps (B, C, H, W), one memory layout whatever the images'."""
        return nn.Sequential(*self.layers, Contiguous())

    @property
    def pooled_backbone(self) -> nn.Module:
        """Images → pooled features as maps of one pixel, (B, F, 1, 1)."""
        return nn.Sequential(self.encoder, _as_pixel())

    @property
    def pooled_head(self) -> nn.Module:
        """What `pooled_backbone` gives, (B, F, 1, 1) → class logits (B, K)."""
        return PooledHead(self.head)

    @property
    def map_head(self) -> nn.Module:
        """What `backbone` gives, (B, C, H, W) → class logits (B, K)."""
        embed = self.model.trunk.embed
        return self.pooled_head if embed is None else nn.Sequential(embed, self.head)

    @property
    def features(self) -> int:
        """F."""
        return self.head.in_features


def _as_pixel() -> nn.Module:
    """Features (B, F) → maps of one pixel (B, F, 1, 1)."""
    return nn.Unflatten(1, (-1, 1, 1))


class Contiguous(nn.Module):
    """The same numbers, in rows: several of pytorch-ood's detectors flatten maps by `view`."""

    def forward(self, maps: Tensor) -> Tensor:
        """Return `maps` contiguous in memory."""
        return maps.contiguous()
