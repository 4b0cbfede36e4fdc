"""One exported file for each kind of model: it decides as the model does, and a fault in it is caught."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper

import euinet
from euinet.data.sets.datasets import load_dataset
from euinet.errors import ExportError
from euinet.export import check, gradient, onnx_file, writing
from euinet.export.decision import DecisionOutputs
from euinet.export.onnx_file import decision_file
from euinet.export.save import save_model
from euinet.model.card import ModelCard
from euinet.model.decision_file import OUTPUTS
from euinet.model.model import Model
from euinet.model.opening import load
from euinet.networks.euinet import EuiNet
from euinet.networks.half import round_weights
from euinet.presets import Preset
from euinet.records import Decision, LabelledImages
from euinet.scoring.inference import in_batches, raw_scores, remember
from euinet.scoring.threshold import fit_logit_range
from euinet.trained.model import TrainedModel

BATCHES = (1, 7, 256)
NETWORK = "0" * 64


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

    def make(case: Case, size: int = 8, seed: int = 0) -> TrainedModel:
        torch.manual_seed(seed)
        shown = random_images(300, case.channels, size, size, seed=1)
        preset = make_preset({"scoring.known_rejected": 0.3, **case.settings})
        network = EuiNet(preset.model, (case.channels, size, size), 3)
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
    request: pytest.FixtureRequest, make_model: Callable[..., TrainedModel]
) -> tuple[Case, TrainedModel, bytes]:
    case = CASES[request.param]
    model = make_model(case)
    return case, model, decision_file(model, NETWORK)


def run(made: Model, images: torch.Tensor, batch: int) -> dict[str, np.ndarray]:
    parts = [made.run(part.numpy(), OUTPUTS) for part in images.split(batch)]
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


def test_the_network_and_its_file_decide_the_same(
    exported: tuple[Case, TrainedModel, bytes], random_images: Callable[..., torch.Tensor], tmp_path: Path
) -> None:
    case, model, content = exported
    made = Model(content, "made")
    images = random_images(256, case.channels, 8, 8, seed=5)
    decision = model.decide(images)
    assert 0.02 < (decision.labels < 0).mean() < 0.98, "a test of one answer alone"
    for batch in BATCHES:
        shown = images[:batch]
        assert_same(model, model.decide(shown), run(made, shown, batch))
    assert_same(model, decision, run(made, images, 1))


def test_a_folder_holds_the_network_and_the_file(
    exported: tuple[Case, TrainedModel, bytes], random_images: Callable[..., torch.Tensor], tmp_path: Path
) -> None:
    case, model, _ = exported
    made = save_model(model, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"config.json", "model.safetensors", "decision.onnx"}
    assert load(tmp_path).fingerprint == made.fingerprint
    back = load(tmp_path).torch()
    assert back.card == model.card
    pixels = random_images(100, case.channels, 8, 8, seed=6)
    wanted, found, again = model.answer(pixels), made.answer(pixels.numpy()), back.answer(pixels)
    np.testing.assert_allclose(again.ood_score, wanted.ood_score, rtol=1e-5, atol=1e-6)
    assert (found.labels == wanted.labels).mean() >= 0.98
    if not case.calibrated:
        assert (found.p_value, wanted.p_value, back.calibration) == (None, None, None)
    else:
        assert found.p_value is not None
        # the same fractions to the last bit, but for scores within rounding of a calibration score
        assert (found.p_value == wanted.p_value).mean() >= 0.95
        if case.alpha is not None:
            np.testing.assert_array_equal(found.p_value <= case.alpha, found.rejected)


def test_the_file_is_whole_and_says_what_it_is(exported: tuple[Case, TrainedModel, bytes]) -> None:
    case, model, content = exported
    proto = onnx.ModelProto.FromString(content)
    onnx.checker.check_model(proto, full_check=True)
    assert [(used.domain, used.version) for used in proto.opset_import] == [("", 18)]
    assert not proto.functions
    assert str(Path(euinet.__file__).parent).encode() not in content, "it tells where it was made"

    (entry,) = proto.metadata_props
    document = json.loads(entry.value)
    assert entry.key == "euinet"
    assert document["network"] == NETWORK
    assert document["card"] == json.loads(json.dumps(model.card.to_plain()))
    assert (document["alpha"], document["per_class"]) == (case.alpha, case.per_class)
    assert document["calibration_images"] == (200 if case.calibrated else 0)
    assert document["euinet_version"] == euinet.__version__
    assert all(weight.requires_grad for weight in model.network.parameters()), "the model was changed"
    assert tuple(output.name for output in proto.graph.output) == DecisionOutputs._fields
    assert set(DecisionOutputs._fields) == set(OUTPUTS)
    assert {value.type.tensor_type.shape.dim[0].dim_param for value in proto.graph.output} == {"N"}
    assert [given.name for given in proto.graph.input] == ["images"]
    calibration = Model(content, "made").calibration
    assert (calibration is None) == (model.calibration is None)
    if calibration is not None and model.calibration is not None:
        np.testing.assert_array_equal(calibration.scores, model.calibration.scores)
        np.testing.assert_array_equal(calibration.answers, model.calibration.answers)


def test_what_h_adds_is_the_threshold_but_for_gamma_and_calibration(
    exported: tuple[Case, TrainedModel, bytes], random_images: Callable[..., torch.Tensor]
) -> None:
    case, model, content = exported
    made = Model(content, "made")
    pixels = random_images(20, case.channels, 8, 8, seed=7).numpy()
    found, decision = made.run(pixels, OUTPUTS), made.decide(pixels)
    rest = model.card.preset.scoring.disc_shift - decision.threshold
    np.testing.assert_allclose(found["scores"][:, 0], found["disc_added"] + rest, rtol=1e-5, atol=1e-5)


def test_a_second_model_of_a_kind_takes_the_first_one_s_graph_and_its_own_numbers(
    make_model: Callable[..., TrainedModel],
    random_images: Callable[..., torch.Tensor],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case = CASES["evidence"]
    first = make_model(case)
    decision_file(first, NETWORK)
    second = make_model(case, seed=1)
    monkeypatch.setattr(torch.onnx, "export", lambda *args, **kwargs: pytest.fail("it was traced anew"))
    made, images = Model(decision_file(second, NETWORK), "second"), random_images(50, 1, 8, 8, seed=8)
    assert_same(second, second.decide(images), run(made, images, 50))
    assert np.abs(second.decide(images).scores - first.decide(images).scores).max() > 0.01
    other = Case({**case.settings, "scoring.disc_scale": 0.6}, 1, 0.1)
    with pytest.raises(pytest.fail.Exception, match="it was traced anew"):
        decision_file(make_model(other), NETWORK)


def test_weights_that_halves_hold_take_half_the_space(make_model: Callable[..., TrainedModel]) -> None:
    model = make_model(Case({**STILL, "model.trunk_widths": [16, 32]}, 1, 0.1))
    whole = decision_file(model, NETWORK)
    round_weights(model.network)
    half = decision_file(TrainedModel(model.network, model.card, model.calibration), NETWORK)
    weights = sum(2 * weight.numel() for weight in model.network.parameters() if weight.ndim == 4)
    assert len(whole) - len(half) > 0.8 * weights


def changed(content: bytes, change: Callable[[onnx.ModelProto], object]) -> bytes:
    proto = onnx.ModelProto.FromString(content)
    change(proto)
    written: bytes = proto.SerializeToString()
    return written


def shift_a_bias(proto: onnx.ModelProto) -> None:
    """Make one class's logit a little larger: its entry of the classifier's bias (3,)."""
    for weight in proto.graph.initializer:
        if weight.name.endswith("classifier.bias"):
            values = numpy_helper.to_array(weight).copy()
            values[0] += 0.05
            weight.CopyFrom(numpy_helper.from_array(values, weight.name))
            return
    pytest.fail("there is no such weight")


def test_one_changed_weight_is_caught(exported: tuple[Case, TrainedModel, bytes]) -> None:
    _, model, content = exported
    check.check_decision(model, content)
    with pytest.raises(ExportError, match=r"does not answer as the network does \(.* differ"):
        check.check_decision(model, changed(content, shift_a_bias))


def test_a_wrong_gradient_leaves_nothing_behind_and_prints_nothing(
    make_model: Callable[..., TrainedModel],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def opposite_gate(gradient: torch.Tensor, output: torch.Tensor, threshold: float) -> torch.Tensor:
        return gradient * (1 - output.sign())

    monkeypatch.setattr(gradient, "_threshold_backward", opposite_gate)
    monkeypatch.setattr(onnx_file, "_graphs", {})  # else the right gradient is there
    with pytest.raises(ExportError, match="does not answer as the network does"):
        save_model(make_model(CASES["features"]), tmp_path)
    assert not list(tmp_path.iterdir())
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_exporting_is_repeatable(
    make_model: Callable[..., TrainedModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = set()
    for _ in range(2):
        monkeypatch.setattr(onnx_file, "_graphs", {})
        made.add(decision_file(make_model(CASES["features"]), NETWORK))
    assert len(made) == 1


def test_labels_and_p_values_that_contradict_the_scores_are_caught(
    exported: tuple[Case, TrainedModel, bytes],
) -> None:
    _, model, content = exported
    images = check.probe_images(model)
    expected, found = model.decide(images), Model(content, "made").run(images.numpy(), OUTPUTS)
    count = len(images)
    assert check.contradicts(model, found) is None
    assert check.differs(model, expected, found, count) is None
    turned = found | {"label": np.where(found["label"] == -1, found["best_class"], -1)}
    assert check.contradicts(model, turned) == "its label does not follow from its score"
    assert check.differs(model, expected, turned, count) == "labels differ"
    if model.calibration is not None:
        moved = found | {"p_value": found["p_value"] * np.float32(1.001)}
        assert check.contradicts(model, moved) == "its p-value does not follow from its score"
    other = found | {"best_class": (found["best_class"] + 1) % 3}
    assert check.differs(model, expected, other, count) == "the classifier's own choices differ"
    for name in ("scores", "probabilities", "disc_score"):
        nowhere = found | {name: np.full_like(found[name], np.nan)}
        assert check.differs(model, expected, nowhere, count) == f"{name} differ" + (
            " by nan" if name == "scores" else "s by nan"
        )


def test_what_cannot_be_exported_is_one_sentence(
    make_model: Callable[..., TrainedModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("no such\noperation")

    monkeypatch.setattr(onnx_file, "_graphs", {})
    monkeypatch.setattr(torch.onnx, "export", refuse)
    with pytest.raises(ExportError, match=r"cannot be written as ONNX \(RuntimeError: no such operation\);"):
        decision_file(make_model(CASES["evidence"]), NETWORK)


def test_a_model_over_two_gigabytes_is_refused() -> None:
    class TooLarge:
        def SerializeToString(self, deterministic: bool) -> bytes:  # noqa: N802
            raise ValueError("exceeds the limit")

    with pytest.raises(ExportError, match="too large for one ONNX file"):
        writing.as_bytes(TooLarge())  # type: ignore[arg-type]


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
    made, images = Model(decision_file(model, NETWORK), "made"), random_images(64, 3, 36, 36, seed=5)
    for batch in (1, 7, 64):
        assert_same(model, model.decide(images), run(made, images, batch))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mnist-without-4", "mnist-report"])
def test_bundled_models_on_real_images(name: str) -> None:
    """What a bundled decision file says of 1,000 real images is what its network says, to 1e-4."""
    data = load_dataset("mnist")
    images, made = data.test.images[:1000], load(name)
    network = made.torch()
    decision, answers = network.decide(images), network.answer(images)
    assert 0.05 < (decision.labels < 0).mean() < 0.3
    for batch in BATCHES:
        found = run(made, torch.from_numpy(images.copy()), batch)
        np.testing.assert_array_equal(found["label"], decision.labels)
        np.testing.assert_array_equal(found["best_class"], decision.classifier_labels)
        for output in ("scores", "ood_score", "probabilities", "disc_score"):
            np.testing.assert_allclose(found[output], getattr(decision, output), rtol=1e-4, atol=1e-4)
    if answers.p_value is not None:
        np.testing.assert_allclose(made.answer(images).p_value, answers.p_value, atol=2e-3)
