"""A backbone's graph before a decision: one file, and both parts out of it again."""

from dataclasses import replace

import numpy as np
import onnx
import pytest

from backbones import WEIGHTS, backbone_graph
from euinet.errors import DataError, ExportError, UsageError
from euinet.model.backbone_part import with_backbone, without_backbone
from euinet.model.card import BackboneCard
from euinet.model.decision_file import OUTPUTS
from euinet.model.model import Model
from vectors import WIDTH, vector_model


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


def test_rows_are_predicted_as_images_are() -> None:
    model = vector_model()
    rows = np.random.default_rng(2).normal(50, 20, (4, WIDTH))
    answers = model.predict(rows)
    assert answers.paths == tuple(f"embeddings[{place}]" for place in range(4))
    np.testing.assert_array_equal(answers.ood_score, model.answer(rows.astype(np.float32)).ood_score)
    assert len(model.predict(rows[0])) == 1
    with pytest.raises(UsageError, match=rf"reads rows of {WIDTH} numbers: give an array \(N, {WIDTH}\)"):
        model.predict(rows[:, :3])
    rows[1, 2] = np.nan
    with pytest.raises(DataError, match=r"embeddings\[1\] has NaN"):
        model.predict(rows)
    assert [error is not None for error in model.predict(rows, keep_going=True).errors or ()] == [
        *(False, True, False, False)
    ]
