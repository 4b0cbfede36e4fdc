"""Somebody's classifier, an ONNX file, as the graph before our decision: features and logits, side by side.

Nothing of it is changed. Two of its tensors are read: the class logits that it gives, and what its last
linear layer makes them of.

    images uint8 (N, C, H, W) → cast, normalise → their graph → [features (N, F) ‖ logits (N, K)] `embedding`
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from euinet.errors import ExportError, UsageError
from euinet.export.writing import OPSET, as_bytes, quiet
from euinet.model.backbone_part import BACKBONE
from euinet.model.decision_file import EMBEDDING, IMAGES
from euinet.system.words import quoted

if TYPE_CHECKING:
    import onnx

# operations between the last linear layer and the logits that change no answer, or add a bias
_CARRIES = {
    "Add",
    "Identity",
    "Flatten",
    "Reshape",
    "Squeeze",
    "Cast",
    "Dropout",
    "Unsqueeze",
}  # one input on
_SOFTMAX = {"Softmax", "LogSoftmax"}
_FLOATS = {1: np.float32, 10: np.float16}  # TensorProto.DataType


@dataclass(frozen=True)
class ClassifierGraph:
    """What was found in a classifier's file."""

    proto: onnx.ModelProto
    input: str
    shape: tuple[int | None, int | None, int | None]  # (C, H, W); None: any
    channels_last: bool  # its images are (N, H, W, C)
    kind: int  # of its input, TensorProto.DataType
    logits: str
    features: str | None  # None: no last linear layer was found


def read_classifier(content: bytes, name: str, logits: str = "", features: str = "") -> ClassifierGraph:
    """Return a classifier's graph with its input, its logits and what its last linear layer reads.

    `logits` and `features` name tensors where they are not found by themselves. Raises UsageError, one
    sentence, for a file that is no classifier of images.
    """
    import onnx
    from onnx.inliner import inline_local_functions

    try:
        proto = onnx.ModelProto.FromString(content)
        if len(proto.functions):
            proto = inline_local_functions(proto)
        proto = onnx.shape_inference.infer_shapes(proto)
        onnx.checker.check_model(proto)
    except Exception as error:  # protobuf's and ONNX's own kinds
        raise UsageError(
            f"{name} is no ONNX file that can be read ({quoted(error)}): export the classifier anew, weights "
            "and all in one file."
        ) from error
    given = _image_input(proto, name)
    made = {output: node for node in proto.graph.node for output in node.output}
    found = _logits(proto, made, name, logits)
    if features and features not in made:
        raise UsageError(f"{name} has no tensor '{features}': give the name of what its last layer reads.")
    return ClassifierGraph(proto, *given, found, features or _last_linear_input(proto, made, found))


