"""The three networks and their optimizers, made from a preset and a seed."""

import copy
from dataclasses import dataclass
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.wrappers import _FabricModule, _FabricOptimizer
from torch import nn
from torch.optim import Adam

from euinet.data.split.stratify import turn_by_turn
from euinet.networks.discriminators import GanDiscriminator
from euinet.networks.euinet import EuiNet
from euinet.networks.generators import ConvolutionalGenerator, DenseGenerator
from euinet.networks.trunks import trunk_maker
from euinet.networks.vectors import (
    VectorGanDiscriminator,
    VectorGenerator,
    VectorTrunk,
    fit_linear,
    fit_softmax,
)
from euinet.presets import GanSettings, OptimizerSettings, Preset, TrainingSettings
from euinet.records import Split
from euinet.system.files import expanded
from euinet.training.synced_norm import sync_norms

MOST_NUMBERS = 2**26  # of the rows that a classifier is fitted to: a quarter of a gigabyte


@dataclass(frozen=True)
class Players:
    """The networks of figure 4 of the report, on the run's device, each with its own Adam."""

    model: _FabricModule  # EuiNet
    model_optimizer: _FabricOptimizer
    generator: _FabricModule
    generator_optimizer: _FabricOptimizer
    gan_discriminator: _FabricModule
    gan_disc_optimizer: _FabricOptimizer

    def train(self) -> None:
        """Put the three networks in training mode."""
        for network in (self.model, self.generator, self.gan_discriminator):
            network.train()

    def plain_model(self) -> nn.Module:
        """Return EuiNet without Fabric's wrapping."""
        module: nn.Module = self.model.module
        return module

    def state_dict(self) -> dict[str, Any]:
        """Return the state of all networks and optimizers."""
        return {name: part.state_dict() for name, part in vars(self).items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take up what `state_dict()` returned."""
        for name, part in vars(self).items():
            part.load_state_dict(state[name])


def build_players(split: Split, preset: Preset, seed: int, fabric: Fabric) -> Players:
    """Make the networks for `split`'s images, weights drawn from `seed`, set up on the run's device.

    The trunk starts from `training.backbone_weights` where the preset names a file. Raises what its
    `load_weights` raises.
    """
    shape = split.train.images.shape[1:]
    trunk_maker(preset.model)  # whatever is drawn while a package is imported, the weights are the seed's
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = EuiNet(preset.model, shape, len(split.known_classes))
        if preset.training.poses:
            model.add_pose_head()
        if isinstance(model.trunk, VectorTrunk):
            measure(model, model.trunk, split, preset.training)
        generator, gan_discriminator = make_gan(preset.gan, model, shape)
    if fabric.world_size > 1:
        # The trunk sees a share of each batch. The generator sees all of its own in every process.
        sync_norms(model.trunk)
    return Players(
        *_set_up(fabric, model, preset.training.optimizer, _groups(model, preset.training)),
        *_set_up(fabric, generator, preset.gan.generator_optimizer),
        *_set_up(fabric, gan_discriminator, preset.gan.disc_optimizer),
    )


def measure(model: EuiNet, trunk: VectorTrunk, split: Split, settings: TrainingSettings) -> None:
    """Tell a network that reads embeddings how they spread, and give it its classifier where that is found.

    Of logits that came with the rows it is the layer that made them. Else, where the classifier reads the
    rows themselves, eq. 2's first sum has nothing to do with the others and is convex: it starts from its
    minimum, and stays.
    """
    trunk.stem.measure(split.train.images)
    if model.given:
        fit_linear(split.train.images, trunk.stem, model.classifier)
    elif trunk.embed is None and settings.head_decay > 0 and settings.class_loss == "cross_entropy":
        chosen = turn_by_turn(split.train.labels)[: max(1, MOST_NUMBERS // trunk.width)]
        known = split.train.where(chosen)
        fit_softmax(known, trunk.stem, model.classifier, settings.head_decay * trunk.width)
    else:
        return
    model.classifier.requires_grad_(False)


def make_gan(settings: GanSettings, model: EuiNet, shape: tuple[int, ...]) -> tuple[nn.Module, nn.Module]:
    """Return the generator that `settings` asks for and the discriminator it plays against."""
    if isinstance(model.trunk, VectorTrunk):
        hidden, spread = 8 * settings.width, model.trunk.stem
        made = VectorGenerator(copy.deepcopy(spread), settings.latent_size, hidden, settings.generator_bias)
        return made, VectorGanDiscriminator(copy.deepcopy(spread), hidden)
    channels, image_size = shape[:2]
    generator = make_generator(settings, channels, image_size)  # first: the order decides the weights drawn
    return generator, GanDiscriminator(channels, image_size, settings.width)


def make_generator(settings: GanSettings, channels: int, image_size: int) -> nn.Module:
    """Return the generator of images that `settings` asks for."""
    kind = {"convolutional": ConvolutionalGenerator, "dense": DenseGenerator}[settings.generator]
    width = settings.width if settings.generator == "convolutional" else 8 * settings.width
    return kind(channels, image_size, settings.latent_size, width, settings.generator_bias)


def _groups(model: EuiNet, settings: TrainingSettings) -> list[dict[str, Any]] | None:
    """Return the optimizer's groups, where some parameters learn at a rate of their own; those come last.

    What comes from a file of weights, which are loaded here, learns slowly.
    """
    if not settings.backbone_weights:
        return None
    loaded = model.trunk.load_weights(expanded(settings.backbone_weights))
    known = {id(parameter) for parameter in loaded}
    new = [parameter for parameter in model.parameters() if id(parameter) not in known]
    slow = settings.backbone_rate * settings.optimizer.learning_rate
    return [{"params": new}, {"params": loaded, "lr": slow}]


def _set_up(
    fabric: Fabric,
    network: nn.Module,
    settings: OptimizerSettings,
    groups: list[dict[str, Any]] | None = None,
) -> tuple[_FabricModule, _FabricOptimizer]:
    # channels-last makes bf16 convolutions several times faster on CPUs and GPUs alike
    network = network.to(memory_format=torch.channels_last)
    optimizer = Adam(
        groups or network.parameters(),
        lr=settings.learning_rate,
        betas=(settings.beta1, settings.beta2),
        fused=True,
    )
    wrapped: tuple[_FabricModule, _FabricOptimizer] = fabric.setup(network, optimizer)
    return wrapped
