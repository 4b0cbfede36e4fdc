from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.metrics import roc_auc_score

from euinet.errors import StorageError, TrainingError, UsageError
from euinet.export.save import save_model
from euinet.model.card import ModelCard
from euinet.model.names import CONFIG_FILE, DECISION_FILE, WEIGHTS_FILE
from euinet.networks import to_network_range
from euinet.networks.euinet import EuiNet
from euinet.networks.half import round_weights
from euinet.presets import Preset, get_preset
from euinet.records import Split
from euinet.scoring.comparison import euinet_decision
from euinet.scoring.inference import raw_scores
from euinet.scoring.threshold import fit_logit_range
from euinet.trained.model import FORMAT_VERSION, TrainedModel, load_trained, save_network


@pytest.fixture
def model(split: Split, make_preset: Callable[..., Preset]) -> TrainedModel:
    torch.manual_seed(0)
    preset = make_preset({"model.disc_input": "stages"})
    network = EuiNet(preset.model, (1, 8, 8), 3).to(memory_format=torch.channels_last)
    with torch.no_grad():
        network.train()(torch.randn(8, 1, 8, 8))  # BatchNorm's statistics are part of a model
    half = preset.scoring.model_copy(update={"known_rejected": 0.4})
    logit_range = fit_logit_range(raw_scores(network.eval(), split.test.images, half), half)
    card = ModelCard(
        data="quadrants",
        class_names=split.class_names,
        known_classes=split.known_classes,
        unknown_classes=split.unknown_classes,
        channels=1,
        image_size=8,
        seed=4,
        logit_range=logit_range,
        preset=preset,
        metrics={"auroc": 0.5},
    )
    return TrainedModel(network, card)


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / CONFIG_FILE
    config = json.loads(path.read_text())
    change(config)
    path.write_text(json.dumps(config))


def test_a_saved_model_decides_the_same(model: TrainedModel, split: Split, tmp_path: Path) -> None:
    made = save_model(model, tmp_path / "model")
    loaded = load_trained(tmp_path / "model")
    assert loaded.card == model.card
    assert not loaded.network.training
    before, after = (
        euinet_decision(m.network, split.test.images, m.card.preset.scoring, m.card.logit_range)
        for m in (model, loaded)
    )
    np.testing.assert_array_equal(before.labels, after.labels)
    assert 0 < (before.labels < 0).sum() < 24
    np.testing.assert_allclose(before.scores, after.scores, atol=1e-6)
    names = {path.name for path in (tmp_path / "model").iterdir()}
    assert names == {CONFIG_FILE, WEIGHTS_FILE, DECISION_FILE}
    decided = made.decide(split.test.images)
    np.testing.assert_allclose(decided.scores, before.scores, atol=1e-5)


def stored_types(folder: Path) -> dict[str, torch.dtype]:
    return {name: tensor.dtype for name, tensor in load_file(folder / WEIGHTS_FILE).items()}


def test_a_rounded_model_takes_half_the_space_and_decides_the_same(
    model: TrainedModel, split: Split, tmp_path: Path
) -> None:
    save_network(model, tmp_path / "whole")
    round_weights(model.network)
    save_network(model, tmp_path / "half")
    loaded = load_trained(tmp_path / "half")
    before, after = (
        euinet_decision(m.network, split.test.images, m.card.preset.scoring, m.card.logit_range)
        for m in (model, loaded)
    )
    np.testing.assert_array_equal(before.scores, after.scores)
    assert {parameter.dtype for parameter in loaded.network.parameters()} == {torch.float32}
    types = stored_types(tmp_path / "half")
    for name, tensor in model.network.state_dict().items():
        assert types[name] == (torch.float16 if tensor.ndim >= 2 else tensor.dtype), name
    halved = sum(2 * p.numel() for p in model.network.parameters() if p.ndim >= 2)
    whole, half = ((tmp_path / name / WEIGHTS_FILE).stat().st_size for name in ("whole", "half"))
    assert whole - half == pytest.approx(halved, abs=128)  # the files' headers


def test_an_unrounded_model_is_stored_whole(model: TrainedModel, tmp_path: Path) -> None:
    save_network(model, tmp_path)
    assert torch.float16 not in stored_types(tmp_path).values()


def test_one_value_that_float16_cannot_hold_keeps_its_tensor_whole(
    model: TrainedModel, tmp_path: Path
) -> None:
    round_weights(model.network)
    classifier = model.network.get_submodule("classifier")
    with torch.no_grad():
        classifier.weight[0, 0] = 0.1  # 0.0999756 in float16
    save_network(model, tmp_path)
    whole = {name for name, tensor in load_file(tmp_path / WEIGHTS_FILE).items() if tensor.ndim >= 2} - {
        name for name, dtype in stored_types(tmp_path).items() if dtype == torch.float16
    }
    assert whole == {"classifier.weight"}
    assert load_trained(tmp_path).network.state_dict()["classifier.weight"][0, 0] == np.float32(0.1)


