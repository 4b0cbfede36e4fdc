"""`euinet page`: a whole folder, which replaces only what it wrote itself, with no hostile markup in it."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from euinet import __main__ as program
from euinet.errors import ExportError, UsageError
from euinet.explain import load_bank
from euinet.export.save import save_model
from euinet.model.card import LogitRange, ModelCard
from euinet.networks.euinet import EuiNet
from euinet.page import front_files, held_out_names, model_facts, write, write_page
from euinet.presets import get_preset
from euinet.trained.model import TrainedModel

HOSTILE = ('<img src=x onerror="alert(1)">', "</script><script>alert(2)</script>", "__proto__")
DATA = {"bank.json", "bank-images.bin", "bank-features.bin"}
OWN = {"config.json", "model.json", "model.onnx"}


@pytest.fixture(scope="module")
def model() -> TrainedModel:
    """An untrained network with the card of a model of scikit-learn's digits, 0 held out."""
    torch.manual_seed(0)
    changes = {"model.trunk_widths": "[4, 8]", "model.memory_per_class": "2", "model.memory_neighbours": "1"}
    preset = get_preset("default", changes)
    names = tuple("123456789")
    network = EuiNet(preset.model, 1, 28, 9).eval()
    card = ModelCard(
        "digits",
        names,
        tuple(range(1, 10)),
        (0,),
        1,
        28,
        0,
        LogitRange((1.0,) * 9, (0.0,) * 9),
        preset,
        {"auroc": 0.5},
    )
    return TrainedModel(network, card).calibrate(
        torch.randint(0, 256, (99, 1, 28, 28), dtype=torch.uint8), 0.1
    )


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """An export that takes no seconds."""

    def export(model: TrainedModel, path: Path, *, explained: bool) -> None:
        assert explained
        path.write_bytes(b"exported")

    monkeypatch.setattr(write, "export_onnx", export)


def files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.usefixtures("quick")
def test_the_folder_is_whole(model: TrainedModel, tmp_path: Path) -> None:
    out = tmp_path / "page"
    result = write_page(model, "digits-model", out)
    assert files_in(out) == set(front_files(runtime=True)) | OWN | DATA
    assert list(tmp_path.iterdir()) == [out]
    config = json.loads((out / "config.json").read_text())
    assert config["backend"] == "browser"
    facts = json.loads((out / "model.json").read_text())
    assert facts == json.loads(json.dumps(model_facts(model, "digits-model", neighbours=True)))
    assert facts["held_out"] == ["0"]
    assert facts["features"] == {"record": False, "inbox": False, "neighbours": True}
    assert result["bytes"] == sum(path.stat().st_size for path in out.rglob("*") if path.is_file())


@pytest.mark.usefixtures("quick")
def test_the_bank_in_the_folder_is_the_bank(model: TrainedModel, tmp_path: Path) -> None:
    write_page(model, "m", tmp_path / "page", most_neighbours=40)
    bank = load_bank(model, most=40)
    assert bank is not None
    folder = tmp_path / "page"
    about = json.loads((folder / "bank.json").read_text())
    assert about == {"shape": [1, 28, 28], "labels": bank.labels.tolist()}
    images = np.frombuffer((folder / "bank-images.bin").read_bytes(), np.uint8)
    np.testing.assert_array_equal(images.reshape(40, 1, 28, 28), bank.images)
    features = np.frombuffer((folder / "bank-features.bin").read_bytes(), "<f2").astype(np.float32)
    np.testing.assert_array_equal(features.reshape(40, -1), bank.features)


@pytest.mark.usefixtures("quick")
def test_no_training_image_leaves_where_none_is_wanted(model: TrainedModel, tmp_path: Path) -> None:
    result = write_page(model, "m", tmp_path / "page", most_neighbours=0)
    assert files_in(tmp_path / "page") == set(front_files(runtime=True)) | OWN
    assert result["neighbours"] == 0
    assert json.loads((tmp_path / "page/model.json").read_text())["features"]["neighbours"] is False


@pytest.mark.usefixtures("quick")
def test_hostile_names_are_data_and_never_markup(model: TrainedModel, tmp_path: Path) -> None:
    names = (*HOSTILE, *model.card.class_names[3:])
    hostile = replace(model, card=replace(model.card, class_names=names, data="made up"))
    write_page(hostile, "<b>bold</b>", tmp_path / "page")
    facts = json.loads((tmp_path / "page/model.json").read_text())
    assert tuple(facts["class_names"]) == names
    assert facts["name"] == "<b>bold</b>"
    for path, file in front_files().items():  # nothing is written into the page's own files
        assert (tmp_path / "page" / path).read_bytes() == file.content


