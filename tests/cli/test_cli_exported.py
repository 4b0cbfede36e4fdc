"""An exported file is a model like another: every command that uses one takes it, alone as it is."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from PIL import Image

import euinet
from commands import Ended
from euinet.data.sets.datasets import load_dataset
from euinet.model.names import CONFIG_FILE, DECISION_FILE, WEIGHTS_FILE
from euinet.model.seen import KEY as SEEN_KEY
from euinet.model.seen import SEEN_FILE

HAS_NONE = "is an exported file and holds no network of torch"


@pytest.fixture
def file(digits_folder: Path, tmp_path: Path) -> Path:
    """The exported file of a model, alone in its folder."""
    (tmp_path / "alone").mkdir()
    return Path(shutil.copy(digits_folder / DECISION_FILE, tmp_path / "alone" / "digits.onnx"))


@pytest.fixture
def ask(run: Callable[..., Ended]) -> Callable[..., Any]:
    """ask("predict", …) → what the command prints with --json."""

    def call(*arguments: object) -> Any:
        ended = run(*arguments, "--json")
        assert ended.code == 0, ended.err
        return json.loads(ended.out)

    return call


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    for index, image in enumerate(load_dataset("digits").test.images[:12]):
        Image.fromarray(image[0]).save(tmp_path / "photos" / f"{index:02}.png")
    return tmp_path / "photos"


def without_digests(file: Path) -> bytes:
    """Return an exported file as it was before it took along what its model had learned from."""
    proto = onnx.ModelProto.FromString(file.read_bytes())
    (digests,) = [entry for entry in proto.metadata_props if entry.key == SEEN_KEY]
    proto.metadata_props.remove(digests)
    return proto.SerializeToString(deterministic=True)


def same_bytes(file: Path) -> bytes:
    """Return a file as one library writes it: another may order its fields otherwise."""
    return onnx.ModelProto.FromString(file.read_bytes()).SerializeToString(deterministic=True)


def test_an_export_is_the_folders_own_decision_byte_for_byte(
    run: Callable[..., Ended], ask: Callable[..., Any], digits_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "to" / "m.onnx"
    said = ask("export", digits_folder, "--onnx", out)
    assert said == {"model": str(digits_folder), "onnx": str(out), "bytes": out.stat().st_size}
    assert without_digests(out) == same_bytes(digits_folder / DECISION_FILE)
    ask("export", out, "--onnx", tmp_path / "again.onnx")
    assert (tmp_path / "again.onnx").read_bytes() == out.read_bytes()
    wrong = run("export", digits_folder, "--onnx", tmp_path / "m.bin")
    assert (wrong.code, "must end in .onnx" in wrong.err) == (2, True)


def test_predict_answers_as_with_the_folder(
    ask: Callable[..., Any], file: Path, digits_folder: Path, photos: Path
) -> None:
    found, wanted = ask("predict", file, photos), ask("predict", digits_folder, photos)
    assert found["model"] == str(file)
    assert found["predictions"] == wanted["predictions"]
    assert found["drift"] == wanted["drift"]


def test_evaluate_judges_it_and_keeps_its_record_beside_it(
    ask: Callable[..., Any], file: Path, digits_folder: Path
) -> None:
    found = ask("evaluate", file, "--data", "digits", "--record")
    assert found == ask("evaluate", digits_folder, "--data", "digits")
    assert found["n_id"] + found["n_ood"] == 359
    assert {path.name for path in file.parent.iterdir()} == {file.name, "digits.record.safetensors"}


def test_calibrate_writes_another_file_with_the_record_of_the_first(
    ask: Callable[..., Any], run: Callable[..., Ended], file: Path, photos: Path
) -> None:
    ask("evaluate", file, "--data", "digits", "--record")
    before, other = file.read_bytes(), file.with_name("other.onnx")
    said = ask("calibrate", file, "--alpha", "0.4", "--out", other)
    assert (said["model"], said["alpha"], said["source"]) == (
        str(other),
        0.4,
        "the scores that the model keeps",
    )
    assert file.read_bytes() == before
    assert {path.name for path in file.parent.iterdir()} == {
        *(file.name, "digits.record.safetensors"),
        *(other.name, "other.record.safetensors"),
    }
    rows, strict = (ask("predict", name, photos)["predictions"] for name in (other, file))
    assert [row["p_value"] for row in rows] == [row["p_value"] for row in strict]
    assert [row["rejected"] for row in rows] == [row["p_value"] <= 0.4 for row in rows]
    assert [row["rejected"] for row in strict] == [row["p_value"] <= 0.05 for row in strict]
    refused = run("calibrate", file, "--alpha", "0.4", "--out", file.with_name("folder"))
    assert refused.code == 2
    assert "--out must be one, too, and end in .onnx." in refused.err


def test_calibrate_takes_known_images_and_the_file_s_own_place(
    ask: Callable[..., Any], file: Path, photos: Path
) -> None:
    said = ask("calibrate", file, "--alpha", "0.25", "--data", photos)
    assert (said["model"], said["calibration_images"]) == (str(file), 12)
    model = euinet.load(file)
    assert (model.alpha, model.calibration_images) == (0.25, 12)
    assert model.calibration is not None
    np.testing.assert_array_equal(model.predict(photos).ood_score, model.calibration.scores)


def test_a_folder_s_model_calibrated_into_a_file_is_the_folder_calibrated(
    ask: Callable[..., Any], digits_folder: Path, tmp_path: Path
) -> None:
    folder, file = tmp_path / "folder", tmp_path / "file.onnx"
    for out in (folder, file):
        ask("calibrate", digits_folder, "--alpha", "0.4", "--out", out)
    assert same_bytes(folder / DECISION_FILE) == without_digests(file)
    assert {path.name for path in folder.iterdir()} == {DECISION_FILE, CONFIG_FILE, WEIGHTS_FILE, SEEN_FILE}
    for name in (CONFIG_FILE, WEIGHTS_FILE):
        assert (folder / name).read_bytes() == (digits_folder / name).read_bytes()


def test_page_takes_the_file_with_its_record(ask: Callable[..., Any], file: Path, tmp_path: Path) -> None:
    ask("evaluate", file, "--data", "digits", "--record")
    said = ask("page", file, "--out", tmp_path / "page", "--neighbours", "5")
    assert (said["model"], said["record"], said["neighbours"]) == ("digits", True, 5)
    assert (tmp_path / "page" / "model.onnx").read_bytes() == file.read_bytes()
    facts = json.loads((tmp_path / "page" / "model.json").read_text())
    assert facts["features"] == {"record": True, "inbox": False, "neighbours": True}
    assert json.loads((tmp_path / "page" / "record.json").read_text())["data"] == "digits"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        (("predict", "{file}", "{photos}", "--device", "cuda"), HAS_NONE),
        (("card", "{file}", "--data", "digits"), HAS_NONE),
        (("predict", "{file}.gone.onnx", "{photos}"), "There is no file"),
    ],
)
def test_what_needs_the_network_says_so(
    run: Callable[..., Ended], file: Path, photos: Path, command: tuple[str, ...], said: str
) -> None:
    ended = run(*(word.format(file=file, photos=photos) for word in command))
    assert ended.code == 2
    assert said in ended.err
    assert "Traceback" not in ended.err
