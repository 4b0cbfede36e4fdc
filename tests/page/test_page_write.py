"""`euinet page`: a whole folder, which replaces only what it wrote itself, with no hostile markup in it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from commands import Ended
from decision_files import CARD, DESCRIPTION, content, with_card
from euinet.errors import StorageError, UsageError
from euinet.explain import load_bank
from euinet.model.decision_file import with_calibration
from euinet.model.model import Model
from euinet.page.facts import held_out_names, model_facts
from euinet.page.files import front_files
from euinet.page.write import write_page

HOSTILE = ('<img src=x onerror="alert(1)">', "</script><script>alert(2)</script>", "__proto__")
DATA = {"bank.json", "bank-images.bin", "bank-features.bin"}
OWN = {"config.json", "model.json", "model.onnx"}


def digits_model(**card: Any) -> Model:
    """A light meter with the card of a model of scikit-learn's digits, 0 held out."""
    values: dict[str, Any] = {
        "data": "digits",
        "class_names": tuple("123456789"),
        "known_classes": tuple(range(1, 10)),
        "unknown_classes": (0,),
        "image_size": 28,
        "metrics": {"auroc": 0.5},
    }
    return Model(with_card(**values | card), "digits-model")


@pytest.fixture(scope="module")
def model() -> Model:
    return digits_model()


def files_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_the_folder_is_whole(model: Model, tmp_path: Path) -> None:
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


def test_the_page_is_told_how_images_are_read() -> None:
    plain = model_facts(digits_model(), "m")["preprocessing"]
    assert plain == {"shorter_side": 28, "interpolation": "bilinear", "draft": False}
    other = model_facts(digits_model(resize=32, interpolation="bicubic", draft=True), "m")
    assert other["preprocessing"] == {"shorter_side": 32, "interpolation": "bicubic", "draft": True}


def test_the_bank_in_the_folder_is_the_bank(model: Model, tmp_path: Path) -> None:
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


def test_no_training_image_leaves_where_none_is_wanted(model: Model, tmp_path: Path) -> None:
    result = write_page(model, "m", tmp_path / "page", most_neighbours=0)
    assert files_in(tmp_path / "page") == set(front_files(runtime=True)) | OWN
    assert result["neighbours"] == 0
    assert json.loads((tmp_path / "page/model.json").read_text())["features"]["neighbours"] is False


def test_hostile_names_are_data_and_never_markup(tmp_path: Path) -> None:
    names = (*HOSTILE, *"456789")
    hostile = digits_model(class_names=names, data="made up")
    write_page(hostile, "<b>bold</b>", tmp_path / "page")
    facts = json.loads((tmp_path / "page/model.json").read_text())
    assert tuple(facts["class_names"]) == names
    assert facts["name"] == "<b>bold</b>"
    for path, file in front_files().items():  # nothing is written into the page's own files
        assert (tmp_path / "page" / path).read_bytes() == file.content


def test_a_page_of_ours_is_replaced_whole(model: Model, tmp_path: Path) -> None:
    out = tmp_path / "page"
    write_page(model, "m", out)
    (out / "left-over.txt").write_text("of an earlier version")
    write_page(model, "other", out, most_neighbours=0)
    assert files_in(out) == set(front_files(runtime=True)) | OWN
    assert json.loads((out / "model.json").read_text())["name"] == "other"
    assert list(tmp_path.iterdir()) == [out]


def test_an_empty_folder_is_taken_and_another_is_refused(model: Model, tmp_path: Path) -> None:
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


def test_force_keeps_what_was_there(model: Model, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "chapter.txt").write_text("years of work")
    write_page(model, "m", tmp_path / "site", most_neighbours=0, force=True)
    assert files_in(tmp_path / "site") == set(front_files(runtime=True)) | OWN | {"chapter.txt"}
    assert (tmp_path / "site" / "chapter.txt").read_text() == "years of work"
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


@pytest.mark.parametrize("there", [True, False])
def test_a_model_that_cannot_be_written_leaves_all_as_it_was(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    out = tmp_path / "page"
    if there:
        write_page(model, "first", out, most_neighbours=0)

    def fail(*_: Any) -> None:
        raise StorageError("no")

    monkeypatch.setattr(Model, "save_decision", fail)
    with pytest.raises(StorageError):
        write_page(model, "second", out, most_neighbours=0)
    assert [path.name for path in tmp_path.iterdir()] == (["page"] if there else [])
    if there:
        assert json.loads((out / "model.json").read_text())["name"] == "first"


@pytest.mark.parametrize(
    ("given", "name"), [("run/model", "run"), ("run.2/digits.v1", "digits.v1"), ("v1.onnx", "v1")]
)
def test_the_command_writes_and_tells(
    run: Callable[..., Ended], model: Model, tmp_path: Path, given: str, name: str
) -> None:
    save = model.save_onnx if given.endswith(".onnx") else model.save_pretrained
    save(tmp_path / given)
    out = tmp_path / "page"
    ended = run("page", tmp_path / given, "--out", out, "--neighbours", "9", "--json")
    assert ended.code == 0, ended.err
    said = json.loads(ended.out)
    assert said["neighbours"] == 9
    assert said["model"] == name
    assert said["record"] is False
    assert Model((out / "model.onnx").read_bytes(), "the page's").fingerprint == model.fingerprint


def test_names_of_held_out_classes(model: Model) -> None:
    card = model.card
    assert held_out_names(card) == ["0"]
    assert held_out_names(replace(card, data="fashion-mnist", unknown_classes=(0, 9))) == [
        "T-shirt/top",
        "Ankle boot",
    ]
    assert held_out_names(replace(card, data="my photos", unknown_classes=(3,))) == ["3"]


def test_the_facts_are_json_and_say_what_the_model_is() -> None:
    model = Model(content(), "m")
    facts = json.loads(json.dumps(model_facts(model, "m"), allow_nan=False))
    assert (facts["alpha"], facts["calibration_images"], facts["threshold"]) == (0.1, 9, 99)
    assert facts["settings"]["disc_scale"] == CARD.preset.scoring.disc_scale
    assert re.fullmatch(r"\d+\.\d+.*", facts["euinet_version"])
    own = model_facts(model.with_alpha(0.2, per_class=True), "m")
    assert (own["per_class"], own["threshold"]) == (True, [44, 99])
    bare = model_facts(Model(with_calibration(content(), DESCRIPTION, None), "m"), "m")
    assert (bare["alpha"], bare["calibration_images"], bare["threshold"]) == (None, 0, 0.0)
