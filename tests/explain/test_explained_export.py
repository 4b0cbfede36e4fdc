"""The file of a page without a server: the ordinary outputs, and what the decision read."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from euinet.predict.engine import open_predictor
from euinet.predict.onnx_engine import EXPLAINED, OnnxPredictor
from explain_settings import SIGN

from euinet.explain import Explainer
from euinet.explain.plain import values_of
from euinet.export import check, export_onnx
from euinet.export.onnx_file import output_names
from euinet.trained.model import TrainedModel

Exported = tuple[TrainedModel, Path, torch.Tensor]


@pytest.fixture(scope="module")
def exported(
    explained_model: Callable[..., TrainedModel],
    random_images: Callable[..., torch.Tensor],
    tmp_path_factory: pytest.TempPathFactory,
) -> Exported:
    model = explained_model(SIGN)
    path = tmp_path_factory.mktemp("explained") / "model.onnx"
    export_onnx(model, path, explained=True)
    return model, path, random_images(20, 1, 16, 16, seed=11)


def test_its_parts_are_those_of_the_explainer(exported: Exported) -> None:
    model, path, images = exported
    found = OnnxPredictor(str(path)).run(images.numpy(), EXPLAINED)
    read = images.numpy().astype(np.float32) * np.float32(2 / 255) - 1
    change = (found["perturbed"] - read) * 127.5
    wanted = np.stack([values_of(one["change"]) for one in Explainer(model).explain(images)])
    assert (np.abs(change - wanted) < 1e-3).mean() > 0.999  # a direction may jump where a gradient is 0
    assert np.abs(wanted).max() == pytest.approx(4, abs=1e-3)
    _, _, features = Explainer(model)._read(images)
    apart = np.abs(found["features"] - features.numpy()).max(axis=1)
    assert np.count_nonzero(apart > 1e-4 * (1 + features.abs().max().item())) <= 1


def test_predict_takes_it_like_the_ordinary_file(exported: Exported) -> None:
    model, path, images = exported
    found, wanted = open_predictor(str(path)).predict(images.numpy()), model.predict(images)
    assert set(OnnxPredictor(str(path)).run(images.numpy())) == set(output_names(model))
    assert (found.labels == wanted.labels).mean() >= 0.95
    assert np.median(np.abs(found.ood_score - wanted.ood_score)) < 1e-5


def test_the_ordinary_file_has_the_outputs_it_had(exported: Exported) -> None:
    model, _, _ = exported
    ordinary = ["label", "best_class", "ood_score", "probabilities", "scores", "disc_score", "p_value"]
    assert output_names(model) == ordinary
    assert output_names(model, explained=True) == [*ordinary[:-1], *EXPLAINED, "p_value"]


def test_a_file_that_reads_otherwise_is_found_out(exported: Exported) -> None:
    model, path, images = exported
    found = OnnxPredictor(str(path)).run(images.numpy(), EXPLAINED)
    assert check.reads_otherwise(model, images, found) is None
    unperturbed = images.numpy().astype(np.float32) * np.float32(2 / 255) - 1
    assert "perturbed" in (check.reads_otherwise(model, images, found | {"perturbed": unperturbed}) or "")
    other = found | {"features": found["features"] * 1.01}
    assert "features" in (check.reads_otherwise(model, images, other) or "")
