"""A classifier of torch or of an ONNX file as something that gives a row for each image: features, then logits."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from euinet.answers import Float32Array
from euinet.errors import StorageError, UsageError
from euinet.export.attached import ClassifierGraph, classifier_graph, read_classifier
from euinet.export.backbone import classifier_file
from euinet.images.preprocessing import Preprocessing
from euinet.model.card import BackboneCard
from euinet.model.frozen import FrozenBackbone
from euinet.networks.last_layer import last_linear, logits_of
from euinet.system.words import printable

Colours = Sequence[float]
"""A number for each colour, of values from 0 to 1."""


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


def module_graph(
    module: WithFeatures, name: str, mean: Colours, deviation: Colours, reads: Preprocessing, classes: int
) -> Attached:
    """Return a classifier of torch as a graph. Raises ExportError, which says why, where it cannot be one."""
    shape = (reads.channels, reads.image_size, reads.image_size)
    with in_eval_mode(module):
        content = classifier_file(module, mean, deviation, shape)
    return Attached(_frozen(content, name, "the classifier's own", reads), classes)


def file_graph(
    found: ClassifierGraph, path: Path, mean: Colours, deviation: Colours, reads: Preprocessing
) -> Attached:
    """Return a classifier's ONNX file as a graph. Raises ExportError where it cannot be one."""
    shape = (reads.channels, reads.image_size, reads.image_size)
    content, classes = classifier_graph(found, mean, deviation, shape)
    return Attached(_frozen(content, path.name, f"the file {path.name}", reads), classes)


def open_file(path: Path, logits: str, features: str) -> ClassifierGraph:
    """Return what is in a classifier's ONNX file. Raises UsageError, StorageError."""
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise UsageError(f"There is no file {path}: give a classifier's ONNX file.") from error
    except OSError as error:
        raise StorageError(f"Cannot read {path} ({error.strerror or error}).") from error
    return read_classifier(content, str(path), logits, features)


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
    """Return the size of images that a classifier says it wants, timm's or Hugging Face's; None: it says none."""
    size: Any = getattr(getattr(module, "config", None), "image_size", None)
    if size is None:
        declared = getattr(module, "pretrained_cfg", None) or {}
        size = declared.get("input_size", (None, None, None))[-1] if isinstance(declared, dict) else None
    return size if isinstance(size, int) else None


def declared_colours(module: nn.Module) -> tuple[Colours, Colours] | None:
    """Return the mean and deviation that a classifier of timm's carries with it; None: it has none."""
    declared: Any = getattr(module, "pretrained_cfg", None)
    if isinstance(declared, dict) and {"mean", "std"} <= declared.keys():
        return tuple(declared["mean"]), tuple(declared["std"])
    return None


def _frozen(content: bytes, name: str, weights: str, reads: Preprocessing) -> FrozenBackbone:
    card = BackboneCard(printable(name)[:200], weights, hashlib.sha256(content).hexdigest())
    return FrozenBackbone(content, card, reads)
