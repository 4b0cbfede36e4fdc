"""A classifier, of torch or in an ONNX file, as what gives a row for each image: features, then logits."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from euinet.answers import Float32Array
from euinet.attached.normalising import Colours
from euinet.errors import StorageError, UsageError
from euinet.export.attached import ClassifierGraph, classifier_graph, read_classifier
from euinet.export.backbone import classifier_file
from euinet.images.preprocessing import Preprocessing
from euinet.model.card import BackboneCard
from euinet.model.frozen import FrozenBackbone
from euinet.networks.last_layer import last_linear, logits_of
from euinet.system.words import printable, quoted

DEFAULT_SIZE = 224  # pixels a side, where neither the classifier nor the caller says


class WithFeatures(nn.Module):
    """A classifier that gives, with its class logits (B, K), what its last linear layer reads, (B, F).

    The classifier is what it was: the same layers with the same weights, none of them copied.
    """

    def __init__(self, classifier: nn.Module, layer: str) -> None:
        super().__init__()
        self.classifier, self.layer = classifier, layer

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return features (B, F) and logits (B, K) of what the classifier reads."""
        seen: list[Tensor] = []
        layer = self.classifier.get_submodule(self.layer)
        hook = layer.register_forward_pre_hook(lambda _layer, given: seen.append(given[0]))
        try:
            logits = logits_of(self.classifier(inputs))
        finally:
            hook.remove()
        if not seen or seen[-1].ndim != 2:
            raise UsageError(
                f"The layer {self.layer} reads no row of numbers for each image: name the last linear layer."
            )
        return seen[-1], logits


def with_features(module: nn.Module, layer: str | None, probe: Tensor) -> WithFeatures:
    """Return a classifier that gives features as well, read where its linear `layer` reads.

    Without a name the last one is found by running `probe`, a batch that it can read. Raises UsageError where
    there is none, or no layer of that name.
    """
    if layer is None:
        layer, _ = last_linear(module, probe)
    names = [name for name, part in module.named_modules() if isinstance(part, nn.Linear)]
    if layer not in names:
        raise UsageError(
            f"The classifier {type(module).__name__} has no linear layer '{layer}': it has "
            f"{', '.join(names[-5:]) or 'none'}."
        )
    return WithFeatures(module, layer)


@contextmanager
def in_eval_mode(module: nn.Module) -> Iterator[None]:
    """Run a module as it answers, and leave each of its parts in the mode in which it was."""
    training = {part: part.training for part in module.modules()}
    module.eval()
    try:
        yield
    finally:
        for part, was in training.items():
            part.training = was


@torch.no_grad()
def read_rows(module: WithFeatures, inputs: Tensor) -> Float32Array:
    """Return features and logits (B, F+K) of inputs (B, …) as the classifier reads them, in eval mode."""
    device = next((parameter.device for parameter in module.parameters()), torch.device("cpu"))
    with in_eval_mode(module):
        found = torch.cat([part.float() for part in module(inputs.to(device))], dim=1)
    rows: Float32Array = found.cpu().numpy()
    return rows


@dataclass(frozen=True)
class Attached:
    """A classifier's graph and how many classes it tells apart."""

    backbone: FrozenBackbone
    classes: int


@dataclass(frozen=True)
class Classifier:
    """A classifier before it is known how it wants pixels to be normalised."""

    name: str
    reads: Preprocessing
    declared: Colours | None  # the mean and deviation that it carries with it
    class_names: tuple[str, ...] | None  # that it carries with it
    graph: Callable[[Colours], Attached]
    """Mean and deviation → the graph. Raises ExportError, which says why, where there can be none."""


