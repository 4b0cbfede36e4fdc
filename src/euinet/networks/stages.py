"""The stages of any network, in order: what fine-tuning opens from the end."""

from collections.abc import Iterator

from torch import nn

from euinet.errors import UsageError
from euinet.system.words import counted

MOST = 0.8  # a child with more of the parameters than this is the network; what is beside it, its frame


def last_stages(network: nn.Module, count: int) -> list[nn.Module]:
    """Return the parts from the `count`-th last stage to the end, in the order in which they are registered.

    A stage is an entry of the list in which a network keeps them (timm's `blocks` or `stages`, torchvision's
    `features`), or of its children where it has several such lists (layer1 … layer4) or none. A single
    convolution, linear layer or norm is no stage, but belongs to what is before it: with the last stage of
    an EfficientNet go the last convolution and its norm. Raises UsageError where there are fewer stages.
    """
    parts = [part for part in _parts(network) if _size(part)]
    places = [place for place, part in enumerate(parts) if not _is_layer(part)]
    if count > len(places):
        raise UsageError(
            f"The network {type(network).__name__} has {counted(len(places), 'stage')}, and the last {count} "
            "were asked for: ask for fewer."
        )
    return parts[places[-count] :] if count > 0 else []


def _parts(network: nn.Module) -> Iterator[nn.Module]:
    """Yield the stages and single layers of a network."""
    children = [child for child in network.children() if _size(child)]
    inner = [child for child in children if _is_list(child)]
    if not inner:
        inner = [c for c in children if _size(c) > MOST * _size(network) and not _is_layer(c)]
    if _is_list(network) or len(inner) != 1:
        yield from children
        return
    for child in children:
        if child is inner[0]:
            yield from _parts(child)
        else:
            yield child


def _is_list(module: nn.Module) -> bool:
    """Return whether a module is a list of stages: of entries of which two or more are no single layer."""
    listed = isinstance(module, nn.Sequential | nn.ModuleList)
    return listed and sum(not _is_layer(child) for child in module.children()) >= 2


def _is_layer(module: nn.Module) -> bool:
    """Return whether there is but one matrix or kernel to learn in a module, or none."""
    return sum(parameter.ndim >= 2 for parameter in module.parameters()) <= 1


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
