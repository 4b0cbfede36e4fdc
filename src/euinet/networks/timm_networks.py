"""The networks of timm, PyTorch Image Models, by name: "timm/NAME", where NAME may have a tag of weights.

https://github.com/huggingface/pytorch-image-models
"""

import contextlib
import math
import socket
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

from torch import Tensor, nn

from euinet.errors import UnknownNameError, UsageError
from euinet.networks.publication import Published
from euinet.system.close import did_you_mean
from euinet.system.extras import needed_for

TIMM = "timm/"


def timm_network(name: str) -> Published:
    """Return timm's network `name`, "timm/vit_tiny_patch16_224" say, as its configuration describes it.

    Where that squashes images to a square or adds a border, they are cut here, to their middle square.

    Raises UnknownNameError where timm has none of this name or is not installed, UsageError for a network
    that does not read colour images.
    """
    timm, model = _timm(f"The backbone {name}"), name.removeprefix(TIMM)
    config = _config(timm, name, model)
    wanted = timm.data.resolve_data_config(pretrained_cfg=config.to_dict())
    channels, size, width = wanted["input_size"]
    if channels != 3 or size != width:
        raise UsageError(
            f"The backbone {name} reads images of {channels} channels and {size} × {width} pixels; EuiNet "
            "gives it squares of 3 channels: choose another."
        )
    heads = (config.classifier,) if isinstance(config.classifier, str) else tuple(config.classifier or ())

    def build(image_size: int) -> nn.Module:
        # networks of a fixed size are told it, others have no such argument
        fixed = {"img_size": image_size} if config.fixed_input_size and image_size != size else {}
        made: nn.Module = timm.create_model(model, pretrained=False, num_classes=0, **fixed)
        patch = getattr(getattr(made, "patch_embed", None), "patch_size", None)
        if patch and image_size % patch[0]:  # the rest would not be looked at
            raise UsageError(
                f"The backbone {name} reads images whose side is a multiple of {patch[0]} pixels, not "
                f"{image_size}: change the images' size or choose another backbone."
            )
        return made

    def fetch() -> tuple[Mapping[str, Tensor], str]:
        with _no_retries():
            made = timm.create_model(model, pretrained=True, num_classes=0)
        tag = f".{config.tag}" if config.tag else ""
        return made.state_dict(), f"timm's weights {config.architecture}{tag}"

    return Published(
        name=name,
        called=f"timm's {model}",
        mean=wanted["mean"],
        deviation=wanted["std"],
        image_size=size,
        resize=math.floor(size / wanted["crop_pct"]),
        interpolation=wanted["interpolation"],
        heads=heads,
        build=build,
        fetch=fetch,
    )


def _config(timm: Any, name: str, model: str) -> Any:
    """Return timm's configuration of a network. Raises UnknownNameError with a name that is near."""
    base, dot, tag = model.partition(".")
    if not timm.models.is_model(base):
        known = timm.list_models()
        raise UnknownNameError(
            f"There is no backbone '{name}': timm has no network of this name."
            f"{did_you_mean(name, [TIMM + one for one in known])} timm.list_models() names all."
        )
    tags = timm.models.list_pretrained(f"{base}.*") if dot else []
    if dot and model not in tags:
        raise UnknownNameError(
            f"There is no backbone '{name}': timm's {base} has no weights '{tag}'. "
            f"Choose {TIMM}{base}{', or one of ' if tags else ''}{', '.join(TIMM + one for one in tags)}."
        )
    return timm.models.get_pretrained_cfg(model)


@contextlib.contextmanager
def _no_retries() -> Iterator[None]:
    """Without a network, have weights that were downloaded before, or fail, at once and not after a minute.

    timm's hub is asked for each file five times, with pauses, though its name leads nowhere.
    """
    from huggingface_hub import constants

    before = constants.HF_HUB_OFFLINE
    if not getproxies():  # which find the name themselves
        try:
            socket.getaddrinfo(urlsplit(constants.ENDPOINT).hostname, 443)
        except OSError:
            constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def _timm(what: str) -> Any:
    """Return the package. Raises UnknownNameError: a model whose network is not there is not damaged."""
    try:
        with needed_for(what):
            import timm
            import timm.data
    except UsageError as error:
        raise UnknownNameError(str(error)) from error
    return timm