def from_module(module: nn.Module, image_size: int | None, layer: str | None) -> Classifier:
    """Return a classifier of torch. Raises UsageError where it does not read images of that size."""
    size, channels = image_size or declared_size(module) or DEFAULT_SIZE, input_channels(module)
    probe = torch.zeros(2, channels, size, size)
    try:
        tapped = with_features(module, layer, probe)
        classes = classes_of(tapped, read_rows(tapped, probe))
    except UsageError:
        raise
    except Exception as error:  # whatever a module does with images of another size
        raise UsageError(
            f"The classifier {type(module).__name__} does not read images of {channels} × {size} × {size} "
            f"({quoted(error)}): say their size (image_size)."
        ) from error
    reads, name = Preprocessing(channels, size), type(module).__name__
    graph = partial(_module_graph, tapped, name, reads, classes)
    return Classifier(name, reads, declared_colours(module), declared_names(module), graph)


def from_file(path: Path, image_size: int | None, logits: str, features: str) -> Classifier:
    """Return a classifier's ONNX file. Raises UsageError for what is none, StorageError."""
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise UsageError(f"There is no file {path}: give a classifier's ONNX file.") from error
    except OSError as error:
        raise StorageError(f"Cannot read {path} ({error.strerror or error}).") from error
    found = read_classifier(content, str(path), logits, features)
    channels, height, width = found.shape
    if height != width:
        raise UsageError(f"{path} reads images of {height} × {width} pixels, but only squares can be read.")
    if image_size and height and image_size != height:
        raise UsageError(f"{path} reads images of {height} pixels a side, not {image_size}: leave that out.")
    reads = Preprocessing(channels or 3, height or image_size or DEFAULT_SIZE)
    return Classifier(path.name, reads, None, None, partial(_file_graph, found, path, reads))


def _module_graph(
    module: WithFeatures, name: str, reads: Preprocessing, classes: int, colours: Colours
) -> Attached:
    shape = (reads.channels, reads.image_size, reads.image_size)
    with in_eval_mode(module):
        content = classifier_file(module, *colours, shape)
    return Attached(_frozen(content, name, "the classifier's own", reads), classes)


def _file_graph(found: ClassifierGraph, path: Path, reads: Preprocessing, colours: Colours) -> Attached:
    shape = (reads.channels, reads.image_size, reads.image_size)
    content, classes = classifier_graph(found, *colours, shape)
    return Attached(_frozen(content, path.name, f"the file {path.name}", reads), classes)


def classes_of(module: WithFeatures, rows: Float32Array) -> int:
    """Return how many logits K stand at the end of rows (N, F+K)."""
    layer = module.classifier.get_submodule(module.layer)
    assert isinstance(layer, nn.Linear)
    return int(rows.shape[1]) - layer.in_features


def input_channels(module: nn.Module) -> int:
    """Return how many channels a classifier's images have: those of its first convolution, else 3."""
    first = next((part for part in module.modules() if isinstance(part, nn.Conv2d)), None)
    return first.in_channels if first is not None and first.in_channels in (1, 3) else 3


def declared_names(module: nn.Module) -> tuple[str, ...] | None:
    """Return the class names that a classifier carries with it, as Hugging Face's do; None: it has none."""
    named: Any = getattr(getattr(module, "config", None), "id2label", None)
    if not isinstance(named, dict) or not named:
        return None
    try:
        return tuple(str(named[place]) for place in range(len(named)))
    except KeyError:
        return None


def declared_size(module: nn.Module) -> int | None:
    """Return the image size that a classifier says it wants, timm's or Hugging Face's; None: it says none."""
    size: Any = getattr(getattr(module, "config", None), "image_size", None)
    if size is None:
        declared = getattr(module, "pretrained_cfg", None) or {}
        size = declared.get("input_size", (None, None, None))[-1] if isinstance(declared, dict) else None
    return size if isinstance(size, int) else None


def declared_colours(module: nn.Module) -> Colours | None:
    """Return the mean and deviation that a classifier of timm's carries with it; None: it has none."""
    declared: Any = getattr(module, "pretrained_cfg", None)
    if isinstance(declared, dict) and {"mean", "std"} <= declared.keys():
        return tuple(declared["mean"]), tuple(declared["std"])
    return None


def _frozen(content: bytes, name: str, weights: str, reads: Preprocessing) -> FrozenBackbone:
    card = BackboneCard(printable(name)[:200], weights, hashlib.sha256(content).hexdigest())
    return FrozenBackbone(content, card, reads)
