"""The few fields of an ONNX file that are read and written here; all others pass through untouched.

Protocol Buffers keep what a reader's schema does not name, so a schema of a dozen fields is enough to put
other constants into a file of any graph, and one graph before another. The package onnx could do the same,
at 60 MB; protobuf comes with onnxruntime. Field numbers: onnx.proto of https://github.com/onnx/onnx, where
they are fixed for ever.
"""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any

import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

_Field = descriptor_pb2.FieldDescriptorProto
_ONE, _MANY = _Field.LABEL_OPTIONAL, _Field.LABEL_REPEATED
_SCHEMA = {
    "Entry": [("key", 1, _ONE, _Field.TYPE_BYTES), ("value", 2, _ONE, _Field.TYPE_BYTES)],
    "Tensor": [
        ("dims", 1, _MANY, _Field.TYPE_INT64),
        ("data_type", 2, _ONE, _Field.TYPE_INT32),
        ("name", 8, _ONE, _Field.TYPE_BYTES),
        ("raw_data", 9, _ONE, _Field.TYPE_BYTES),
    ],
    "Node": [
        ("input", 1, _MANY, _Field.TYPE_BYTES),
        ("output", 2, _MANY, _Field.TYPE_BYTES),
        ("name", 3, _ONE, _Field.TYPE_BYTES),
    ],
    "Value": [("name", 1, _ONE, _Field.TYPE_BYTES)],
    "Graph": [
        ("node", 1, _MANY, "Node"),
        ("initializer", 5, _MANY, "Tensor"),
        ("input", 11, _MANY, "Value"),
        ("output", 12, _MANY, "Value"),
        ("value_info", 13, _MANY, "Value"),
    ],
    "Opset": [("domain", 1, _ONE, _Field.TYPE_BYTES), ("version", 2, _ONE, _Field.TYPE_INT64)],
    "Model": [
        ("graph", 7, _ONE, "Graph"),
        ("opset_import", 8, _MANY, "Opset"),
        ("metadata_props", 14, _MANY, "Entry"),
        ("functions", 25, _MANY, _Field.TYPE_BYTES),
    ],
}
_TYPES: dict[np.dtype[Any], int] = {
    np.dtype(np.float32): 1,
    np.dtype(np.int64): 7,
    np.dtype(np.bool_): 9,
    np.dtype(np.float16): 10,
    np.dtype(np.float64): 11,
}  # TensorProto.DataType


@cache
def _model_class() -> Any:
    file = descriptor_pb2.FileDescriptorProto(
        name="euinet/onnx_part.proto", package="euinet", syntax="proto2"
    )
    for message, fields in _SCHEMA.items():
        described = file.message_type.add(name=message)
        for name, number, label, kind in fields:
            field = described.field.add(name=name, number=number, label=label)
            if isinstance(kind, str):
                field.type, field.type_name = _Field.TYPE_MESSAGE, f".euinet.{kind}"
            else:
                field.type = kind
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("euinet.Model"))


class OnnxPart:
    """An ONNX file's constants and its metadata. Raises protobuf's DecodeError for what is no such file."""

    def __init__(self, content: bytes) -> None:
        self._model = _model_class().FromString(content)

    def to_bytes(self) -> bytes:
        """Return the file."""
        written: bytes = self._model.SerializeToString(deterministic=True)
        return written

    def constant(self, name: str) -> np.ndarray:
        """Return a constant of the graph. Raises KeyError where there is none, ValueError for no array."""
        return _values(self._tensor(name))

    def constants(self, start: str) -> dict[str, np.ndarray]:
        """Return the constants of known types whose names begin so. Raises ValueError for one cut short."""
        tensors = [t for t in self._model.graph.initializer if t.data_type in _TYPES.values()]
        return {t.name.decode(): _values(t) for t in tensors if t.name.startswith(start.encode())}

    def set_constant(self, name: str, values: np.ndarray) -> None:
        """Put other values, of any length, in the place of a constant. Raises KeyError when there is none."""
        tensor = self._tensor(name)
        tensor.data_type = _TYPES[values.dtype]
        del tensor.dims[:]
        tensor.dims.extend(values.shape)
        tensor.raw_data = np.ascontiguousarray(values).tobytes()

    def metadata(self, key: str) -> str | None:
        """Return the text under `key`, None where there is none. Raises ValueError for what is no text."""
        texts = [entry.value.decode() for entry in self._model.metadata_props if entry.key == key.encode()]
        return texts[0] if texts else None

    def set_metadata(self, key: str, value: str) -> None:
        """Put a text under `key`."""
        entries = [entry for entry in self._model.metadata_props if entry.key != key.encode()]
        del self._model.metadata_props[:]
        self._model.metadata_props.extend(entries)
        self._model.metadata_props.add(key=key.encode(), value=value.encode())

    def graph_digest(self) -> str:
        """Return a digest of what the file computes, in hexadecimal: operations, constants, inputs, outputs.

        Who wrote the file, what it says of itself and the order of its fields are not in it.
        """
        model, digest = self._model, hashlib.sha256()
        opsets = sorted((one.domain, one.version) for one in model.opset_import)
        digest.update(repr((opsets, sorted(model.functions))).encode())
        for field in ("node", "initializer", "input", "output"):
            for one in getattr(model.graph, field):
                written = one.SerializeToString(deterministic=True)
                digest.update(f"{field} {len(written)} ".encode() + written)
        return digest.hexdigest()

    def put_before(self, first: OnnxPart, name: str) -> None:
        """Let another graph compute this one's input `name`: its output of that name, which stays an output.

        Names of the two graphs must differ but for that one. Raises KeyError where there is no such output.
        """
        graph, before = self._model.graph, first._model.graph
        given = [value for value in before.output if value.name == name.encode()]
        if not given:
            raise KeyError(name)
        for field in ("node", "initializer", "value_info"):
            ours = list(getattr(graph, field))
            del getattr(graph, field)[:]
            getattr(graph, field).extend([*getattr(before, field), *ours])
        del graph.input[:]
        graph.input.extend(before.input)
        graph.output.extend(given)

    def take_apart(self, start: str, name: str) -> tuple[OnnxPart, OnnxPart]:
        """Return what `put_before` joined: the graph whose nodes' names begin with `start`, and the other.

        Raises KeyError where `name` is no output.
        """
        content, key, found = self.to_bytes(), start.encode(), []
        for is_first in (True, False):
            part = OnnxPart(content)
            graph = part._model.graph
            given = [value for value in graph.output if value.name == name.encode()]
            if not given:
                raise KeyError(name)
            for field in ("node", "initializer", "value_info"):
                kept = [one for one in getattr(graph, field) if one.name.startswith(key) == is_first]
                del getattr(graph, field)[:]
                getattr(graph, field).extend(kept)
            others = [value for value in graph.output if value.name != name.encode()]
            del graph.output[:]
            graph.output.extend(given if is_first else others)
            if is_first:
                del part._model.metadata_props[:]
            else:
                del graph.input[:]
                graph.input.extend(given)
            found.append(part)
        return found[0], found[1]

    def _tensor(self, name: str) -> Any:
        for tensor in self._model.graph.initializer:
            if tensor.name == name.encode():
                return tensor
        raise KeyError(name)


def _values(tensor: Any) -> np.ndarray:
    kinds = [kind for kind, number in _TYPES.items() if number == tensor.data_type]
    if not kinds:
        raise ValueError(f"the constant {tensor.name!r:.80} is of the type {tensor.data_type}")
    values: np.ndarray = np.frombuffer(tensor.raw_data, kinds[0]).reshape(tuple(tensor.dims))
    return values
