"""A backbone's graph before a decision: one file, and both parts out of it again."""

from dataclasses import replace

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from euinet.errors import ExportError
from euinet.model.backbone_part import with_backbone, without_backbone
from euinet.model.card import BackboneCard
from euinet.model.decision_file import OUTPUTS
from euinet.model.model import Model
from vectors import WIDTH, vector_model

WEIGHTS = np.random.default_rng(3).normal(size=(3 * 8 * 8, WIDTH)).astype(np.float32) / 1000


def backbone_graph(output: str = "embedding") -> bytes:
    """A graph that casts images (N, 3, 8, 8), flattens them and multiplies by WEIGHTS."""
    nodes = [
        helper.make_node("Cast", ["images"], ["backbone/cast"], "backbone/1", to=TensorProto.FLOAT),
        helper.make_node("Flatten", ["backbone/cast"], ["backbone/flat"], "backbone/2", axis=1),
        helper.make_node("MatMul", ["backbone/flat", "backbone/weights"], [output], "backbone/3"),
    ]
    graph = helper.make_graph(
        nodes,
        "backbone",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["N", 3, 8, 8])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, ["N", WIDTH])],
        [numpy_helper.from_array(WEIGHTS, "backbone/weights")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    written: bytes = model.SerializeToString()
    return written


def test_one_file_decides_on_images_as_its_parts_do_and_comes_apart_again() -> None:
    decision = vector_model()
    card = replace(decision.card, channels=3, image_size=8, backbone=BackboneCard("toy", "none", "0" * 64))
    content = with_backbone(decision._content, backbone_graph(), card)
    onnx.checker.check_model(onnx.load_from_string(content))

    whole = Model(content, "whole")
    images = np.random.default_rng(0).integers(0, 256, (7, 3, 8, 8), np.uint8)
    found = whole.run(images, ("embedding", *OUTPUTS))
    np.testing.assert_allclose(
        found["embedding"], images.reshape(7, -1).astype(np.float32) @ WEIGHTS, rtol=1e-4, atol=1e-4
    )
    expected = decision.run(found["embedding"], OUTPUTS)
    for name in OUTPUTS:
        np.testing.assert_array_equal(found[name], expected[name])

    backbone, alone = without_backbone(content)
    assert Model(alone, "alone").card == decision.card
    assert Model(alone, "alone").calibration_images == decision.calibration_images
    np.testing.assert_array_equal(
        Model(alone, "alone").run(found["embedding"], ("ood_score",))["ood_score"], expected["ood_score"]
    )
    assert with_backbone(alone, backbone, card) == content


def test_another_graph_is_refused() -> None:
    decision = vector_model()
    with pytest.raises(ExportError, match="no output 'embedding'"):
        with_backbone(decision._content, backbone_graph("features"), decision.card)
