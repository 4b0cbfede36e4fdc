"""Somebody's classifier before our decision: its logits bit for bit, and what its last layer read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from classifiers import (
    CLASSES,
    FEATURES,
    SIDE,
    ChannelsLast,
    MatMulAdd,
    NoLinear,
    Small,
    TwoOutputs,
    WithSoftmax,
    answers,
    made,
    normalised,
    onnx_file,
)
from euinet.errors import ExportError, UsageError
from euinet.export.attached import classifier_graph, opset_of, read_classifier

MEAN, DEVIATION = (0.5, 0.25, 0.1), (0.5, 0.2, 0.4)
SIZE = (3, SIDE, SIDE)
DYNAMO = pytest.mark.parametrize("dynamo", [False, True], ids=["traced", "dynamo"])


def pixels(count: int = 6, channels: int = 3) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, channels, SIDE, SIDE), dtype=np.uint8)


def rows(content: bytes, images: np.ndarray, **named: str) -> tuple[np.ndarray, int]:
    """What the graph made of a classifier's file gives for images."""
    graph, classes = classifier_graph(read_classifier(content, "theirs.onnx", **named), MEAN, DEVIATION, SIZE)
    onnx.checker.check_model(onnx.load_from_string(graph), full_check=True)
    return answers(graph, images, "embedding"), classes


@DYNAMO
@pytest.mark.parametrize("kind", [Small, MatMulAdd], ids=lambda kind: kind.__name__)
def test_logits_are_theirs_bit_for_bit_and_features_what_the_last_layer_read(
    kind: type[nn.Module], dynamo: bool
) -> None:
    module = made(kind)
    content = onnx_file(module, dynamo=dynamo)
    given = normalised(pixels(), MEAN, DEVIATION)
    found, classes = rows(content, pixels())
    assert (classes, found.shape, found.dtype) == (CLASSES, (6, FEATURES + CLASSES), np.float32)
    np.testing.assert_array_equal(found[:, FEATURES:], answers(content, given))
    with torch.no_grad():
        wanted = module.features(torch.from_numpy(given)).numpy()  # type: ignore[operator]
    np.testing.assert_allclose(found[:, :FEATURES], wanted, rtol=1e-5, atol=1e-6)
    assert wanted.std() > 0.01


@DYNAMO
def test_of_probabilities_the_logits_before_them_are_taken(dynamo: bool) -> None:
    """The same weights without a softmax give the same logits."""
    content = onnx_file(made(WithSoftmax), dynamo=dynamo)
    found, classes = rows(content, pixels())
    plain = onnx_file(made(Small), dynamo=dynamo)
    logits = answers(plain, normalised(pixels(), MEAN, DEVIATION))
    np.testing.assert_array_equal(found[:, -classes:], logits)
    assert found.shape == (6, FEATURES + CLASSES)
    assert (found[:, -classes:].sum(axis=1) != 1).all()


@DYNAMO
def test_of_two_outputs_one_is_named(dynamo: bool) -> None:
    content = onnx_file(made(TwoOutputs), dynamo=dynamo, names=("logits", "sum"))
    with pytest.raises(UsageError, match=r"^theirs\.onnx has 2 outputs \(logits, sum\): say by --log"):
        read_classifier(content, "theirs.onnx")
    found, classes = rows(content, pixels(), logits="logits")
    assert (classes, found.shape) == (CLASSES, (6, FEATURES + CLASSES))
    given = normalised(pixels(), MEAN, DEVIATION)
    np.testing.assert_array_equal(found[:, FEATURES:], answers(content, given))
    with pytest.raises(UsageError, match=r"has no tensor 'scores': its outputs are logits, sum\."):
        read_classifier(content, "theirs.onnx", "scores")
    with pytest.raises(UsageError, match=r"has no tensor 'rows': give the name of what its last layer reads"):
        read_classifier(content, "theirs.onnx", "logits", "rows")


def test_features_are_read_where_they_are_named() -> None:
    content = onnx_file(made(TwoOutputs), dynamo=False, names=("logits", "sum"))
    found, classes = rows(content, pixels(), logits="logits", features="sum")
    assert (classes, found.shape) == (CLASSES, (6, 1 + CLASSES))
    given = normalised(pixels(), MEAN, DEVIATION)
    np.testing.assert_array_equal(found[:, :1], answers(content, given, "sum"))


