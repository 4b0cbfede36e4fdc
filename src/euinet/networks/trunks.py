"""Which backbones there are, by the name in `model.backbone`; another package adds its own the same way."""

from collections.abc import Callable

from euinet.networks.lite import LITE
from euinet.networks.published import published
from euinet.networks.resnet import small_resnet
from euinet.networks.timm_networks import TIMM
from euinet.networks.torchvision_networks import TORCHVISION
from euinet.networks.torchvision_resnet import TORCHVISION_RESNETS, torchvision_resnet
from euinet.networks.trunk import MakeTrunk, Trunk
from euinet.networks.vectors import VectorTrunk
from euinet.networks.whole import whole_network
from euinet.presets import ModelSettings
from euinet.system.registry import Registry

__all__ = ["BACKBONES", "ModelSettings", "Trunk", "register_backbone", "trunk_maker"]

BACKBONES: Registry[MakeTrunk] = Registry("backbone", "euinet.backbones")
_OWN_SMALL = "small"  # what an empty `model.backbone` means


def register_backbone(name: str) -> Callable[[MakeTrunk], MakeTrunk]:
    """Make the decorated function (see `MakeTrunk`) the backbone `name`, or with "NAME/" a family of them.

    Raises UsageError for a name that is taken.
    """

    def register(make: MakeTrunk) -> MakeTrunk:
        BACKBONES.add(name, make, make.__module__)
        return make

    return register


register_backbone(_OWN_SMALL)(small_resnet)
for _name in TORCHVISION_RESNETS:
    register_backbone(_name)(torchvision_resnet)
for _name in (*LITE, TIMM, TORCHVISION):
    register_backbone(_name)(whole_network)


def trunk_maker(settings: ModelSettings) -> MakeTrunk:
    """Return what makes the trunk that `settings.backbone` names. Raises UnknownNameError.

    UsageError where the name is one of a network that EuiNet cannot use.
    """
    make = BACKBONES[settings.backbone or _OWN_SMALL]
    if make is whole_network:
        published(settings.backbone)  # of a family any name is taken; is there such a network?
    return make


def make_trunk(settings: ModelSettings, shape: tuple[int, ...]) -> Trunk:
    """Return the trunk for images of `shape` (C, H, W), or for embeddings (F,). Raises UnknownNameError."""
    if len(shape) == 1:
        return VectorTrunk(shape[0], settings.embedding)
    return trunk_maker(settings)(settings, shape[0], shape[1])
