"""torchvision's classification networks, by name: "torchvision/NAME"."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from euinet.errors import UnknownNameError
from euinet.networks.last_layer import last_linear
from euinet.networks.publication import Published
from euinet.system.close import did_you_mean
from euinet.system.extras import needed_for

TORCHVISION = "torchvision/"
# Their published weights expect ImageNet's normalisation undone inside; the second classifiers, which help
# in training alone, are left out.
_AS_PUBLISHED = {"transform_input": True, "aux_logits": False, "init_weights": False}
_OPTIONS: Mapping[str, Mapping[str, Any]] = {"googlenet": _AS_PUBLISHED, "inception_v3": _AS_PUBLISHED}
_SECOND_CLASSIFIERS = ("aux1", "aux2", "AuxLogits")


def torchvision_network(name: str) -> Published:
    """Return torchvision's network `name`, "torchvision/resnet18" say, as its best weights describe it.

    Raises UnknownNameError where torchvision has none of this name, UsageError for one that does not end in
    a linear layer.
    """
    with needed_for(f"The backbone {name}"):
        from torchvision import models
    model = name.removeprefix(TORCHVISION)
    known = models.list_models(module=models)
    if model not in known:
        raise UnknownNameError(
            f"There is no backbone '{name}': torchvision has no classifier of this name."
            f"{did_you_mean(name, [TORCHVISION + one for one in known])} It has {', '.join(known)}."
        )
    weights = models.get_model_weights(model).DEFAULT
    wanted = weights.transforms()
    size, options = wanted.crop_size[0], dict(_OPTIONS.get(model, {}))

    def build(image_size: int) -> nn.Module:
        fixed: dict[str, Any] = {"image_size": image_size} if model.startswith("vit_") else {}
        if model.startswith("maxvit"):
            fixed = {"input_size": (image_size, image_size)}
        network: nn.Module = models.get_model(model, weights=None, **options, **fixed)
        place, _ = last_linear(network)
        network.set_submodule(place, nn.Identity())
        return network

    def fetch() -> tuple[Mapping[str, Tensor], str]:
        state = weights.get_state_dict(progress=False, check_hash=True)
        return state, f"torchvision's weights {type(weights).__name__}.{weights.name}"

    return Published(
        name=name,
        called=f"torchvision's {model}",
        mean=tuple(wanted.mean),
        deviation=tuple(wanted.std),
        image_size=size,
        resize=wanted.resize_size[0],
        interpolation=wanted.interpolation.value,
        heads=("fc", "classifier", "heads.head", "head", *_SECOND_CLASSIFIERS),
        build=build,
        fetch=fetch,
    )
