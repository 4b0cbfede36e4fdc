"""A smaller decision file: constants that half-precision numbers hold exactly are kept as such."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import onnx

FEWEST = 512  # numbers that are worth an operation of their own


def halve_constants(proto: onnx.ModelProto) -> None:
    """Write float32 constants as float16 with a cast behind them, where that loses nothing.

    A network whose weights were rounded (networks/half.py) then takes half the space. A runtime does the cast
    once, when it loads the file.
    """
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for tensor in proto.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT:
            continue
        values = numpy_helper.to_array(tensor)
        if values.size < FEWEST or not np.array_equal(values, _half(values).astype(np.float32)):
            continue
        name = tensor.name
        tensor.CopyFrom(numpy_helper.from_array(_half(values), f"{name}.half"))
        casts.append(helper.make_node("Cast", [tensor.name], [name], to=TensorProto.FLOAT))
    nodes = list(proto.graph.node)
    del proto.graph.node[:]
    proto.graph.node.extend([*casts, *nodes])


def _half(values: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return values.astype(np.float16)
