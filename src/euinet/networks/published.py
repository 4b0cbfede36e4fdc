"""Networks that others publish, by name: "timm/NAME", "torchvision/NAME" or "efficientnet-liteN"."""

from euinet.errors import UnknownNameError
from euinet.networks.lite import LITE, lite
from euinet.networks.publication import Published
from euinet.networks.timm_networks import TIMM, timm_network
from euinet.networks.torchvision_networks import TORCHVISION, torchvision_network


def published(name: str) -> Published:
    """Return the network of this name; neither it nor its weights are made or read yet.

    Raises UnknownNameError where there is none, or the package that has it is not installed.
    """
    if name in LITE:
        return lite(name)
    for family, find in ((TIMM, timm_network), (TORCHVISION, torchvision_network)):
        if name.startswith(family):
            return find(name)
    raise UnknownNameError(
        f"There is no published network '{name}': choose {', '.join(LITE)}, {TIMM}NAME or {TORCHVISION}NAME."
    )
