"""A trunk of torchvision's ResNet family, which can start from weights in a file, such as ImageNet's."""

import pickle
import pickletools
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from euinet.errors import StorageError, UsageError
from euinet.networks.trunk import Trunk
from euinet.presets import ModelSettings

IMAGENET_MEAN = (0.485, 0.456, 0.406)  # of red, green and blue in 0 … 1
IMAGENET_DEVIATION = (0.229, 0.224, 0.225)
TORCHVISION_RESNETS = (
    *("resnet18", "resnet34", "resnet50", "resnet101", "resnet152"),
    *("resnext50_32x4d", "resnext101_32x8d", "resnext101_64x4d", "wide_resnet50_2", "wide_resnet101_2"),
)
HALVINGS = 5  # by the stem's convolution and pooling, then by every stage but the first; they round up


class ToImageNet(nn.Module):
    """Bring images from −1 … 1 to what ImageNet's weights read: x ↦ ((x + 1)/2 − mean)/deviation."""

    gain: Tensor
    shift: Tensor

    def __init__(self) -> None:
        super().__init__()
        mean, deviation = (
            torch.tensor(values).view(3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_DEVIATION)
        )
        # Constants: a model's file need not hold them.
        self.register_buffer("gain", 0.5 / deviation, persistent=False)
        self.register_buffer("shift", (0.5 - mean) / deviation, persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """Map (B, 1 or 3, H, W) to (B, 3, H, W); grey is taken for all three colours."""
        brought = images * self.gain + self.shift
        # One layout whatever the weights': a saved model read back then gives the very same numbers.
        return brought.contiguous(memory_format=torch.channels_last)


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
                to_imagenet=ToImageNet(),
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

        `path`: a .safetensors file, or under any other ending one that torch.save wrote. Nothing in it is
        executed. Raises UsageError where there is no file, no state dict in it or another network's,
        StorageError where it cannot be read or a weight is no finite number.
        """
        given = _read(path, self.name)
        ours = {_torchvision_key(key): key for key in self.state_dict() if not key.startswith("embed.")}
        shapes = {theirs: self.state_dict()[key].shape for theirs, key in ours.items()}
        if wrong := _difference(given, shapes):
            raise UsageError(
                f"The file {path} does not hold torchvision's {self.name}: it {wrong}; set model.backbone to "
                "the network that the weights are of, or give a file with its state dict."
            )
        self.load_state_dict({ours[key]: value for key, value in given.items()}, strict=False)
        return [*self.stem.parameters(), *self.stages.parameters()]


def torchvision_resnet(settings: ModelSettings, channels: int, image_size: int) -> Trunk:
    """Return torchvision's network `settings.backbone` as a trunk."""
    return TorchvisionResNet(settings.backbone, channels, image_size, settings.embedding)


def _difference(given: Mapping[str, Tensor], shapes: Mapping[str, torch.Size]) -> str:
    """Return what a state dict lacks of these shapes, has besides or has in another shape; "" if nothing."""
    # Files from before torch 0.4.1 lack BatchNorm's counters, which nothing here reads.
    missing = [key for key in shapes if key not in given and not key.endswith(".num_batches_tracked")]
    unexpected = [key for key in given if key not in shapes]
    misshapen = [key for key in given if key in shapes and given[key].shape != shapes[key]]
    for keys, what in ((missing, "lacks"), (unexpected, "also holds"), (misshapen, "has another shape for")):
        if keys:
            return f"{what} {keys[0]}" + (f" and {len(keys) - 1} more" if len(keys) > 1 else "")
    return ""


def _read(path: Path, name: str) -> dict[str, Tensor]:
    """Return the file's state dict without fc, on the CPU."""
    if not path.is_file():
        raise UsageError(
            f"There is no file {path} to start from: training.backbone_weights must name a .pth or "
            f".safetensors file with the state dict of torchvision's {name}."
        )
    try:
        found = _content(path)
    except Exception as error:  # safetensors, torch, pickle and zip each have their own kinds
        # what torch says of a file it will not unpickle is advice to run it all the same
        said = "" if isinstance(error, pickle.UnpicklingError) else f": {error}"
        what = " ".join(f"{type(error).__name__}{said}".split())[:200]
        remedy = (
            "it holds a whole model or other Python objects, none of which is run; save its weights alone, "
            "by torch.save(model.state_dict(), FILE)."
            if _holds_objects(path, error)
            else "copy the file anew, a .safetensors file under that ending and one that torch.save wrote "
            "under another."
        )
        raise StorageError(f"The weights {path} cannot be read ({what}): {remedy}") from error
    if not isinstance(found, Mapping) or not all(isinstance(value, Tensor) for value in found.values()):
        raise UsageError(
            f"The file {path} holds more or something else than a state dict: save that of torchvision's "
            f"{name} alone, names and tensors."
        )
    kept = {str(key): value for key, value in found.items() if not str(key).startswith("fc.")}
    for key, value in kept.items():
        if not value.isfinite().all():
            raise StorageError(f"The weights {path} are damaged, {key} is not finite: copy the file anew.")
    return kept


def _holds_objects(path: Path, error: Exception) -> bool:
    """Return whether a file that torch did not read is whole: then it holds more than torch may unpickle."""
    if not isinstance(error, pickle.UnpicklingError) and "TorchScript" not in str(error):
        return False
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    with path.open("rb") as file, suppress(ValueError):
        return any(operation.name == "STOP" for operation, _, _ in pickletools.genops(file))
    return False


def _content(path: Path) -> Any:
    if path.suffix.lower() == ".safetensors":
        from safetensors.torch import load_file

        return load_file(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a pickle's protocol, before it is refused
        return torch.load(path, map_location="cpu", weights_only=True)


def _torchvision_key(key: str) -> str:
    """Return torchvision's name for an entry of the trunk: "stages.0.1.conv2.weight" is its layer1's."""
    kind, rest = key.split(".", 1)
    if kind == "stem":
        return rest
    stage, rest = rest.split(".", 1)
    return f"layer{int(stage) + 1}.{rest}"
