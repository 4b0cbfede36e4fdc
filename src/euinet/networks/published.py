"""Networks that others publish, by name: what each wants of an image, and how it and its weights are had.

A name is "timm/NAME", "torchvision/NAME" or "efficientnet-liteN".
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn

from euinet.errors import UnknownNameError

Colours = tuple[float, float, float]  # red, green, blue


@dataclass(frozen=True)
class Published:
    """A network without its last layer: normalised images (B, 3, S, S) → features (B, F)."""

    name: str
    called: str  # "torchvision's resnet18"
    mean: Colours  # of colours in 0 … 1
    deviation: Colours
    image_size: int  # S that its weights were made for
    resize: int  # pixels of the shorter side, of which the middle S × S are cut out
    interpolation: str  # bilinear, bicubic, …
    heads: tuple[str, ...]  # what its classifier's entries begin with in a file of weights
    build: Callable[[int], nn.Module]
    """S → the network, weights drawn at random by torch's generator."""
    fetch: Callable[[], tuple[Mapping[str, Tensor], str]]
    """Return its published weights and what they are. Raises whatever hinders: it downloads."""
    rename: Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]] = field(default=lambda given: given)
    """Bring another naming of the same weights to the network's."""


def published(name: str) -> Published:
    """Return the network of this name; neither it nor its weights are made or read yet.

    Raises UnknownNameError where there is none, or the package that has it is not installed.
    """
    from euinet.networks.lite import LITE, lite
    from euinet.networks.timm_networks import TIMM, timm_network
    from euinet.networks.torchvision_networks import TORCHVISION, torchvision_network

    if name in LITE:
        return lite(name)
    for family, find in ((TIMM, timm_network), (TORCHVISION, torchvision_network)):
        if name.startswith(family):
            return find(name)
    raise UnknownNameError(
        f"There is no published network '{name}': choose {', '.join(LITE)}, {TIMM}NAME or {TORCHVISION}NAME."
    )