@DYNAMO
def test_channels_may_come_last(dynamo: bool) -> None:
    content = onnx_file(made(ChannelsLast), dynamo=dynamo, shape=(SIDE, SIDE, 3))
    read = read_classifier(content, "theirs.onnx")
    assert (read.channels_last, read.shape) == (True, SIZE)
    found, classes = rows(content, pixels())
    given = normalised(pixels(), MEAN, DEVIATION).transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(found[:, -classes:], answers(content, np.ascontiguousarray(given)))


@DYNAMO
def test_without_a_linear_layer_logits_are_all_there_is(dynamo: bool) -> None:
    content = onnx_file(made(NoLinear), dynamo=dynamo)
    assert read_classifier(content, "theirs.onnx").features is None
    found, classes = rows(content, pixels())
    assert (classes, found.shape) == (CLASSES, (6, CLASSES))
    np.testing.assert_array_equal(found, answers(content, normalised(pixels(), MEAN, DEVIATION)))


@DYNAMO
def test_grey_images_of_a_file_of_one_channel(dynamo: bool) -> None:
    content = onnx_file(made(Small, channels=1), dynamo=dynamo, shape=(1, SIDE, SIDE))
    read = read_classifier(content, "theirs.onnx")
    assert read.shape == (1, SIDE, SIDE)
    graph, classes = classifier_graph(read, MEAN[:1], DEVIATION[:1], (1, SIDE, SIDE))
    found = answers(graph, pixels(channels=1), "embedding")
    given = normalised(pixels(channels=1), MEAN[:1], DEVIATION[:1])
    np.testing.assert_array_equal(found[:, -classes:], answers(content, given))


@DYNAMO
def test_halves_are_computed_as_halves_but_for_the_rounding_at_both_ends(dynamo: bool) -> None:
    """onnxruntime leaves out a cast to halves and back: what goes in and comes out is rounded less."""
    content = onnx_file(made(), dynamo=dynamo, half=True)
    assert read_classifier(content, "theirs.onnx").kind == TensorProto.FLOAT16
    found, classes = rows(content, pixels())
    theirs = answers(content, normalised(pixels(), MEAN, DEVIATION).astype(np.float16))
    assert theirs.dtype == np.float16
    np.testing.assert_allclose(found[:, -classes:], theirs.astype(np.float32), rtol=2e-3, atol=1e-4)


@DYNAMO
def test_a_number_of_images_that_is_fixed_in_name_alone_is_opened(dynamo: bool) -> None:
    content = onnx_file(made(), dynamo=dynamo, fixed=True)
    found, classes = rows(content, pixels())
    given = normalised(pixels(), MEAN, DEVIATION)
    theirs = np.concatenate([answers(content, given[start : start + 2]) for start in (0, 2, 4)])
    np.testing.assert_array_equal(found[:, -classes:], theirs)


def test_a_number_of_images_that_is_fixed_inside_is_one_sentence() -> None:
    proto = onnx.load_from_string(by_hand([2, 3, 8, 8]))
    proto.graph.node[1].CopyFrom(helper.make_node("Reshape", ["cast", "shape"], ["flat"]))
    proto.graph.initializer.append(numpy_helper.from_array(np.array([2, 192]), "shape"))
    with pytest.raises(ExportError, match=r"only for a fixed number of them \(.*\): export it with an open"):
        rows(proto.SerializeToString(), pixels())


def test_older_operations_are_brought_to_ours() -> None:
    content = onnx_file(made(WithSoftmax), dynamo=False, opset=12)
    assert opset_of(content) == 12
    graph, classes = classifier_graph(read_classifier(content, "theirs.onnx"), MEAN, DEVIATION, SIZE)
    assert opset_of(graph) == 18
    plain = onnx_file(made(), dynamo=False, opset=12)
    wanted = answers(plain, normalised(pixels(), MEAN, DEVIATION))
    np.testing.assert_array_equal(answers(graph, pixels(), "embedding")[:, -classes:], wanted)


def test_newer_operations_stay() -> None:
    content = onnx_file(made(), dynamo=True, opset=20)
    graph, _ = classifier_graph(read_classifier(content, "theirs.onnx"), MEAN, DEVIATION, SIZE)
    assert opset_of(graph) == opset_of(content) == 20


