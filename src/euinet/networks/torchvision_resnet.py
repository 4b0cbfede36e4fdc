"""A trunk of torchvision's ResNet family, which can start from weights in a file, such as ImageNet's."""

from collections import OrderedDict
from pathlib import Path

from torch import nn

from euinet.errors import UsageError
from euinet.networks.normalised import Normalised
from euinet.networks.trunk import Trunk
from euinet.networks.weights import Asked, fitting, read_weights
from euinet.presets import ModelSettings

TORCHVISION_RESNETS = (
    *("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"),
    *("resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d", "wide_resnet50_2", "wide_resnet101_2"),
)
HALVINGS = 5  # by the stem's convolution and pooling, then by every stage but the first; they round up


class TorchvisionResNet(Trunk):
    """torchvision's network `name` without its last layer: stem and four stages, weights drawn at random.

    The last stage's map has a 32nd of the image's side, so an image of 32 pixels or fewer has one place, and
    an embedding reads little else than the average there.

    Raises UsageError for images that have neither 1 nor 3 channels.
    """

    def __init__(self, name: str, channels: int, image_size: int, embedding: int = 0) -> None:
        if channels not in (1, 3):
            raise UsageError(
                f"The backbone {name} reads grey or colour images, 1 or 3 channels, not {channels}; "
                "leave model.backbone out."
            )
        from torchvision.models import get_model  # half a second, and only a backbone needs it

        network = get_model(name, weights=None, num_classes=1)
        stem = nn.Sequential(
            OrderedDict(
                to_imagenet=Normalised(),
                conv1=network.conv1,
                bn1=network.bn1,
                relu=network.relu,
                maxpool=network.maxpool,
            )
        )
        stages = [network.layer1, network.layer2, network.layer3, network.layer4]
        bottleneck = network.fc.in_features // 512  # a block's output is wider than its inside by this
        widths = [bottleneck * width for width in (64, 128, 256, 512)]
        super().__init__(stem, stages, widths, -(-image_size // 2**HALVINGS), embedding)
        self.name = name

    def load_weights(self, path: Path) -> list[nn.Parameter]:
        """Take the weights of a state dict of torchvision's network; its last layer, fc, is left out.

        Raises what `read_weights` and `fitting` (weights.py) raise.
        """
        asked = Asked(f"torchvision's {self.name}")
        mine = {_torchvision_key(key): key for key in self.state_dict() if not key.startswith("embed.")}
        wanted = {theirs: self.state_dict()[key] for theirs, key in mine.items()}
        found = fitting(read_weights(path, asked), wanted, path, asked, ("fc",))
        self.load_state_dict({mine[key]: value for key, value in found.items()}, strict=False)
        return [*self.stem.parameters(), *self.stages.parameters()]


def torchvision_resnet(settings: ModelSettings, channels: int, image_size: int) -> Trunk:
    """Return torchvision's network `settings.backbone` as a trunk."""
    return TorchvisionResNet(settings.backbone, channels, image_size, settings.embedding)


def _torchvision_key(key: str) -> str:
    """Return torchvision's name for an entry of the trunk: "stages.0.1.conv2.weight" is its layer1's."""
    kind, rest = key.split(".", 1)
    if kind == "stem":
        return rest
    stage, rest = rest.split(".", 1)
    return f"layer{int(stage) + 1}.{rest}"
