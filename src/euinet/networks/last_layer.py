"""Where a classifier's last layer is: what it reads are the features, what it gives the class logits."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from euinet.errors import UsageError


def last_linear(module: nn.Module, probe: Tensor | None = None) -> tuple[str, nn.Linear]:
    """Return the name and the linear layer that gives a classifier's logits, of any library's network.

    With `probe`, a batch that the classifier can read, it is the last linear layer that runs and gives as
    many rows and columns as the classifier itself; the module is run once, in eval mode. Without, it is the
    linear layer registered last, as torchvision, timm and Hugging Face register theirs. Raises UsageError
    where there is no such layer.
    """
    layers = {name: part for name, part in module.named_modules() if isinstance(part, nn.Linear)}
    found = next(reversed(layers), None)
    if found is not None and probe is not None:
        found = _last_run(module, layers, probe)
    if found is None:
        raise UsageError(
            f"The classifier {type(module).__name__} does not end in a linear layer (torch.nn.Linear), whose "
            "input are the features: give a module whose last step is one."
        )
    return found, layers[found]


def _last_run(module: nn.Module, layers: Mapping[str, nn.Linear], probe: Tensor) -> str | None:
    """Return the name of the layer that ran last among those whose output is shaped as the module's."""
    names: dict[nn.Module, str] = {layer: name for name, layer in layers.items()}
    ran: list[tuple[str, torch.Size]] = []

    def note(layer: nn.Module, _given: object, output: Tensor) -> None:
        ran.append((names[layer], output.shape))

    hooks = [layer.register_forward_hook(note) for layer in names]
    training = {part: part.training for part in module.modules()}
    try:
        with torch.no_grad():
            shape = logits_of(module.eval()(probe)).shape
    finally:
        for hook in hooks:
            hook.remove()
        for part, was in training.items():  # a part may be frozen while the whole trains
            part.training = was
    return next((name for name, given in reversed(ran) if given == shape), None)


def logits_of(answer: Any) -> Tensor:
    """Return the logits in what a classifier answers: a tensor, Hugging Face's output, a tuple, a mapping.

    Raises UsageError where there is no tensor of two axes.
    """
    found = getattr(answer, "logits", answer)
    if isinstance(found, Mapping):
        found = found.get("logits")
    elif isinstance(found, tuple | list) and found:
        found = found[0]
    if not isinstance(found, Tensor) or found.ndim != 2:
        raise UsageError(
            f"A classifier must answer with logits, a tensor of shape (images, classes), not with "
            f"{type(answer).__name__}{f' {tuple(found.shape)}' if isinstance(found, Tensor) else ''}."
        )
    return found
