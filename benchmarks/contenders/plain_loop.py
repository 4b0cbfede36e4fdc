"""The training step of preset `default` as a tutorial would write it: the same networks and losses, plainly.

A Dataset that augments each image on its own by torchvision, a DataLoader, the default layout, float32,
torch's own Adam and running average, a pass of the network for each use, fakes made anew for each of three
users. What torchvision has no transform for, the pseudo-outliers, is made by this package, on the batch.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Adam
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from contenders.common import as_torch_has_it
from euinet.augmentations.outliers import partners, pseudo_outliers
from euinet.networks.discriminators import EvidenceDiscriminator, GanDiscriminator
from euinet.networks.euinet import EuiNet, _evidence
from euinet.presets import Preset
from euinet.records import Split
from euinet.training.players import make_generator


class AugmentedImages(Dataset[tuple[Tensor, int, Tensor, int]]):
    """Images of a split: each augmented, and once more in a random pose."""

    def __init__(self, split: Split) -> None:
        self.images, self.labels = torch.from_numpy(split.train.images), split.train.labels
        self.transform = v2.Compose([
            v2.ToDtype(torch.float32, scale=True),
            v2.RandomAffine(degrees=15, translate=(0.075, 0.075), scale=(0.85, 1.15), shear=11),
            v2.ElasticTransform(alpha=20.0, sigma=4.0),
            v2.Normalize([0.5], [0.5]),
        ])  # fmt: skip

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int, Tensor, int]:
        """Return an image (C, H, W), its class, the image in a pose, class and pose as one label."""
        image, label = self.transform(self.images[index]), int(self.labels[index])
        pose = int(torch.randint(8, ()))
        turned = torch.rot90(image.flip(2) if pose >= 4 else image, pose % 4, (1, 2))
        return image, label, turned, 8 * label + pose


class PlainLoop:
    """Networks, optimizers and a loader; `step` is one step of G, D and EuiNet."""

    def __init__(self, split: Split, preset: Preset, workers: int) -> None:
        _, channels, side, _ = split.train.images.shape
        self.preset = preset
        self.model = EuiNet(preset.model, (channels, side, side), len(split.known_classes))
        self.model.add_pose_head()
        self.generator = make_generator(preset.gan, channels, side)
        self.gan_discriminator = GanDiscriminator(channels, side, preset.gan.width)
        for network in (self.model, self.generator, self.gan_discriminator):
            as_torch_has_it(network)
        self.optimizers = [Adam(network.parameters(), lr=1e-4) for network in self._networks()]
        self.average = AveragedModel(self.model, multi_avg_fn=get_ema_multi_avg_fn(0.999), use_buffers=True)
        self.loader = DataLoader(
            AugmentedImages(split),
            preset.training.batch_size,
            shuffle=True,
            drop_last=True,
            num_workers=workers,
        )
        self.noise = torch.Generator().manual_seed(0)

    def _networks(self) -> tuple[nn.Module, ...]:
        return self.model, self.generator, self.gan_discriminator

    def batches(self) -> Iterator[list[Tensor]]:
        """Yield batches for ever."""
        while True:
            yield from self.loader

    def fakes(self) -> Tensor:
        """Make fakes."""
        fakes: Tensor = self.generator(torch.randn(self.preset.gan.batch_size, self.preset.gan.latent_size))
        return fakes

    def step(self, batch: list[Tensor]) -> None:
        """Update D, G and EuiNet."""
        reals, labels, posed, pose_labels = batch
        model_optimizer, generator_optimizer, disc_optimizer = self.optimizers
        some = reals[: self.preset.gan.batch_size]

        disc_optimizer.zero_grad()
        F.softplus(-self.gan_discriminator(some).real_logits).mean().backward()
        F.softplus(self.gan_discriminator(self.fakes().detach()).real_logits).mean().backward()
        disc_optimizer.step()

        generator_optimizer.zero_grad()
        F.softplus(-self.gan_discriminator(self.fakes()).real_logits).mean().backward()
        generator_optimizer.step()

        model_optimizer.zero_grad()
        features = self.model.trunk(reals)[-1]
        loss = F.cross_entropy(self.model.classifier(features), labels)
        assert self.model.pose_head is not None
        loss = loss + F.cross_entropy(self.model.pose_head(self.model.trunk(posed)[-1]), pose_labels)
        loss = loss + self._discriminator_loss(reals, labels)
        loss.backward()
        model_optimizer.step()
        self.average.update_parameters(self.model)
        if not math.isfinite(loss.item()):
            raise SystemExit("the plain loop's loss is not finite")

    def _discriminator_loss(self, reals: Tensor, labels: Tensor) -> Tensor:
        disc, count = self.preset.disc, self.preset.disc.reals
        with torch.no_grad():
            fakes = self.fakes()
            outliers = pseudo_outliers(reals[: disc.outliers], labels[: disc.outliers], self.noise)
            self.model.trunk.eval()
            real, fake, outlier = (self.model.trunk(images) for images in (reals[:count], fakes, outliers))
            self.model.trunk.train()
            other = partners(labels[:count], self.noise)
            mixed = [0.5 * (stage + stage[other]) for stage in real]
        losses = [F.softplus(self._disc_logits(real, follow=True)).mean()]
        for stages, weight in ((fake, 0.15), (outlier, 0.6), (mixed, 0.25)):
            losses.append(weight * F.softplus(-self._disc_logits(stages)).mean())
        return torch.stack(losses).sum()

    def _disc_logits(self, stages: list[Tensor], follow: bool = False) -> Tensor:
        with torch.no_grad():
            evidence = _evidence(stages, self.model.classifier(stages[-1]))
        discriminator = self.model.discriminator
        if follow and isinstance(discriminator, EvidenceDiscriminator):
            discriminator.standardise.follow(evidence)
        logits: Tensor = discriminator(evidence)
        return logits
