"""Exported models made by hand, so small that a process that has one starts at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from euinet.images.preprocessing import Preprocessing
from euinet.predict.onnx_metadata import KEY

GEOMETRY = Preprocessing(1, 2)
DOCUMENT: dict[str, Any] = {
    "format_version": 1,
    "class_names": ["dark", "light"],
    "preprocessing": GEOMETRY.to_plain(),
    "alpha": 0.1,
    "per_class": False,
    "calibration_images": 9,
    "calibration_images_by_class": None,
    "threshold": 99.0,
    "data": "made up",
    "preset": "default",
    "euinet_version": "0.1.0",
}


def graph(rejected: int = -1, classes: int = 2, side: int | str = 2, p_value: float = 0.1) -> onnx.GraphProto:
    """`ood_score` is the mean brightness; above 99 `rejected`, else class 0 up to 50 and 1 above."""
    constants = {
        "axes": np.array([1, 2, 3]),
        "middle": np.float32(50),
        "most": np.float32(99),
        "nobody": np.int64(rejected),
        "nothing": np.float32(0),
        "p": np.float32(p_value),
        "third": np.full((1, classes + 1), 1 / 3, np.float32),
        "one": np.array([1]),
    }
    nodes = [
        helper.make_node("Cast", ["images"], ["bright"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["bright", "axes"], ["ood_score"], keepdims=0),
        helper.make_node("Greater", ["ood_score", "middle"], ["is_light"]),
        helper.make_node("Cast", ["is_light"], ["best_class"], to=TensorProto.INT64),
        helper.make_node("Greater", ["ood_score", "most"], ["is_odd"]),
        helper.make_node("Where", ["is_odd", "nobody", "best_class"], ["label"]),
        helper.make_node("Mul", ["ood_score", "nothing"], ["disc_score"]),
        helper.make_node("Add", ["disc_score", "p"], ["p_value"]),
        helper.make_node("Unsqueeze", ["disc_score", "one"], ["column"]),
        helper.make_node("Add", ["column", "third"], ["probabilities"]),
        helper.make_node("Identity", ["probabilities"], ["scores"]),
    ]
    row: list[int | str] = ["N", classes + 1]
    shapes = {name: ["N"] for name in ("label", "best_class", "ood_score", "disc_score", "p_value")}
    outputs = [
        helper.make_tensor_value_info(
            name, TensorProto.FLOAT if name not in INTEGERS else TensorProto.INT64, s
        )
        for name, s in {**shapes, "probabilities": row, "scores": row}.items()
    ]
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", 1, side, side])
    weights = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    return helper.make_graph(nodes, "brightness", [images], outputs, weights)


INTEGERS = ("label", "best_class")


def write(path: Path, document: object = DOCUMENT, **changes: Any) -> str:
    model = helper.make_model(graph(**changes), opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    if document is not None:
        text = document if isinstance(document, str) else json.dumps(document)
        helper.set_model_props(model, {KEY: text})
    onnx.save(model, path)
    return str(path)