@DYNAMO
def test_no_name_of_theirs_is_left_bare_and_their_file_is_not_changed(dynamo: bool) -> None:
    read = read_classifier(onnx_file(made(), dynamo=dynamo), "theirs.onnx")
    before = read.proto.SerializeToString(deterministic=True)
    graph, _ = classifier_graph(read, MEAN, DEVIATION, SIZE)
    again, _ = classifier_graph(read, MEAN, DEVIATION, SIZE)
    assert graph == again
    assert read.proto.SerializeToString(deterministic=True) == before
    proto = onnx.load_from_string(graph)
    names = {name for node in proto.graph.node for name in (node.name, *node.input, *node.output)}
    names |= {constant.name for constant in proto.graph.initializer}
    assert {name for name in names if not name.startswith("backbone/")} <= {"images", "embedding", ""}
    assert [(given.name, given.type.tensor_type.elem_type) for given in proto.graph.input] == [
        ("images", TensorProto.UINT8)
    ]


def test_weights_in_another_file_are_refused(tmp_path: Path) -> None:
    proto = onnx.load_from_string(onnx_file(made(), dynamo=False))
    path = tmp_path / "theirs.onnx"
    onnx.save_model(proto, path, save_as_external_data=True, location="weights", size_threshold=0)
    with pytest.raises(UsageError, match=r"no ONNX file that can be read \(.*\): export the classifier"):
        read_classifier(path.read_bytes(), "theirs.onnx")


@pytest.mark.parametrize("content", [b"", b"no graph", b"\x08\x07", b"\xff" * 100])
def test_what_is_no_onnx_file_is_one_sentence(content: bytes) -> None:
    with pytest.raises(UsageError, match=r"^theirs\.onnx is no ONNX file that can be read \(") as told:
        read_classifier(content, "theirs.onnx")
    assert "\n" not in str(told.value)


def by_hand(shape: list[Any], kind: int = TensorProto.FLOAT, inputs: int = 1) -> bytes:
    """A graph that flattens its input and multiplies by ones."""
    given = [helper.make_tensor_value_info(f"x{n}", kind, shape) for n in range(inputs)]
    nodes = [
        helper.make_node("Cast", ["x0"], ["cast"], to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["cast"], ["flat"]),
        helper.make_node("MatMul", ["flat", "w"], ["logits"]),
    ]
    nodes += [helper.make_node("Identity", [f"x{n}"], [f"unused{n}"]) for n in range(1, inputs)]
    out = [helper.make_tensor_value_info("logits", TensorProto.FLOAT, [None, 2])]
    weights = [numpy_helper.from_array(np.ones((192, 2), np.float32), "w")]
    graph = helper.make_graph(nodes, "g", given, out, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    written: bytes = model.SerializeToString()
    return written


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (
            by_hand(["N", 192]),
            r"reads x0 of the shape \[None, 192\], but a classifier of images reads \(",
        ),
        (by_hand(["N", 4, 8, 8]), r"of the shape \[None, 4, 8, 8\]"),
        (by_hand(["N", 3, 8, 8], TensorProto.DOUBLE), "with 1 or 3 channels"),
        (by_hand(["N", 3, 8, 8], inputs=2), r"has 2 inputs \(x0, x1\), but a classifier of images has one\."),
    ],
)
def test_what_reads_no_images_is_one_sentence(content: bytes, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        read_classifier(content, "theirs.onnx")


def test_a_file_that_reads_bytes_gets_the_values_it_asks_for() -> None:
    """Its pixels are 0 … 255: a mean of 0 and a deviation of 1/255 leave them as they are."""
    read = read_classifier(by_hand(["N", 3, 8, 8], TensorProto.UINT8), "theirs.onnx")
    graph, classes = classifier_graph(read, (0.0,) * 3, (1 / 255,) * 3, SIZE)
    found = answers(graph, pixels(), "embedding")
    sums = pixels().reshape(6, -1).sum(axis=1)
    np.testing.assert_allclose(found[:, -classes:], np.stack([sums, sums], axis=1))


def test_a_layer_that_weighs_the_features_itself_is_no_linear_layer() -> None:
    """MatMul of two tensors that vary is attention, not a last layer."""
    proto = onnx.load_from_string(by_hand(["N", 3, 8, 8]))
    proto.graph.initializer.pop()
    proto.graph.node.insert(2, helper.make_node("Transpose", ["flat"], ["w"], perm=[1, 0]))
    assert read_classifier(proto.SerializeToString(), "theirs.onnx").features is None