def classifier_graph(
    found: ClassifierGraph, mean: Sequence[float], deviation: Sequence[float], size: tuple[int, int, int]
) -> tuple[bytes, int]:
    """Return the graph from uint8 images (N, C, H, W) to features and logits, and how many logits there are.

    All its names but those of its input and output are under BACKBONE.

    `mean` and `deviation` of values from 0 to 1, one for each colour; `size` (C, H, W). Raises ExportError
    where it cannot stand before our decision.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    proto = onnx.ModelProto()
    proto.CopyFrom(found.proto)
    proto = _of_our_opset(proto)
    proto.graph.CopyFrom(onnx.compose.add_prefix_graph(proto.graph, BACKBONE))
    graph, theirs = proto.graph, f"{BACKBONE}{found.input}"
    gain, shift = _normalising(mean, deviation)
    # names that no graph of theirs can have: a prefix of its own within ours
    own = f"{BACKBONE}euinet/"
    before = [
        helper.make_node("Cast", [IMAGES], [f"{own}floats"], f"{own}cast", to=TensorProto.FLOAT),
        helper.make_node("Mul", [f"{own}floats", f"{own}gain"], [f"{own}scaled"], f"{own}mul"),
        helper.make_node("Add", [f"{own}scaled", f"{own}shift"], [f"{own}normal"], f"{own}add"),
    ]
    last = f"{own}normal"
    if found.channels_last:
        before.append(helper.make_node("Transpose", [last], [f"{own}last"], f"{own}turn", perm=[0, 2, 3, 1]))
        last = f"{own}last"
    before.append(helper.make_node("Cast", [last], [theirs], f"{own}as_theirs", to=found.kind))
    after, parts = [], []
    for role, tensor in (("features", found.features), ("logits", found.logits)):
        if tensor is None:
            continue
        inputs = f"{BACKBONE}{tensor}" if tensor != found.input else theirs
        after += [
            helper.make_node("Cast", [inputs], [f"{own}{role}32"], f"{own}{role}", to=TensorProto.FLOAT),
            helper.make_node("Flatten", [f"{own}{role}32"], [f"{own}{role}"], f"{own}{role}_row", axis=1),
        ]
        parts.append(f"{own}{role}")
    after.append(helper.make_node("Concat", parts, [EMBEDDING], f"{own}row", axis=1))
    nodes = [*before, *graph.node, *after]
    for place, node in enumerate(nodes):  # a converter leaves nodes without a name
        if not node.name.startswith(BACKBONE):
            node.name = f"{own}node_{place}"
    del graph.node[:], graph.input[:], graph.output[:], graph.value_info[:], proto.metadata_props[:]
    graph.node.extend(nodes)
    graph.initializer.extend(
        numpy_helper.from_array(values, f"{own}{key}") for key, values in (("gain", gain), ("shift", shift))
    )
    graph.input.append(helper.make_tensor_value_info(IMAGES, TensorProto.UINT8, ["N", *size]))
    width, classes = (_row_width(proto, size, tensor) for tensor in (EMBEDDING, parts[-1]))
    graph.output.append(helper.make_tensor_value_info(EMBEDDING, TensorProto.FLOAT, ["N", width]))
    return as_bytes(proto), classes


def opset_of(content: bytes) -> int:
    """Return which version of ONNX's own operations a graph uses."""
    import onnx

    versions = [one.version for one in onnx.ModelProto.FromString(content).opset_import if not one.domain]
    return versions[0] if versions else OPSET


def in_opset(content: bytes, opset: int) -> bytes:
    """Return a file of ours with the operations of a newer version. Raises ExportError where that fails."""
    import onnx

    proto = onnx.ModelProto.FromString(content)
    try:
        converted = onnx.version_converter.convert_version(proto, opset)
    except Exception as error:  # the converter's own kinds
        raise ExportError(
            f"The decision cannot be brought to ONNX's operations of version {opset} ({quoted(error)}): "
            f"export the classifier with version {OPSET}."
        ) from error
    del converted.metadata_props[:]
    converted.metadata_props.extend(proto.metadata_props)
    return as_bytes(converted)


def _image_input(proto: onnx.ModelProto, name: str) -> tuple[str, tuple[Any, Any, Any], bool, int]:
    """Return name, (C, H, W), whether the channels come last, and the type of the one input."""
    constants = {tensor.name for tensor in proto.graph.initializer}
    inputs = [value for value in proto.graph.input if value.name not in constants]
    if len(inputs) != 1:
        listed = ", ".join(value.name for value in inputs)
        raise UsageError(f"{name} has {len(inputs)} inputs ({listed}), but a classifier of images has one.")
    tensor = inputs[0].type.tensor_type
    sides = [side.dim_value or None for side in tensor.shape.dim]
    last = len(sides) == 4 and sides[3] in (1, 3) and sides[1] not in (1, 3)
    channels = sides[3 if last else 1] if len(sides) == 4 else None
    if tensor.elem_type not in (*_FLOATS, 2) or len(sides) != 4 or channels not in (1, 3, None):
        raise UsageError(
            f"{name} reads {inputs[0].name} of the shape {sides}, but a classifier of images reads (N, C, H, "
            "W) or (N, H, W, C) with 1 or 3 channels: give its embeddings as a table instead."
        )
    shape = (channels, sides[1], sides[2]) if last else (channels, sides[2], sides[3])
    return inputs[0].name, shape, last, tensor.elem_type


