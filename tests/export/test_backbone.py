"""A frozen network as an ONNX file: the numbers of its definition, names that no other graph has."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import onnx
import pytest
import timm
import torch
from numpy.typing import NDArray
from onnxruntime import InferenceSession
from torch import Tensor, nn

from euinet.errors import ExportError
from euinet.export.backbone import backbone_file, classifier_file
from euinet.networks.pretrained import pretrained

MEAN, DEVIATION = (0.5, 0.25, 0.1), (0.5, 0.2, 0.4)


class Averages(nn.Module):
    """Each colour's average, and the sum of the first two."""

    def forward(self, images: Tensor) -> Tensor:
        averages = images.mean(dim=(2, 3))
        return torch.cat([averages, averages[:, :1] + averages[:, 1:2]], dim=1)


class Classifier(nn.Module):
    """Features first, then class logits: twice the red's average."""

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        averages = images.mean(dim=(2, 3))
        return averages, 2 * averages[:, :1]


def run(content: bytes, images: NDArray[np.uint8]) -> NDArray[np.float32]:
    session = InferenceSession(content, providers=["CPUExecutionProvider"])
    assert [(given.name, given.type, given.shape[0]) for given in session.get_inputs()] == [
        ("images", "tensor(uint8)", "N")
    ]
    assert [given.name for given in session.get_outputs()] == ["embedding"]
    found: NDArray[np.float32] = session.run(None, {"images": images})[0]
    return found


def pixels(count: int, *shape: int) -> NDArray[np.uint8]:
    return np.random.default_rng(1).integers(0, 256, (count, *shape), dtype=np.uint8)


@pytest.mark.parametrize("count", [0, 1, 7])
def test_pixels_are_normalised_inside(count: int) -> None:
    images = pixels(count, 3, 6, 6)
    found = run(backbone_file(Averages(), MEAN, DEVIATION, 6), images)
    averages = (images.astype(np.float64).mean(axis=(2, 3)) / 255 - MEAN) / DEVIATION
    wanted = np.column_stack([averages, averages[:, 0] + averages[:, 1]])
    assert found.shape == (count, 4)
    np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)


def test_a_classifier_s_features_stand_before_its_logits() -> None:
    images = pixels(3, 2, 4, 6)
    found = run(classifier_file(Classifier(), (0.0, 0.0), (1 / 255, 1 / 255), (2, 4, 6)), images)
    averages = images.astype(np.float64).mean(axis=(2, 3))
    np.testing.assert_allclose(found, np.column_stack([averages, 2 * averages[:, 0]]), rtol=1e-5)
    with pytest.raises(ExportError, match="Images of 1 channels need a mean and a deviation for each"):
        classifier_file(Classifier(), (0.0, 0.0), (1.0, 1.0), (1, 4, 4))


FAMILIES = ("timm/vit_tiny_patch16_224", "timm/test_convnext", "timm/test_efficientnet")


@pytest.mark.parametrize("name", FAMILIES)
def test_networks_of_three_families(name: str) -> None:
    torch.manual_seed(0)
    found = pretrained(name, "none")
    before = {key: value.clone() for key, value in found.network.state_dict().items()}
    size, given = found.image_size, (found.mean, found.deviation)
    content = backbone_file(found.network, *given, size)
    assert backbone_file(found.network, *given, size) == content  # features are cached by its digest
    assert all(torch.equal(value, before[key]) for key, value in found.network.state_dict().items())

    images = pixels(3, 3, size, size)
    config = timm.data.resolve_model_data_config(found.network)
    transform = timm.data.create_transform(**config)  # timm's own, of which the last step normalises
    with torch.no_grad():
        wanted = found.network(transform.transforms[-1](torch.from_numpy(images) / 255)).numpy()
    np.testing.assert_allclose(run(content, images), wanted, rtol=1e-3, atol=1e-4 * np.abs(wanted).max())
    assert wanted.shape == (3, found.features)

    proto = onnx.load_from_string(content)
    onnx.checker.check_model(proto)
    nodes = proto.graph.node
    names = {name for node in nodes for name in (node.name, *node.input, *node.output)}
    names |= {constant.name for constant in proto.graph.initializer}
    assert {name for name in names if not name.startswith("backbone/")} <= {"images", "embedding", ""}
    assert "BatchNormalization" not in {node.op_type for node in nodes}
    assert not any(node.doc_string or node.metadata_props for node in nodes)
    assert str(Path(timm.__file__).parent).encode() not in content
    assert str(Path.cwd()).encode() not in content


def test_what_has_no_counterpart_in_onnx_is_one_sentence() -> None:
    class Decides(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            flat = images.flatten(1)
            return flat if images.sum() > 0 else -flat

    with pytest.raises(
        ExportError, match=r"cannot be written as ONNX \(.*\); choose another backbone"
    ) as told:
        backbone_file(Decides(), MEAN, DEVIATION, 4)
    assert "\n" not in str(told.value)


def test_what_answers_otherwise_than_the_network_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    export = torch.onnx.export

    def of_another(module: nn.Module, *given: object, **options: object) -> object:
        another = copy.deepcopy(module)
        another.shift[0] += 1e-3  # type: ignore[index, operator]
        return export(another, *given, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(torch.onnx, "export", of_another)
    with pytest.raises(ExportError, match=r"does not answer as the network does \(features differ by 0\.001"):
        backbone_file(Averages(), MEAN, DEVIATION, 4)


def test_a_network_that_answers_nan_is_not_kept() -> None:
    class Broken(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return images.mean(dim=(2, 3)) * torch.nan

    with pytest.raises(ExportError, match=r"features differ by nan"):
        backbone_file(Broken(), MEAN, DEVIATION, 4)
