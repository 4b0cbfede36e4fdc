"""What is known of a network that others publish: what it wants of images, how its weights are had."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Tensor, nn

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