def _logits(proto: onnx.ModelProto, made: Mapping[str, onnx.NodeProto], name: str, asked: str) -> str:
    """Return the tensor of class logits: what is named, or the one output, before a softmax at the end."""
    outputs = [value.name for value in proto.graph.output]
    if asked:
        if asked not in made:
            raise UsageError(f"{name} has no tensor '{asked}': its outputs are {', '.join(outputs)}.")
        return asked
    if len(outputs) != 1:
        raise UsageError(
            f"{name} has {len(outputs)} outputs ({', '.join(outputs)}): say by --logits which are the class "
            "logits."
        )
    found = outputs[0]
    while found in made and made[found].op_type in {"Identity", *_SOFTMAX}:
        found = str(made[found].input[0])
    return str(found)


def _last_linear_input(proto: onnx.ModelProto, made: Mapping[str, onnx.NodeProto], logits: str) -> str | None:
    """Return what the last Gemm or MatMul before the logits reads, a row an image; None: there is none."""
    constants = {tensor.name for tensor in proto.graph.initializer}
    constants |= {node.output[0] for node in proto.graph.node if node.op_type == "Constant"}
    place = logits
    while place in made:
        node = made[place]
        varying = [
            one for one in node.input if one and one not in constants and not _is_fixed(one, made, constants)
        ]
        if node.op_type in ("Gemm", "MatMul") and len(varying) == 1:
            return str(varying[0]) if _axes(proto, varying[0]) in (2, None) else None
        if node.op_type not in _CARRIES or len(varying) != 1:
            return None
        place = str(varying[0])
    return None


def _is_fixed(name: str, made: Mapping[str, onnx.NodeProto], constants: set[str]) -> bool:
    """Return whether a tensor depends on constants alone, as weights that are cast or turned do."""
    node = made.get(name)
    if name in constants:
        return True
    if node is None or not node.input:
        return False
    return all(_is_fixed(one, made, constants) for one in node.input if one)


def _axes(proto: onnx.ModelProto, name: str) -> int | None:
    for value in proto.graph.value_info:
        if value.name == name and value.type.tensor_type.HasField("shape"):
            return len(value.type.tensor_type.shape.dim)
    return None


def _of_our_opset(proto: onnx.ModelProto) -> onnx.ModelProto:
    """Return the graph with ONNX's operations of our version where it has older ones."""
    import onnx

    versions = [one.version for one in proto.opset_import if not one.domain]
    if not versions or versions[0] >= OPSET:
        return proto
    try:
        with quiet():
            return onnx.version_converter.convert_version(proto, OPSET)
    except Exception as error:  # the converter's own kinds
        raise ExportError(
            f"The classifier's operations, ONNX's of version {versions[0]}, cannot be brought to version "
            f"{OPSET} ({quoted(error)}): export it anew with version {OPSET} or later."
        ) from error


def _normalising(mean: Sequence[float], deviation: Sequence[float]) -> tuple[np.ndarray, np.ndarray]:
    """Return what pixels 0 … 255 are multiplied by, and what is added then, (C, 1, 1) float32 each."""
    middle, spread = (np.array(values, np.float64).reshape(-1, 1, 1) for values in (mean, deviation))
    return (1 / (255 * spread)).astype(np.float32), (-middle / spread).astype(np.float32)


def _row_width(proto: onnx.ModelProto, size: tuple[int, int, int], tensor: str) -> int:
    """Return how many numbers a tensor of the graph has for an image, by asking it. Raises ExportError."""
    import onnx
    from onnx import TensorProto, helper
    from onnxruntime import InferenceSession, SessionOptions

    asked = onnx.ModelProto()
    asked.CopyFrom(proto)
    asked.graph.output.append(helper.make_tensor_value_info(tensor, TensorProto.FLOAT, None))
    options = SessionOptions()
    options.log_severity_level = 4
    try:
        session = InferenceSession(asked.SerializeToString(), options, providers=["CPUExecutionProvider"])
        rows = [session.run([tensor], {IMAGES: np.zeros((n, *size), np.uint8)})[0] for n in (1, 3)]
        if [row.shape for row in rows] != [(n, rows[0].shape[1]) for n in (1, 3)]:
            raise ValueError(f"three images give {rows[1].shape}")
    except Exception as error:  # onnxruntime has a kind for each way a graph can be wrong
        raise ExportError(
            f"The classifier does not answer for images of {size[0]} × {size[1]} × {size[2]}, or only for a "
            f"fixed number of them ({quoted(error)}): export it with an open number of images."
        ) from error
    return int(rows[0].shape[1])
