"""EuiNet: classifier and model discriminator in one module, one forward pass, one optimizer."""

import torch
from torch import Tensor, nn

from euinet.augmentations.poses import POSES
from euinet.errors import UsageError
from euinet.networks.discriminators import EvidenceDiscriminator, FeatureDiscriminator, PixelDiscriminator
from euinet.networks.memory import KnownDistances, KnownMemory
from euinet.networks.records import Mixing, Outputs
from euinet.networks.trunks import make_trunk
from euinet.presets import ModelSettings


class EuiNet(nn.Module):
    """ResNet classifier plus model discriminator (figure 4 of the report).

    `shape` is that of what is classified: (C, H, W) of images, or (F,) of embeddings. With
    `settings.logits_given` (K classes, W numbers a row) each row ends with the K logits that another
    classifier gave: these are the class logits as they are, and features are the W − K numbers before them,
    or the logits themselves where there are no others. The trunk is that of the backbone
    `settings.backbone` (trunks.py). Raises UnknownNameError without one, UsageError for rows that are too
    short for their logits, or a discriminator of pixels where there are none.
    What the discriminator reads is `settings.disc_input`: the image itself ("pixels"), the trunk's
    last pooled stage ("features"), the pooled output of every stage ("stages"), or those and the class
    logits in falling order ("evidence").
    """

    def __init__(self, settings: ModelSettings, shape: tuple[int, ...], classes: int) -> None:
        super().__init__()
        self.disc_input = settings.disc_input
        self.given = settings.logits_given and len(shape) == 1
        self.width = shape[0]  # of a row with all that was given
        if self.given and self.width < classes:
            raise UsageError(
                f"Rows of {self.width} numbers cannot end with the logits of {classes} classes: give "
                "features and then all logits in each row, or leave model.logits_given out."
            )
        self.trunk = make_trunk(settings, (shape[0] - classes or classes,) if self.given else shape)
        sizes = self.trunk.feature_sizes
        self.classifier = nn.Linear(sizes[-1], classes)
        self.pose_head: nn.Linear | None = None  # there while training, where the preset asks for it
        self.memory: KnownMemory | KnownDistances | None = None
        if settings.memory_per_class > 0:
            kind = KnownDistances if settings.memory_kind == "separate" else KnownMemory
            self.memory = kind(classes, settings.memory_per_class, sizes[-1], settings.memory_neighbours)
        self.discriminator: nn.Module
        if settings.disc_input == "pixels":
            if len(shape) == 1:
                raise UsageError("model.disc_input is pixels, but embeddings have none: set it to evidence.")
            self.discriminator = PixelDiscriminator(shape[0], shape[1])
        elif settings.disc_input == "evidence":
            self.discriminator = EvidenceDiscriminator(sum(sizes) + classes, settings.disc_hidden)
        else:
            read = sum(sizes) if settings.disc_input == "stages" else sizes[-1]
            self.discriminator = FeatureDiscriminator(read, settings.disc_hidden)

    def add_pose_head(self) -> None:
        """Add the head that tells class and pose apart: in training it shapes the trunk, then it goes."""
        self.pose_head = nn.Linear(self.classifier.in_features, POSES * self.classifier.out_features)

    def drop_pose_head(self) -> None:
        """Take that head away, if it is there."""
        self.pose_head = None

    def forward(
        self,
        images: Tensor,
        disc_images: Tensor | None = None,
        reals: int = 0,
        mixing: Mixing | None = None,
        posed: Tensor | None = None,
    ) -> Outputs:
        """Map (B, C, H, W) images in −1 … 1 to class logits (B, K), fake logits (B,), features (B, F).

        Embeddings (B, F) stand in the place of images wherever the network reads such.

        With `disc_images` (M, C, H, W) the fake logits (M,) are theirs, from a trunk that is only read; the
        first `reals` of them are real images. `mixing` adds fake logits for mixtures of the rows it names.
        `posed` (P, C, H, W) images share the pass of `images` and get pose logits (P, K·8) instead.
        """
        count = images.shape[0]  # not len(): an export keeps the number of images open
        stages = self.trunk(images if posed is None else torch.cat([images, posed]))
        pose_logits = None
        if posed is not None and self.pose_head is not None:
            pose_logits = self.pose_head(stages[-1][count:])
            stages = [stage[:count] for stage in stages]
        class_logits = self._classify(images, stages)
        if disc_images is None:
            disc_logits = self._discriminate(images, stages, class_logits)
        else:
            disc_logits = self._discriminate_read(disc_images, reals, mixing)
        return Outputs(class_logits, disc_logits, stages[-1], pose_logits)

    def _discriminate_read(self, images: Tensor, reals: int, mixing: Mixing | None) -> Tensor:
        """Return the fake logits of images, then of mixtures; trunk and classifier are only read."""
        stages, class_logits = self._read(images)
        if mixing is not None:
            mixed = [mixing.of(stage) for stage in stages]
            stages = [torch.cat(pair) for pair in zip(stages, mixed, strict=True)]
            with torch.no_grad():
                class_logits = torch.cat([class_logits, self.classifier(mixed[-1])])
        if reals > 0 and isinstance(self.discriminator, EvidenceDiscriminator):
            known = _evidence([stage[:reals] for stage in stages], class_logits[:reals])
            self.discriminator.standardise.follow(known)
        return self._discriminate(images, stages, class_logits)

    @torch.no_grad()
    def _read(self, images: Tensor) -> tuple[list[Tensor], Tensor]:
        """Return the trunk's stages and class logits without a gradient and with BatchNorm as at inference.

        Reals and fakes must share such a pass: were one of them normalised by its own batch, the
        discriminator could tell them apart by that alone.
        """
        training = self.trunk.training
        self.trunk.eval()
        stages: list[Tensor] = self.trunk(images)
        self.trunk.train(training)
        return stages, self._classify(images, stages)

    def _classify(self, images: Tensor, stages: list[Tensor]) -> Tensor:
        """Return the class logits (B, K): those that came with the rows, where these have them."""
        if self.given and images.shape[1] == self.width:
            return images[:, -self.classifier.out_features :]
        logits: Tensor = self.classifier(stages[-1])
        return logits

    def _discriminate(self, images: Tensor, stages: list[Tensor], class_logits: Tensor) -> Tensor:
        if self.disc_input == "pixels":
            read = images
        elif self.disc_input == "evidence":
            read = _evidence(stages, class_logits)
        elif self.disc_input == "stages":
            read = torch.cat(stages, dim=1)
        else:
            read = stages[-1]
        logits: Tensor = self.discriminator(read)
        return logits


def _evidence(stages: list[Tensor], class_logits: Tensor) -> Tensor:
    """Join pooled stages and class logits in falling order: how sure the best is, not which class it is."""
    return torch.cat([*stages, class_logits.sort(dim=1, descending=True).values], dim=1)
