"""A frozen network as an ONNX file: uint8 images go in, one row of numbers for each comes out.

The decision file of a model that stands on such a network begins with this graph. So that both can lie in
one file, every name in it but those of its input and output begins with `BACKBONE`.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from euinet.errors import ExportError
from euinet.export.writing import OPSET, as_bytes, label, quiet, reason
from euinet.model.backbone_part import BACKBONE
from euinet.model.decision_file import EMBEDDING, IMAGES
from euinet.system.words import quoted

if TYPE_CHECKING:
    import onnx

TOLERANCE = 1e-4  # of the largest number of an image's row
_BATCHES = (5, 1)  # the answer must not be made for one number of images


def backbone_file(
    network: nn.Module, mean: Sequence[float], deviation: Sequence[float], image_size: int
) -> bytes:
    """Return a network as ONNX: `images` uint8 (N, C, S, S), N ≥ 0 → `embedding` float32 (N, F).

    `network` maps normalised images (B, C, S, S) to features (B, F); it is left as it is. `mean` and
    `deviation`, a number for each of the C colours, are those of values from 0 to 1; the file normalises by
    itself. Raises ExportError where the network cannot be exported or the file answers differently.
    """
    return _file(network, mean, deviation, (image_size, image_size))


def classifier_file(
    network: nn.Module, mean: Sequence[float], deviation: Sequence[float], shape: tuple[int, int, int]
) -> bytes:
    """Return a classifier as ONNX: `images` uint8 (N, C, H, W) → `embedding` float32 (N, F + K).

    As `backbone_file`; but `network` gives features (B, F) and class logits (B, K), which stand beside one
    another in a row, and `shape` is (C, H, W).
    """
    channels, *sides = shape
    if not len(mean) == len(deviation) == channels:
        raise ExportError(f"Images of {channels} channels need a mean and a deviation for each of them.")
    return _file(network, mean, deviation, (sides[0], sides[1]))


class _FromPixels(nn.Module):
    """Normalise uint8 images, one product and one sum, and join what the network gives into one row."""

    gain: Tensor
    shift: Tensor

    def __init__(self, network: nn.Module, mean: Sequence[float], deviation: Sequence[float]) -> None:
        super().__init__()
        self.network = network
        # in double: the file's numbers are the nearest float32 to the right ones
        middle, spread = (torch.tensor(v, dtype=torch.float64).view(-1, 1, 1) for v in (mean, deviation))
        self.register_buffer("gain", (1 / (255 * spread)).float())
        self.register_buffer("shift", (-middle / spread).float())

    def forward(self, images: Tensor) -> Tensor:
        found: Tensor | tuple[Tensor, ...] = self.network(images.float() * self.gain + self.shift)
        return found if isinstance(found, Tensor) else torch.cat(found, dim=1)


def _file(
    network: nn.Module, mean: Sequence[float], deviation: Sequence[float], sides: tuple[int, int]
) -> bytes:
    frozen = copy.deepcopy(network).cpu().float().eval().requires_grad_(False)
    module = _FromPixels(frozen, mean, deviation).eval()
    images = _probe(max(_BATCHES), len(mean), sides)
    try:
        with quiet():
            proto = _exported(module, images)
    except Exception as error:  # torch.export, the exporter and ONNX each have their own kinds
        raise ExportError(
            f"This network cannot be written as ONNX ({reason(error)}); choose another backbone."
        ) from error
    content = as_bytes(_prefixed(proto))
    _check(module, content, images)
    return content


def _probe(count: int, channels: int, sides: tuple[int, int]) -> Tensor:
    """Return uint8 images (count, C, H, W), the same each time: noise on a ground that differs by image."""
    random = np.random.default_rng(0)
    ground = random.integers(0, 160, (count, channels, 1, 1))
    return torch.from_numpy((ground + random.integers(0, 96, (count, channels, *sides))).astype(np.uint8))


def _exported(module: nn.Module, images: Tensor) -> onnx.ModelProto:
    program = torch.onnx.export(
        module,
        (images,),
        dynamo=True,
        input_names=[IMAGES],
        output_names=[EMBEDDING],
        dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
        opset_version=OPSET,
        external_data=False,
        verbose=False,
    )
    proto: onnx.ModelProto = program.model_proto  # type: ignore[union-attr]
    return proto


def _prefixed(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return a graph whose every name but its input's and output's begins with BACKBONE, and nothing else."""
    from onnx.compose import add_prefix_graph

    label(proto)
    proto.producer_version = ""  # features are cached by the file's digest, from one version to the next
    del proto.graph.value_info[:]  # shapes that a runtime finds by itself
    add_prefix_graph(proto.graph, BACKBONE, rename_inputs=False, rename_outputs=False, inplace=True)
    return proto


def _check(module: nn.Module, content: bytes, images: Tensor) -> None:
    """Raise ExportError unless the file answers as the module does."""
    from onnxruntime import InferenceSession

    with torch.no_grad():
        wanted = module(images).numpy()
    try:
        session = InferenceSession(content, providers=["CPUExecutionProvider"])
        answers = [session.run([EMBEDDING], {IMAGES: images[:count].numpy()})[0] for count in _BATCHES]
    except Exception as error:  # onnxruntime has a kind for each way a graph can be wrong
        raise ExportError(
            f"The backbone's file cannot be used ({quoted(error)}), so it was not kept."
        ) from error
    for count, found in zip(_BATCHES, answers, strict=True):
        expected = wanted[:count]
        if found.shape != expected.shape or found.dtype != np.float32:
            raise ExportError(
                f"The backbone must give a row of float32 numbers for each image, {expected.shape}, and its "
                f"file gives {found.dtype} {found.shape}, so it was not kept."
            )
        apart = np.abs(found - expected).max(axis=1)
        # "not ≤", so that what is not a number counts as a difference
        if not (apart <= TOLERANCE * np.abs(expected).max(axis=1)).all():
            raise ExportError(
                f"The backbone's file does not answer as the network does (features differ by "
                f"{apart.max():.2g}), so it was not kept."
            )
