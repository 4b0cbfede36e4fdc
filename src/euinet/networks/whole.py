"""A whole network of others as a trunk: all of it is one stage, which gives its features."""

from pathlib import Path

import torch
from torch import Tensor, nn

from euinet.errors import UsageError
from euinet.networks.normalised import Normalised
from euinet.networks.publication import Published
from euinet.networks.published import published
from euinet.networks.trunk import Trunk
from euinet.networks.weights import Asked, fit_weights, read_weights
from euinet.presets import ModelSettings
from euinet.system.words import quoted


class AsMap(nn.Module):
    """A network whose features (B, F) are given as a map of one place, (B, F, 1, 1)."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, 3, H, W) to (B, F, 1, 1)."""
        features: Tensor = self.network(images)
        return features[:, :, None, None]


class WholeNetwork(Trunk):
    """A published network without its last layer, weights drawn at random; its one stage is all of it.

    Raises UsageError for images that have neither 1 nor 3 channels, or are of a size that it cannot read.
    """

    def __init__(self, found: Published, channels: int, image_size: int, embedding: int = 0) -> None:
        if channels not in (1, 3):
            raise UsageError(
                f"The backbone {found.name} reads grey or colour images, 1 or 3 channels, not {channels}; "
                "leave model.backbone out."
            )
        width = features_of(found, image_size)
        network = _built(found, image_size)
        stem = Normalised(found.mean, found.deviation)
        super().__init__(stem, [AsMap(network)], [width], side=1, embedding=embedding)
        self.found, self.network = found.name, [network]  # in a list: its weights are the stage's

    def load_weights(self, path: Path) -> list[nn.Parameter]:
        """Take the weights of a state dict of the network; its classifier is left out.

        Raises what `read_weights` and `fit_weights` (weights.py) raise.
        """
        found = published(self.found)
        asked = Asked(found.called)
        given = found.rename(read_weights(path, asked))
        fit_weights(self.network[0], given, path, asked, found.heads)
        return list(self.stages.parameters())


def whole_network(settings: ModelSettings, channels: int, image_size: int) -> Trunk:
    """Return the published network `settings.backbone` as a trunk. Raises UnknownNameError."""
    return WholeNetwork(published(settings.backbone), channels, image_size, settings.embedding)


def features_of(found: Published, image_size: int) -> int:
    """Return how many features a network gives for an image of `image_size` pixels a side.

    Shapes alone are computed. Raises UsageError where the network cannot read this size.
    """
    try:
        with torch.device("meta"), torch.no_grad():
            network = _built(found, image_size).eval()
            features: Tensor = network(torch.zeros(2, 3, image_size, image_size))
    except UsageError:
        raise
    except Exception as error:  # each library, and each network in it, has its own kinds
        raise UsageError(
            f"The backbone {found.name} cannot read images of {image_size} × {image_size} pixels "
            f"({quoted(error)}): it was made for {found.image_size} × {found.image_size}; change the images' "
            "size or choose another backbone."
        ) from error
    if features.ndim != 2 or features.shape[1] == 0:
        raise UsageError(
            f"The backbone {found.name} gives {tuple(features.shape)} for two images in the place of a row "
            "of features for each: choose another."
        )
    return features.shape[1]


def _built(found: Published, image_size: int) -> nn.Module:
    """Return the network, also on the device "meta" where its library cannot make it there (RegNet's)."""
    if torch.get_default_device().type != "meta":
        return found.build(image_size)
    try:
        return found.build(image_size)
    except NotImplementedError:
        with torch.device("cpu"):
            return found.build(image_size).to("meta")
