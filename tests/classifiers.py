"""Classifiers of somebody's, small enough for tests, as modules of torch and as ONNX files."""

from __future__ import annotations

import io
import warnings
from typing import Any

import numpy as np
import onnx
import torch
from onnxruntime import InferenceSession
from torch import Tensor, nn

SIDE, CLASSES, FEATURES = 8, 3, 5


class Small(nn.Module):
    """A convolution, an average and a linear layer: images (B, C, 8, 8) → logits (B, 3)."""

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(channels, FEATURES, 3), nn.BatchNorm2d(FEATURES)
        self.drop, self.head = nn.Dropout(0.5), nn.Linear(FEATURES, CLASSES)

    def features(self, images: Tensor) -> Tensor:
        return torch.relu(self.norm(self.conv(images))).mean(dim=(2, 3))

    def forward(self, images: Tensor) -> Any:
        return self.head(self.drop(self.features(images)))


class MatMulAdd(Small):
    """Its last layer is a product and a sum, which an exporter writes as MatMul and Add."""

    def forward(self, images: Tensor) -> Tensor:
        return (self.features(images) @ self.head.weight.T.contiguous()) + self.head.bias


class WithSoftmax(Small):
    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images)).softmax(dim=1)


class TwoOutputs(Small):
    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.features(images)
        return self.head(features), features.sum(dim=1, keepdim=True)


class ChannelsLast(Small):
    """Reads (B, H, W, C)."""

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.features(images.permute(0, 3, 1, 2)))


class NoLinear(nn.Module):
    """The averages of three maps are the logits."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, CLASSES, 3)

    def forward(self, images: Tensor) -> Tensor:
        return self.conv(images).mean(dim=(2, 3))


def made(kind: type[nn.Module] = Small, **options: Any) -> nn.Module:
    """A classifier with weights drawn at random, in eval mode, BatchNorm's statistics other than 0 and 1."""
    torch.manual_seed(0)
    module = kind(**options).eval()
    norm = getattr(module, "norm", None)
    if norm is not None:
        norm.running_mean.normal_()
        norm.running_var.uniform_(0.5, 2)
    return module


def onnx_file(
    module: nn.Module,
    *,
    dynamo: bool,
    shape: tuple[int, ...] = (3, SIDE, SIDE),
    fixed: bool = False,
    opset: int = 18,
    names: tuple[str, ...] = ("logits",),
    half: bool = False,
) -> bytes:
    """What `torch.onnx.export` writes of a module; `fixed`: for two images at a time alone."""
    images = torch.rand(2, *shape)
    if half:
        module, images = module.half(), images.half()
    open_batch: dict[str, Any] = {}
    if not fixed and dynamo:
        open_batch = {"dynamic_shapes": ({0: torch.export.Dim("batch")},)}
    elif not fixed:
        open_batch = {"dynamic_axes": {"x": {0: "batch"}, **{name: {0: "batch"} for name in names}}}
    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        written = torch.onnx.export(
            module,
            (images,),
            None if dynamo else file,
            dynamo=dynamo,
            input_names=["x"],
            output_names=list(names),
            opset_version=opset,
            verbose=False,
            **open_batch,
        )
    if not dynamo:
        return file.getvalue()
    assert written is not None
    return bytes(written.model_proto.SerializeToString())


def answers(content: bytes, inputs: np.ndarray, tensor: str = "logits") -> np.ndarray:
    """What a file gives in onnxruntime, any of its tensors."""
    proto = onnx.load_from_string(content)
    if tensor not in {value.name for value in proto.graph.output}:
        proto.graph.output.append(onnx.helper.make_empty_tensor_value_info(tensor))
    session = InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    found: np.ndarray = session.run([tensor], {session.get_inputs()[0].name: inputs})[0]
    return found


def normalised(images: np.ndarray, mean: tuple[float, ...], deviation: tuple[float, ...]) -> np.ndarray:
    """uint8 images (N, C, H, W) as a classifier wants them, one product and one sum of float32."""
    middle, spread = (np.array(values).reshape(-1, 1, 1) for values in (mean, deviation))
    found: np.ndarray = images.astype(np.float32) * (1 / (255 * spread)).astype(np.float32)
    return found + (-middle / spread).astype(np.float32)
