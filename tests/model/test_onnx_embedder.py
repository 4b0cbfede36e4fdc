"""A backbone's graph, made by hand, in onnxruntime."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper

from euinet.errors import StorageError, UsageError
from euinet.images.preprocessing import Preprocessing
from euinet.model.backbone import BATCH, OnnxEmbedder
from euinet.model.onnx_part import OnnxPart

SIDE = 8
HOW = Preprocessing(3, SIDE)


def graph(side: int = SIDE, kind: int = TensorProto.UINT8, output: str = "embedding") -> bytes:
    """A graph whose embedding is each channel's mean, of images in 0 … 1."""
    nodes = [
        helper.make_node("Cast", ["images"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Div", ["numbers", "full"], ["scaled"]),
        helper.make_node("ReduceMean", ["scaled", "axes"], [output], keepdims=0),
    ]
    full = helper.make_tensor("full", TensorProto.FLOAT, [], [255.0])
    axes = helper.make_tensor("axes", TensorProto.INT64, [2], [2, 3])
    given = helper.make_tensor_value_info("images", kind, ["N", 3, side, side])
    wanted = helper.make_tensor_value_info(output, TensorProto.FLOAT, ["N", 3])
    made = helper.make_graph(nodes, "backbone", [given], [wanted], [full, axes])
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    content: bytes = model.SerializeToString()
    return content


@pytest.mark.parametrize("images", [0, 1, BATCH, 2 * BATCH + 3])
def test_it_computes_what_the_graph_says(images: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (images, 3, SIDE, SIDE), np.uint8)
    embedder = OnnxEmbedder(graph(), HOW, 1)
    found = embedder.embed(pixels)
    assert (embedder.width, found.shape, found.dtype) == (3, (images, 3), np.float32)
    assert np.allclose(found, pixels.mean(axis=(2, 3)) / 255, atol=1e-6)
    assert np.array_equal(
        embedder.embed(pixels[:, :, ::-1, ::-1]), embedder.embed(pixels[:, :, ::-1, ::-1].copy())
    )


def test_its_digest_is_of_what_the_graph_computes() -> None:
    told = OnnxPart(graph())
    told.set_metadata("made by", "somebody else")
    assert OnnxEmbedder(told.to_bytes(), HOW, 1).digest == OnnxEmbedder(graph(), HOW, 1).digest
    assert OnnxEmbedder(told.to_bytes(), HOW, 1).digest == OnnxPart(graph()).graph_digest()
    assert OnnxPart(graph(side=16)).graph_digest() != OnnxPart(graph()).graph_digest()


@pytest.mark.parametrize(
    "content",
    [graph(side=16), graph(kind=TensorProto.FLOAT), graph(output="features")],
    ids=["size", "floats", "name"],
)
def test_another_graph_is_refused_in_a_sentence(content: bytes) -> None:
    with pytest.raises(UsageError, match=r"^The backbone reads .*, but must read .* and give 'embedding'"):
        OnnxEmbedder(content, HOW, 1)


def test_a_damaged_file_and_one_that_answers_otherwise_are_refused() -> None:
    for content in (graph()[:100], b"", b"nothing"):
        with pytest.raises(StorageError, match=r"net\.onnx is damaged .*: copy it anew or export it again\."):
            OnnxEmbedder(content, HOW, 1, "net.onnx")
    embedder = OnnxEmbedder(graph(), HOW, 1)
    embedder.width = 5  # as if the file had said so
    with pytest.raises(StorageError, match=r"its features have the shape \(2, 3\)"):
        embedder.embed(np.zeros((2, 3, SIDE, SIDE), np.uint8))