def test_rounding_changes_weights_alone_and_only_to_what_float16_holds(model: TrainedModel) -> None:
    before = {name: tensor.clone() for name, tensor in model.network.state_dict().items()}
    round_weights(model.network)
    for name, tensor in model.network.state_dict().items():
        expected = before[name].numpy()
        if expected.ndim >= 2:
            assert not np.array_equal(tensor.numpy(), expected)
            expected = expected.astype(np.float16)
        np.testing.assert_array_equal(tensor.numpy(), expected)
        assert tensor.dtype == before[name].dtype


@pytest.mark.parametrize("value", [65520.0, -1e6, float("nan"), float("inf")])
def test_a_weight_too_large_to_round_stops_and_changes_nothing(model: TrainedModel, value: float) -> None:
    with torch.no_grad():
        model.network.get_submodule("classifier").weight[0, 0] = value
    before = {name: tensor.clone() for name, tensor in model.network.state_dict().items()}
    with pytest.raises(TrainingError, match=r"The weights classifier\.weight reach .* up to 65,504 can be"):
        round_weights(model.network)
    for name, tensor in model.network.state_dict().items():
        np.testing.assert_array_equal(tensor.numpy(), before[name].numpy())


def test_the_reports_model_takes_less_than_a_megabyte(model: TrainedModel, tmp_path: Path) -> None:
    preset = get_preset("report")
    network = EuiNet(preset.model, (1, 28, 28), 10)
    assert sum(parameter.numel() for parameter in network.parameters()) > 300_000
    round_weights(network)
    save_network(TrainedModel(network, model.card), tmp_path)
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 1_000_000


def test_the_command_is_kept(model: TrainedModel, tmp_path: Path) -> None:
    save_network(TrainedModel(model.network, replace(model.card, command="euinet train --data x")), tmp_path)
    assert load_trained(tmp_path).card.command == "euinet train --data x"


def test_a_folder_without_a_model_is_a_usage_error(model: TrainedModel, tmp_path: Path) -> None:
    for folder in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(UsageError, match=r"There is no network in .*config\.json and model\.safetensors"):
            load_trained(folder)
    save_network(model, tmp_path)
    (tmp_path / WEIGHTS_FILE).unlink()
    with pytest.raises(UsageError, match="There is no network in"):
        load_trained(tmp_path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / WEIGHTS_FILE).write_bytes((folder / WEIGHTS_FILE).read_bytes()[:-100]),
        lambda folder: (folder / WEIGHTS_FILE).write_bytes(b""),
        lambda folder: (folder / CONFIG_FILE).write_text('{"data": '),
        lambda folder: (folder / CONFIG_FILE).write_text(""),
        lambda folder: (folder / CONFIG_FILE).write_text("[]"),
        lambda folder: (folder / CONFIG_FILE).write_bytes(b"\xff\xfe\x00"),
        lambda folder: edit(folder, lambda config: config.pop("format_version")),
        lambda folder: edit(folder, lambda config: config.pop("logit_range")),
        lambda folder: edit(folder, lambda config: config.update(class_names=["one", "two"])),
        lambda folder: edit(folder, lambda config: config.update(channels=3)),
        lambda folder: edit(folder, lambda config: config["preset"]["model"].update(trunk_widths=[4, 16])),
        lambda folder: edit(folder, lambda config: config["preset"]["training"].update(epochs=-1)),
        lambda folder: edit(folder, lambda config: config.update(surprise=1)),
    ],
)
def test_a_damaged_model_is_one_sentence(
    model: TrainedModel, tmp_path: Path, damage: Callable[[Path], object]
) -> None:
    save_network(model, tmp_path)
    damage(tmp_path)
    with pytest.raises(
        StorageError, match=r"is damaged or no EuiNet model .*copy it anew or train again\.$"
    ) as caught:
        load_trained(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_later_format_is_named(model: TrainedModel, tmp_path: Path) -> None:
    save_network(model, tmp_path)
    edit(tmp_path, lambda config: config.update(format_version=FORMAT_VERSION + 1))
    with pytest.raises(StorageError, match=rf"has format {FORMAT_VERSION + 1}, this version of euinet reads"):
        load_trained(tmp_path)


def test_as_a_detector_it_runs_in_pytorch_oods_own_loop(model: TrainedModel, split: Split) -> None:
    from pytorch_ood.metrics import OODMetrics
    from torch.utils.data import DataLoader, TensorDataset

    images, labels = split.test.images, split.test.labels
    loader = DataLoader(TensorDataset(to_network_range(images), torch.from_numpy(labels)), batch_size=5)
    detector, metrics, scores = model.as_detector(), OODMetrics(), []
    for x, y in loader:
        scores.append(detector(x))
        metrics.update(scores[-1], y)
    ood_score = model.answer(images).ood_score
    np.testing.assert_allclose(torch.cat(scores).numpy(), ood_score, atol=1e-5)
    assert metrics.compute()["AUROC"] == pytest.approx(roc_auc_score(labels < 0, ood_score))
