"""One exported file for each kind of model: it decides as the model does, and a fault in it is caught."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from euinet.predict.engine import open_predictor
from euinet.predict.onnx_engine import OnnxPredictor
from onnx import numpy_helper

import euinet
from euinet.data.sets.datasets import load_dataset
from euinet.errors import ExportError, UsageError
from euinet.export import check, export_onnx, gradient, onnx_file
from euinet.export.save import save_model
from euinet.model.bundled import bundled_folder
from euinet.model.card import ModelCard
from euinet.networks.euinet import EuiNet
from euinet.presets import Preset
from euinet.records import Decision, LabelledImages
from euinet.scoring.inference import in_batches, raw_scores, remember
from euinet.scoring.threshold import fit_logit_range
from euinet.trained.model import TrainedModel, load_trained

BATCHES = (1, 7, 256)


@dataclass(frozen=True)
class Case:
    """A kind of model: settings, channels, and what its calibration promises (None: it has none)."""

    settings: dict[str, Any]
    channels: int = 1
    alpha: float | None = None
    calibrated: bool = True
    per_class: bool = False


SIGN = {"scoring.epsilon": 4.0, "scoring.perturbation": "sign"}
RAW = {"scoring.epsilon": 4000.0, "scoring.perturbation": "raw"}
SMALL = {"model.trunk_widths": [6]}  # an export takes seconds, as many more as there are layers
STILL = {"scoring.epsilon": 0.0}
MEMORY = {"model.memory_per_class": 4, "model.memory_neighbours": 2, "scoring.distance_scale": 1.5}
SURPRISE = {"scoring.disc_link": "surprise", "scoring.temperature": 1.0, "scoring.disc_scale": 0.5}
CASES = {
    "evidence": Case({**STILL, **MEMORY, **SURPRISE, "model.disc_input": "evidence"}, 1, 0.1),
    "features": Case({**SIGN, **SMALL, "model.disc_input": "features"}, 1, calibrated=False),
    "pixels": Case({**RAW, **SMALL, "model.disc_input": "pixels"}, 3, 0.2, per_class=True),
    "stages": Case(
        {**SIGN, **MEMORY, "model.disc_input": "stages", "scoring.temperature_rule": "divide"}
        | {"scoring.temperature": 2.0, "scoring.disc_known": 0.9, "model.embedding": 4},
        3,
    ),
}


@pytest.fixture(scope="session")
def make_model(
    make_preset: Callable[..., Preset], random_images: Callable[..., torch.Tensor]
) -> Callable[..., TrainedModel]:
    """A model of a kind with random weights."""

    def make(case: Case, size: int = 8) -> TrainedModel:
        torch.manual_seed(0)
        shown = random_images(300, case.channels, size, size, seed=1)
        preset = make_preset({"scoring.known_rejected": 0.3, **case.settings})
        network = EuiNet(preset.model, case.channels, size, 3)
        with torch.no_grad():
            network.train()(torch.randn(32, case.channels, size, size))  # BatchNorm's statistics
            (logits,) = in_batches(lambda x: network.eval()(x).class_logits, shown, torch.device("cpu"))
            network.classifier.bias -= logits.mean(dim=0)  # so that each class is some images' best
        remember(network.eval(), LabelledImages(shown[:60].numpy(), np.arange(60) % 3))
        logit_range = fit_logit_range(raw_scores(network, shown[:100], preset.scoring), preset.scoring)
        names = ("north", "east", "süd")
        card = ModelCard("made up", names, (0, 1, 2), (), case.channels, size, 0, logit_range, preset, {})
        model = TrainedModel(network, card)
        return (
            model.calibrate(shown[100:], case.alpha, per_class=case.per_class) if case.calibrated else model
        )

    return make


@pytest.fixture(scope="module", params=CASES)
def exported(
    request: pytest.FixtureRequest,
    make_model: Callable[..., TrainedModel],
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Case, TrainedModel, Path]:
    case = CASES[request.param]
    path = tmp_path_factory.mktemp("exported") / "model.onnx"
    model = make_model(case)
    export_onnx(model, path)
    return case, model, path


@pytest.fixture
def weightless(monkeypatch: pytest.MonkeyPatch, make_model: Callable[..., TrainedModel]) -> TrainedModel:
    """A model whose export is asked for where it must not come so far as to take seconds."""
    monkeypatch.setattr(torch.onnx, "export", lambda *args, **kwargs: pytest.fail("it was exported"))
    return make_model(CASES["evidence"])


def run(predictor: OnnxPredictor, images: torch.Tensor, batch: int) -> dict[str, np.ndarray]:
    parts = [predictor.run(part.numpy()) for part in images.split(batch)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def assert_same(model: TrainedModel, decision: Decision, found: dict[str, np.ndarray]) -> None:
    """Scores to 1e-4, and labels but for scores that are as near to their threshold.

    With a perturbation one image in fifty may be further off (see export/check.py).
    """
    apart = np.abs(found["scores"] - decision.scores).max(axis=1)
    near = apart <= 1e-4 * (1 + np.abs(decision.scores).max(axis=1))
    jumps = math.ceil(len(near) / 50) if model.card.preset.scoring.epsilon > 0 else 0
    assert np.count_nonzero(~near) <= jumps
    clear = near & (np.abs(decision.ood_score - decision.threshold) > 1e-4)
    assert clear.mean() > 0.9 or len(clear) < 10
    np.testing.assert_array_equal(found["label"][clear], decision.labels[clear])
    np.testing.assert_array_equal(found["best_class"][clear], decision.classifier_labels[clear])
    for name in ("ood_score", "probabilities", "disc_score"):
        np.testing.assert_allclose(found[name][near], getattr(decision, name)[near], rtol=1e-4, atol=1e-4)


def test_model_folder_and_file_decide_the_same(
    exported: tuple[Case, TrainedModel, Path], random_images: Callable[..., torch.Tensor], tmp_path: Path
) -> None:
    case, model, path = exported
    save_model(model, tmp_path / "model")
    reloaded, predictor = load_trained(tmp_path / "model"), OnnxPredictor(str(path))
    images = random_images(256, case.channels, 8, 8, seed=5)
    decision = model.decide(images)
    assert 0.02 < (decision.labels < 0).mean() < 0.98, "a test of one answer alone"
    np.testing.assert_allclose(reloaded.decide(images).scores, decision.scores, rtol=1e-5, atol=1e-6)
    for batch in BATCHES:
        shown = images[:batch]
        assert_same(model, model.decide(shown), run(predictor, shown, batch))
    assert_same(model, decision, run(predictor, images, 1))


def test_a_predictor_of_the_file_answers_as_one_of_the_folder(
    exported: tuple[Case, TrainedModel, Path], random_images: Callable[..., torch.Tensor], tmp_path: Path
) -> None:
    case, model, path = exported
    save_model(model, tmp_path / "model")
    folder, file = open_predictor(str(tmp_path / "model")), open_predictor(str(path))
    same = {"model": "", "fingerprint": ""}
    assert replace(file.facts, **same) == replace(folder.facts, **same)
    pixels = random_images(100, case.channels, 8, 8, seed=6).numpy()
    wanted, found = folder.predict(pixels), file.predict(pixels)
    assert (found.labels == wanted.labels).mean() >= 0.98
    assert found.ood_score.dtype == wanted.ood_score.dtype
    if not case.calibrated:
        assert (found.p_value, wanted.p_value) == (None, None)
    else:
        assert found.p_value is not None
        # the same fractions to the last bit, but for scores within rounding of a calibration score
        assert (found.p_value == wanted.p_value).mean() >= 0.95
        if case.alpha is not None:
            np.testing.assert_array_equal(found.p_value <= case.alpha, found.rejected)
    assert len(file.predict(pixels[:0])) == 0


def test_the_file_is_whole_and_says_what_it_is(exported: tuple[Case, TrainedModel, Path]) -> None:
    case, model, path = exported
    assert [other.name for other in path.parent.iterdir()] == [path.name]  # no weights beside it
    proto = onnx.load(path, load_external_data=False)
    onnx.checker.check_model(proto, full_check=True)
    assert [(used.domain, used.version) for used in proto.opset_import] == [("", 18)]
    assert not proto.functions
    types = {onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16}
    assert not types & {weight.data_type for weight in proto.graph.initializer}
    assert str(Path(euinet.__file__).parent).encode() not in path.read_bytes(), "it tells where it was made"

    (entry,) = proto.metadata_props
    document = json.loads(entry.value)
    assert entry.key == "euinet"
    assert document["format_version"] == 1
    assert document["class_names"] == ["north", "east", "süd"]
    assert document["preprocessing"] == model.card.preprocessing.to_plain()
    assert document["alpha"] == case.alpha
    assert document["per_class"] == case.per_class
    assert document["calibration_images"] == (200 if case.calibrated else 0)
    thresholds = [0.0] * 3 if model.calibration is None else model.calibration.thresholds(3).tolist()
    assert document["threshold"] == (thresholds if case.per_class else thresholds[0])
    assert (document["data"], document["preset"]) == ("made up", "report")
    assert document["euinet_version"] == euinet.__version__
    assert all(weight.requires_grad for weight in model.network.parameters()), "the model was changed"
    named = [output.name for output in proto.graph.output]
    assert ("p_value" in named) == case.calibrated
    assert {value.type.tensor_type.shape.dim[0].dim_param for value in proto.graph.output} == {"N"}


def changed(path: Path, to: Path, change: Callable[[onnx.ModelProto], object]) -> Path:
    proto = onnx.load(path)
    change(proto)
    onnx.save(proto, to)
    return to


def shift_a_bias(proto: onnx.ModelProto) -> None:
    """Make one class's logit a little larger: its entry of the classifier's bias (3,)."""
    for weight in proto.graph.initializer:
        traced = "param" in weight.name and list(weight.dims) == [3]
        if traced or weight.name.endswith("classifier.bias"):
            values = numpy_helper.to_array(weight).copy()
            values[0] += 0.05
            weight.CopyFrom(numpy_helper.from_array(values, weight.name))
            return
    pytest.fail("there is no such weight")


def test_one_changed_weight_is_caught(exported: tuple[Case, TrainedModel, Path], tmp_path: Path) -> None:
    _, model, path = exported
    check.check_export(model, path)
    with pytest.raises(ExportError, match=r"does not answer as the model does \(.* differ"):
        check.check_export(model, changed(path, tmp_path / "other.onnx", shift_a_bias))


def test_a_wrong_gradient_leaves_nothing_behind_and_prints_nothing(
    make_model: Callable[..., TrainedModel],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def opposite_gate(gradient: torch.Tensor, output: torch.Tensor, threshold: float) -> torch.Tensor:
        return gradient * (1 - output.sign())

    monkeypatch.setattr(gradient, "_threshold_backward", opposite_gate)
    path = tmp_path / "model.onnx"
    path.write_bytes(b"what stood there")
    with pytest.raises(ExportError, match="does not answer as the model does"):
        export_onnx(make_model(CASES["features"]), path)
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [
        ("model.onnx", b"what stood there")
    ]
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_exporting_is_repeatable(make_model: Callable[..., TrainedModel], tmp_path: Path) -> None:
    for name in ("first", "second"):
        export_onnx(make_model(CASES["features"]), tmp_path / name)
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


def test_labels_and_p_values_that_contradict_the_scores_are_caught(
    exported: tuple[Case, TrainedModel, Path],
) -> None:
    _, model, path = exported
    images = check.probe_images(model)
    expected, found = model.decide(images), OnnxPredictor(str(path)).run(images.numpy())
    count = len(images)
    assert check.contradicts(model, found) is None
    assert check.differs(model, expected, found, count) is None
    turned = found | {"label": np.where(found["label"] == -1, found["best_class"], -1)}
    assert check.contradicts(model, turned) == "labels do not follow from scores"
    assert check.differs(model, expected, turned, count) == "labels differ"
    if "p_value" in found:
        moved = found | {"p_value": found["p_value"] * np.float32(1.001)}
        assert check.contradicts(model, moved) == "p-values do not follow from scores"
    other = found | {"best_class": (found["best_class"] + 1) % 3}
    assert check.differs(model, expected, other, count) == "the classifier's own choices differ"
    for name in ("scores", "probabilities", "disc_score"):
        nowhere = found | {name: np.full_like(found[name], np.nan)}
        assert check.differs(model, expected, nowhere, count) == f"{name} differ" + (
            " by nan" if name == "scores" else "s by nan"
        )


def test_what_cannot_be_exported_is_one_sentence(
    make_model: Callable[..., TrainedModel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("no such\noperation")

    monkeypatch.setattr(torch.onnx, "export", refuse)
    with pytest.raises(ExportError, match=r"cannot be written as ONNX \(RuntimeError: no such operation\);"):
        export_onnx(make_model(CASES["evidence"]), tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("package", ["onnx", "onnxscript", "onnxruntime"])
def test_a_missing_package_is_named_before_any_work(
    weightless: TrainedModel, package: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(UsageError, match=rf"needs the package {package}: .* pip install 'euinet\[export\]'"):
        export_onnx(weightless, tmp_path / "model.onnx")


def test_a_model_over_two_gigabytes_is_refused() -> None:
    class TooLarge:
        def SerializeToString(self, deterministic: bool) -> bytes:  # noqa: N802
            raise ValueError("exceeds the limit")

    with pytest.raises(ExportError, match="too large for one ONNX file"):
        onnx_file._bytes(TooLarge())  # type: ignore[arg-type]


@pytest.mark.slow
@pytest.mark.parametrize("settings", [SIGN, RAW])
def test_a_backbone_is_exported_too(
    make_model: Callable[..., TrainedModel],
    random_images: Callable[..., torch.Tensor],
    settings: dict[str, Any],
    tmp_path: Path,
) -> None:
    case = Case({**settings, "model.backbone": "resnet18"}, 3, 0.1)
    model = make_model(case, size=36)
    export_onnx(model, tmp_path / "model.onnx")
    images = random_images(64, 3, 36, 36, seed=5)
    predictor = OnnxPredictor(str(tmp_path / "model.onnx"))
    for batch in (1, 7, 64):
        assert_same(model, model.decide(images), run(predictor, images, batch))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mnist-without-4", "mnist-report"])
def test_bundled_models_on_real_images(name: str, tmp_path: Path) -> None:
    data = load_dataset("mnist")
    known = data.train.images[data.train.labels != (4 if name == "mnist-without-4" else 0)][:2000]
    model = load_trained(bundled_folder(name)).calibrate(known, 0.01, per_class=name == "mnist-report")
    export_onnx(model, tmp_path / "model.onnx")
    images, predictor = data.test.images[:1000], OnnxPredictor(str(tmp_path / "model.onnx"))
    decision, answers = model.decide(images), model.predict(images)
    assert 0.05 < (decision.labels < 0).mean() < 0.3
    for batch in BATCHES:
        found = run(predictor, images, batch)
        np.testing.assert_array_equal(found["label"], decision.labels)
        np.testing.assert_array_equal(found["best_class"], decision.classifier_labels)
        for output in ("scores", "ood_score", "probabilities", "disc_score"):
            np.testing.assert_allclose(found[output], getattr(decision, output), rtol=1e-4, atol=1e-4)
    assert answers.p_value is not None
    np.testing.assert_allclose(found["p_value"], answers.p_value, atol=2 / 200)
    assert (np.abs(found["p_value"] - answers.p_value) < 1e-6).mean() > 0.99
