"""Decision files made by hand, so small that a process that has one starts at once.

The model is a light meter of 4 × 4 grey images: `ood_score` is the mean brightness, class 0 is dark (up to
50), class 1 light; the calibration images had the brightness 11, 22, … 99.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from euinet.model.card import LogitRange, ModelCard
from euinet.model.conformal import Calibration
from euinet.model.decision_file import KEY, Description, constants, describe
from euinet.presets import get_preset

CARD = ModelCard(
    data="made up",
    class_names=("dark", "light"),
    known_classes=(0, 1),
    unknown_classes=(),
    channels=1,
    image_size=4,
    seed=0,
    logit_range=LogitRange((1.0, 1.0), (0.0, 0.0)),
    preset=get_preset("default"),
    metrics={},
)
SCORES = np.arange(11, 100, 11, dtype=np.float32)
CALIBRATION = Calibration(SCORES, (SCORES > 50).astype(np.int64), 0.1)
DESCRIPTION = describe(Description(CARD, "0" * 64), CALIBRATION)
DOCUMENT: dict[str, Any] = json.loads(DESCRIPTION.to_json())
SIDE = CARD.image_size
WHOLE = ("label", "best_class")


def bright(*values: int) -> np.ndarray:
    """Return images (N, 1, 4, 4) of these brightnesses."""
    return np.array(values, np.uint8)[:, None, None, None].repeat(SIDE, 2).repeat(SIDE, 3)


def graph(rejected: int = -1, classes: int = 2, side: int | str = SIDE) -> onnx.GraphProto:
    """The score is the mean brightness; above its threshold `rejected`, else class 0 up to 50 and 1 above."""
    values = {
        "axes": np.array([1, 2, 3]),
        "middle": np.float32(50),
        "nobody": np.int64(rejected),
        "nothing": np.float32(0),
        "third": np.full((1, classes + 1), 1 / 3, np.float32),
        "one": np.array([1]),
        "unit": np.float32(1),
        **constants(CALIBRATION, classes),
    }
    nodes = [
        helper.make_node("Cast", ["images"], ["perturbed"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["perturbed", "axes"], ["ood_score"], keepdims=0),
        helper.make_node("Greater", ["ood_score", "middle"], ["is_light"]),
        helper.make_node("Cast", ["is_light"], ["best_class"], to=TensorProto.INT64),
        helper.make_node("Gather", ["thresholds", "best_class"], ["threshold"]),
        helper.make_node("Greater", ["ood_score", "threshold"], ["is_odd"]),
        helper.make_node("Where", ["is_odd", "nobody", "best_class"], ["label"]),
        helper.make_node("Mul", ["ood_score", "nothing"], ["disc_score"]),
        helper.make_node("Identity", ["disc_score"], ["disc_added"]),
        helper.make_node("Unsqueeze", ["disc_score", "one"], ["column"]),
        helper.make_node("Add", ["column", "third"], ["probabilities"]),
        helper.make_node("Identity", ["probabilities"], ["scores"]),
        helper.make_node("Identity", ["column"], ["features"]),
        # as in export/decision.py
        helper.make_node("Unsqueeze", ["ood_score", "one"], ["score"]),
        helper.make_node("GreaterOrEqual", ["calibration_scores", "score"], ["as_high"]),
        helper.make_node("Unsqueeze", ["best_class", "one"], ["best"]),
        helper.make_node("Equal", ["calibration_answers", "best"], ["alike"]),
        helper.make_node("Not", ["per_class"], ["any_class"]),
        helper.make_node("Or", ["alike", "any_class"], ["counts"]),
        helper.make_node("And", ["as_high", "counts"], ["at_least"]),
        helper.make_node("Cast", ["at_least"], ["each"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["each", "one"], ["sum"], keepdims=0),
        helper.make_node("Add", ["sum", "unit"], ["upper"]),
        helper.make_node("Gather", ["calibration_counts", "best_class"], ["compared"]),
        helper.make_node("Cast", ["compared"], ["number"], to=TensorProto.FLOAT),
        helper.make_node("Add", ["number", "unit"], ["lower"]),
        helper.make_node("Div", ["upper", "lower"], ["p_value"]),
    ]
    row: list[int | str] = ["N", classes + 1]
    shapes: dict[str, list[int | str]] = {
        name: ["N"] for name in ("label", "best_class", "ood_score", "p_value")
    }
    shapes |= {"disc_score": ["N"], "disc_added": ["N"], "probabilities": row, "scores": row}
    shapes |= {"perturbed": ["N", 1, side, side], "features": ["N", 1]}
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64 if name in WHOLE else TensorProto.FLOAT, shape)
        for name, shape in shapes.items()
    ]
    images = helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", 1, side, side])
    weights = [numpy_helper.from_array(np.asarray(value), name) for name, value in values.items()]
    return helper.make_graph(nodes, "brightness", [images], outputs, weights)


def content(document: object = DOCUMENT, **changes: Any) -> bytes:
    """Return the file's content; `document` None leaves its description out."""
    model = helper.make_model(graph(**changes), opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    if document is not None:
        text = document if isinstance(document, str) else json.dumps(document)
        helper.set_model_props(model, {KEY: text})
    written: bytes = model.SerializeToString(deterministic=True)
    return written


def poisoned(output: str, value: float, above: int = 150) -> bytes:
    """Return the light meter that says `value` as its `output` of images brighter than `above`."""
    model = onnx.ModelProto.FromString(content())
    for node in model.graph.node:
        if output in node.output:
            node.output[0] = "clean"
    rank = len(next(o for o in model.graph.output if o.name == output).type.tensor_type.shape.dim)
    kind = np.int64 if output in WHOLE else np.float32
    for name, number in {"poison": kind(value), "limit": np.float32(above)}.items():
        model.graph.initializer.append(numpy_helper.from_array(np.asarray(number), name))
    for name, axes in {"each": np.arange(1, 4), "added": np.arange(1, rank)}.items():
        model.graph.initializer.append(numpy_helper.from_array(axes, f"{name}_axes"))
    model.graph.node.extend(
        [
            helper.make_node("Cast", ["images"], ["grey"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["grey", "each_axes"], ["brightness"], keepdims=0),
            helper.make_node("Greater", ["brightness", "limit"], ["is_bright"]),
            helper.make_node("Unsqueeze", ["is_bright", "added_axes"], ["shaped"]),
            helper.make_node("Where", ["shaped", "poison", "clean"], [output]),
        ]
    )
    # in the order of computation: what reads the poisoned output comes after it
    ready, waiting = {i.name for i in (*model.graph.input, *model.graph.initializer)}, list(model.graph.node)
    del model.graph.node[:]
    while waiting:
        node = next(node for node in waiting if ready.issuperset(node.input))
        waiting.remove(node)
        ready.update(node.output)
        model.graph.node.append(node)
    written: bytes = model.SerializeToString(deterministic=True)
    return written


def with_card(**values: Any) -> bytes:
    """Return the content of the same light meter with another card, for grey images of the card's size.

    Of more than two classes it names the first two alone.
    """
    classes = len(values.get("class_names", CARD.class_names))
    card = replace(CARD, logit_range=LogitRange((1.0,) * classes, (0.0,) * classes), **values)
    document = json.loads(describe(Description(card, "0" * 64), CALIBRATION).to_json())
    return content(document, classes=classes, side=card.image_size)


def write(path: Path, document: object = DOCUMENT, **changes: Any) -> str:
    """Write the file and return its path as text."""
    path.write_bytes(content(document, **changes))
    return str(path)