@pytest.mark.usefixtures("quick")
def test_a_page_of_ours_is_replaced_whole(model: TrainedModel, tmp_path: Path) -> None:
    out = tmp_path / "page"
    write_page(model, "m", out)
    (out / "left-over.txt").write_text("of an earlier version")
    write_page(model, "other", out, most_neighbours=0)
    assert files_in(out) == set(front_files(runtime=True)) | OWN
    assert json.loads((out / "model.json").read_text())["name"] == "other"
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.usefixtures("quick")
def test_an_empty_folder_is_taken_and_another_is_refused(model: TrainedModel, tmp_path: Path) -> None:
    out = tmp_path / "page"
    out.mkdir()
    write_page(model, "m", out, most_neighbours=0)
    other = tmp_path / "thesis"
    other.mkdir()
    (other / "chapter.txt").write_text("years of work")
    with pytest.raises(UsageError, match=r"is not empty and holds no page.*--force"):
        write_page(model, "m", other)
    assert files_in(other) == {"chapter.txt"}
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(UsageError, match="is no folder"):
        write_page(model, "m", file)


@pytest.mark.usefixtures("quick")
def test_force_keeps_what_was_there(model: TrainedModel, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "chapter.txt").write_text("years of work")
    write_page(model, "m", tmp_path / "site", most_neighbours=0, force=True)
    assert files_in(tmp_path / "site") == set(front_files(runtime=True)) | OWN | {"chapter.txt"}
    assert (tmp_path / "site" / "chapter.txt").read_text() == "years of work"
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


@pytest.mark.parametrize("there", [True, False])
def test_an_export_that_fails_leaves_all_as_it_was(
    model: TrainedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    out = tmp_path / "page"
    if there:
        monkeypatch.setattr(write, "export_onnx", lambda model, path, explained: path.write_bytes(b"good"))
        write_page(model, "first", out, most_neighbours=0)

    def fail(*_: Any, **__: Any) -> None:
        raise ExportError("no")

    monkeypatch.setattr(write, "export_onnx", fail)
    with pytest.raises(ExportError):
        write_page(model, "second", out, most_neighbours=0)
    assert [path.name for path in tmp_path.iterdir()] == (["page"] if there else [])
    if there:
        assert json.loads((out / "model.json").read_text())["name"] == "first"


def test_the_command_writes_and_tells(
    model: TrainedModel,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    quick: None,
) -> None:
    save_model(model, tmp_path / "run" / "model")
    out = tmp_path / "page"
    arguments = ["page", tmp_path / "run" / "model", "--out", out, "--neighbours", "9", "--json"]
    monkeypatch.setattr(sys, "argv", ["euinet", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        program.run()
    assert not ended.value.code
    said = json.loads(capsys.readouterr().out)
    assert said["neighbours"] == 9
    assert said["model"] == "run"
    assert said["record"] is False
    assert (out / "model.onnx").read_bytes() == b"exported"


def test_names_of_held_out_classes(model: TrainedModel) -> None:
    assert held_out_names(model.card) == ["0"]
    assert held_out_names(replace(model.card, data="fashion-mnist", unknown_classes=(0, 9))) == [
        "T-shirt/top",
        "Ankle boot",
    ]
    assert held_out_names(replace(model.card, data="my photos", unknown_classes=(3,))) == ["3"]


def test_the_facts_are_json_and_say_what_the_model_is(model: TrainedModel) -> None:
    facts = json.loads(json.dumps(model_facts(model, "m"), allow_nan=False))
    assert facts["alpha"] == 0.1
    assert facts["calibration_images"] == 99
    assert model.calibration is not None
    assert facts["threshold"] == pytest.approx(float(model.calibration.thresholds(9)[0]))
    assert facts["settings"]["disc_scale"] == model.card.preset.scoring.disc_scale
    bare = model_facts(replace(model, calibration=None), "m")
    assert (bare["alpha"], bare["calibration_images"], bare["threshold"]) == (None, 0, 0.0)
    assert re.fullmatch(r"\d+\.\d+.*", facts["euinet_version"])
