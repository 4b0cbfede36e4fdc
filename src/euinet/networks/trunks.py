"""Which backbones there are, by the name in `model.backbone`; another package adds its own the same way."""

from collections.abc import Callable

from euinet.networks.resnet import small_resnet
from euinet.networks.torchvision_resnet import TORCHVISION_RESNETS, torchvision_resnet
from euinet.networks.trunk import MakeTrunk, Trunk
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


def trunk_maker(settings: ModelSettings) -> MakeTrunk:
    """Return what makes the trunk that `settings.backbone` names. Raises UnknownNameError."""
    return BACKBONES[settings.backbone or _OWN_SMALL]
