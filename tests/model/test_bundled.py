from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

import euinet
from euinet.cli import app
from euinet.errors import StorageError, UsageError
from euinet.export.save import save_model
from euinet.model.bundled import pretrained_names
from euinet.model.listing import models_table, summarize_models
from euinet.model.names import DECISION_FILE
from euinet.model.opening import find_model
from euinet.trained.model import TrainedModel, load_trained


def test_the_folders_with_a_model_are_the_names(bundled: Path) -> None:
    assert pretrained_names() == ("small", "small-without-0")


def test_a_name_and_a_folder_are_found(
    bundled: Path, tmp_path: Path, tiny_model: Callable[..., TrainedModel]
) -> None:
    save_model(tiny_model(range(3)), tmp_path / "mine")
    assert find_model("small-without-0") == bundled / "small-without-0"
    assert find_model(tmp_path / "mine") == tmp_path / "mine"
    assert find_model(str(tmp_path / "mine")) == tmp_path / "mine"


def test_a_users_model_wins_over_a_bundled_one_but_another_folder_does_not(
    bundled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_model: Callable[..., TrainedModel]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small").mkdir()  # pictures, say
    assert find_model("small") == bundled / "small"
    save_model(tiny_model(range(3)), tmp_path / "small")
    assert find_model("small") == Path("small")
    assert euinet.load("small").card.class_names == ("0", "1", "2")


def test_half_a_model_of_the_users_is_named_not_replaced(
    bundled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_model: Callable[..., TrainedModel]
) -> None:
    monkeypatch.chdir(tmp_path)
    save_model(tiny_model(range(3)), tmp_path / "small")
    (tmp_path / "small" / DECISION_FILE).unlink()
    with pytest.raises(UsageError, match=r"The model in small has no decision\.onnx"):
        euinet.load("small")


def test_what_is_neither_gets_a_hint_and_the_names(bundled: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no model in smal, .* Did you mean 'small'\?") as caught:
        find_model("smal")
    assert "or one of small, small-without-0, which come with euinet" in str(caught.value)
    with pytest.raises(UsageError, match=f"There is no model in {tmp_path}, "):
        find_model(tmp_path)


def test_without_bundled_models_no_list_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("euinet.model.bundled.MODELS_FOLDER", tmp_path / "nowhere")
    assert pretrained_names() == ()
    with pytest.raises(UsageError, match=r"an exported \.onnx file\.$"):
        find_model("small")
    assert models_table(()) == "No models come with this copy of euinet; `euinet train` makes one."


def test_load_gives_the_model_that_was_saved(bundled: Path, tiny_model: Callable[..., TrainedModel]) -> None:
    loaded, saved = euinet.load("small-without-0"), tiny_model(range(1, 10), seed=1)
    assert loaded.card.class_names == tuple("123456789")
    assert not loaded.torch().network.training
    images = np.random.default_rng(0).integers(0, 256, (4, 1, 28, 28), dtype=np.uint8)
    np.testing.assert_allclose(loaded.decide(images).scores, saved.decide(images).scores, atol=1e-5)


def test_importing_euinet_imports_nothing_heavy() -> None:
    code = "import sys, euinet; print('load' in dir(euinet), *sys.modules, sep='\\n')"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    there, *modules = found.stdout.splitlines()
    assert there == "True"
    assert not {"torch", "numpy", "pydantic", "typer", "safetensors"} & set(modules)


def test_listing_models_needs_no_torch() -> None:
    code = "import sys; from euinet.model.listing import summarize_models as s; s(); print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "sklearn", "PIL"} & set(found.stdout.split())


def test_a_damaged_bundled_model_is_named(bundled: Path) -> None:
    (bundled / "small" / "model.safetensors").write_bytes(b"nothing")
    with pytest.raises(StorageError, match="The bundled model small is damaged"):
        summarize_models()


def test_a_summary_has_what_the_card_and_the_file_say(bundled: Path) -> None:
    all_ten, without_0 = summarize_models()
    assert (all_ten.name, all_ten.held_out, all_ten.auroc) == ("small", (), None)
    assert (without_0.held_out, without_0.closed_set_accuracy, without_0.auroc) == ((0,), 0.25, 0.75)
    weights = bundled / "small" / "model.safetensors"
    assert all_ten.file_bytes == weights.stat().st_size
    network = load_trained(bundled / "small").network
    assert all_ten.parameters == sum(parameter.numel() for parameter in network.parameters())
    # one class less: its row of the classifier and its bias
    assert all_ten.parameters - without_0.parameters == 8 + 1
    assert all_ten.command == "euinet train --seed 0"


def test_models_lists_them(bundled: Path) -> None:
    shown = CliRunner().invoke(app, ["models"])
    assert shown.exit_code == 0
    head, small, without_0 = shown.output.splitlines()
    assert head.split() == ["name", "data", "held", "out", "parameters", "accuracy", "AUROC", "size"]
    assert small.split()[:3] == ["small", "digits", "none"]
    assert small.split()[4:7] == ["50.00", "%", "–"]
    assert without_0.split()[:3] == ["small-without-0", "digits", "0"]
    assert without_0.split()[4:7] == ["25.00", "%", "0.7500"]
    assert len({len(line) for line in (head, small, without_0)}) == 1  # columns are aligned

    document = json.loads(CliRunner().invoke(app, ["models", "--json"]).output)
    assert [model["name"] for model in document["models"]] == ["small", "small-without-0"]
    assert document["models"][1]["held_out"] == [0]
    assert document["models"][0]["auroc"] is None


def test_evaluate_takes_a_bundled_models_name(bundled: Path) -> None:
    ended = CliRunner().invoke(
        app, ["evaluate", "small-without-0", "--data", "digits", "--device", "cpu", "--json"]
    )
    assert ended.exit_code == 0, ended.output
    metrics = json.loads(ended.stdout)
    assert (metrics["held_out"], metrics["n_id"], metrics["n_ood"]) == ([0], 323, 36)


def test_every_bundled_model_can_be_loaded() -> None:
    for name in pretrained_names():
        card = euinet.load(name).card
        assert card.command, name
        assert card.metrics["closed_set_accuracy"] > 0.9, name
