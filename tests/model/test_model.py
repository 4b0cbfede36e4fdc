"""A model on a file made by hand: another operating point in the same file, images of every kind."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from PIL import Image

import euinet
from decision_files import CALIBRATION, SIDE, bright, content, write
from euinet.answers import UNREADABLE
from euinet.errors import DataError, UsageError
from euinet.model.conformal import Calibration
from euinet.model.model import Model


@pytest.fixture(scope="module")
def meter() -> Model:
    return Model(content(), "meter")


def test_p_values_are_the_fractions_that_float32_cannot_hold(meter: Model) -> None:
    """By hand: of nine scores 11 … 99 all are at least 1, five at least 55, none at least 100."""
    found = meter.answer(bright(1, 55, 56, 99, 100)).p_value
    assert float(np.float32(0.1)) > 0.1
    assert found is not None
    assert found.tolist() == [1.0, 0.6, 0.5, 0.2, 0.1]  # rejected at α = 0.1: the last
    assert found.tolist() == CALIBRATION.p_values(np.array([1, 55, 56, 99, 100]), np.ones(5)).tolist()


def test_another_alpha_is_another_few_bytes_in_the_same_file(meter: Model) -> None:
    """By hand: α = 0.3 takes the ⌈10 · 0.7⌉ = 7th score, 77, for its threshold."""
    other = meter.with_alpha(0.3)
    assert other.answer(bright(77, 78)).labels.tolist() == [1, -1]
    assert meter.answer(bright(77, 78)).labels.tolist() == [1, 1], "the first one was changed"
    assert (other.alpha, meter.alpha) == (0.3, 0.1)
    assert other.decide(bright(78)).threshold.tolist() == [77]
    assert meter.fingerprint != other.fingerprint
    again = meter.with_alpha(0.1)
    assert other.with_alpha(0.1).fingerprint == again.fingerprint, "the way back leads to another file"


def test_a_promise_for_each_class_by_its_own_scores(meter: Model) -> None:
    """By hand: of class 0 there are 11 … 44, ⌈5 · 0.8⌉ = 4 takes 44; of class 1 55 … 99, ⌈6 · 0.8⌉ = 5, 99"""
    own = meter.with_alpha(0.2, per_class=True)
    answers = own.answer(bright(44, 45, 51, 99, 100))
    assert answers.labels.tolist() == [0, -1, 1, 1, -1]
    assert answers.p_value is not None
    assert answers.p_value.tolist() == [2 / 5, 1 / 5, 6 / 6, 2 / 6, 1 / 6]
    assert own.with_alpha(0.1).fingerprint == meter.with_alpha(0.1).fingerprint


def test_calibrating_with_images_keeps_everything_but_the_promise(meter: Model) -> None:
    """By hand: brightness 0 … 19, α = 0.05 takes the ⌈21 · 0.95⌉ = 20th of them, 19."""
    calibrated = meter.calibrate(bright(*range(20)), 0.05)
    assert calibrated.calibration_images == 20
    assert calibrated.answer(bright(19, 20)).labels.tolist() == [0, -1]
    assert calibrated.description.network == meter.description.network
    assert calibrated.card == meter.card
    with pytest.raises(UsageError, match="at least 99 are needed"):
        meter.calibrate(bright(*range(20)), 0.01)
    with pytest.raises(UsageError, match="at least 99 are needed"):
        meter.with_alpha(0.01)


def test_a_model_without_scores_has_no_p_values_and_cannot_be_promised(tmp_path: Path) -> None:
    bare = Model(content(), "meter").calibrate(bright(*range(200)), None)
    found = bare.answer(bright(0, 250))
    assert bare.alpha is None
    assert found.labels.tolist() == [-1 if score > 0 else 0 for score in (0, 250)]  # the threshold is 0


def test_saved_and_loaded_it_is_the_same(meter: Model, tmp_path: Path) -> None:
    other = meter.with_alpha(0.2)
    other.save_onnx(tmp_path / "a" / "model.onnx")
    other.save_pretrained(tmp_path / "b")
    for place in (tmp_path / "a" / "model.onnx", tmp_path / "b"):
        loaded = euinet.load(place)
        assert loaded.fingerprint == other.fingerprint
        assert loaded.calibration is not None
        assert loaded.calibration.scores.tolist() == CALIBRATION.scores.tolist()
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["decision.onnx"]


def test_the_file_stays_a_whole_onnx_file(meter: Model, tmp_path: Path) -> None:
    meter.with_alpha(0.3).save_onnx(tmp_path / "other.onnx")
    proto = onnx.load(tmp_path / "other.onnx")
    onnx.checker.check_model(proto, full_check=True)
    before = onnx.ModelProto.FromString(content())
    assert [node.name for node in proto.graph.node] == [node.name for node in before.graph.node]
    assert proto.opset_import == before.opset_import
    assert len(proto.metadata_props) == 1


def test_an_exported_file_holds_no_network(meter: Model) -> None:
    with pytest.raises(UsageError, match="is an exported file and holds no network of torch"):
        meter.torch()
    with pytest.raises(UsageError, match="is an exported file and holds no network of torch"):
        meter.on("cuda")


GREY = bright(7, 60)


@pytest.mark.parametrize(
    "images",
    [
        pytest.param(GREY, id="N1HW"),
        pytest.param(GREY[:, 0], id="NHW"),
        pytest.param(GREY.transpose(0, 2, 3, 1), id="NHW1"),
        pytest.param(GREY.repeat(3, axis=1), id="N3HW"),
        pytest.param(GREY.repeat(3, axis=1).transpose(0, 2, 3, 1), id="NHW3"),
        pytest.param(np.repeat(GREY, 2, axis=0)[::2], id="strided"),
        pytest.param(GREY[::-1][::-1], id="reversed"),
        pytest.param(np.asfortranarray(GREY), id="fortran"),
        pytest.param(GREY.repeat(2, axis=2).repeat(2, axis=3), id="another size"),
        pytest.param(torch.from_numpy(GREY), id="tensor"),
        pytest.param(torch.from_numpy(GREY).permute(0, 2, 3, 1), id="permuted tensor"),
        pytest.param([GREY[0, 0], torch.from_numpy(GREY[1])], id="list"),
        pytest.param([Image.fromarray(image[0]) for image in GREY], id="pillow"),
        pytest.param((Image.fromarray(image[0]).convert("RGB") for image in GREY), id="generator"),
    ],
)
def test_images_of_any_kind_are_the_same_images(meter: Model, images: Any) -> None:
    answers = meter.predict(images)
    assert answers.ood_score.tolist() == [7, 60]
    assert answers.names == ["dark", "light"]


def test_one_image_is_one_answer(meter: Model, tmp_path: Path) -> None:
    Image.fromarray(GREY[1, 0]).save(tmp_path / "one.png")
    image = GREY[1, 0]
    read_only = image.copy()
    read_only.flags.writeable = False
    for one in (image, read_only, Image.fromarray(image), tmp_path / "one.png", str(tmp_path / "one.png")):
        assert meter.predict(one).ood_score.tolist() == [60]
    assert meter.predict(GREY[1].repeat(3, 0).transpose(1, 2, 0)).ood_score.tolist() == [60]


def test_no_image_is_no_answer(meter: Model) -> None:
    for nothing in ([], GREY[:0], torch.empty(0, 1, SIDE, SIDE, dtype=torch.uint8)):
        answers = meter.predict(nothing)
        assert len(answers) == 0
        assert answers.probabilities.shape == (0, 3)


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (GREY / 255, "The images are float64 of shape .* convert them"),
        (GREY.astype(np.int64), "The images are int64"),
        (np.zeros((2, 5, 4, 4), np.uint8), "have the shape .* reshape them"),
        (np.zeros(4, np.uint8), "have the shape"),
        (7, "int is no image"),
        (b"abc", "bytes is no image"),
        ({"a": 1}, "dict is no image"),
        ([GREY[0], None], "NoneType is no image"),
    ],
)
def test_what_is_no_image_is_one_sentence(meter: Model, images: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        meter.predict(images)


def test_a_broken_file_ends_it_or_is_a_row_of_its_own(meter: Model, tmp_path: Path) -> None:
    Image.fromarray(GREY[1, 0]).save(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"nothing")
    Image.fromarray(GREY[0, 0]).save(tmp_path / "c.png")
    with pytest.raises(DataError, match=r"b\.png is broken"):
        meter.predict(tmp_path)
    answers = meter.predict(tmp_path, keep_going=True)
    assert answers.labels.tolist() == [1, UNREADABLE, 0]
    assert answers.rejected.tolist() == [False, False, False]
    assert answers.names == ["light", None, "dark"]
    assert [Path(path).name for path in answers.paths or ()] == ["a.png", "b.png", "c.png"]
    rows = answers.rows
    assert set(rows[1]) == {"path", "error"}
    assert rows[0]["label"] == "light"
    with pytest.raises(ValueError, match="there is no answer for image 1"):
        answers[1]
    assert meter.predict([tmp_path / "b.png"], keep_going=True).labels.tolist() == [UNREADABLE]
    missing = meter.predict([tmp_path / "nowhere.png", tmp_path / "a.png"], keep_going=True)
    assert missing.labels.tolist() == [UNREADABLE, 1]
    assert "nowhere.png" in str(missing.rows[0]["error"])
    with pytest.raises(UsageError, match=r"nowhere\.png"):
        meter.predict([tmp_path / "nowhere.png"])


def test_it_is_told_in_a_word(meter: Model) -> None:
    assert repr(meter) == "<euinet.Model meter: 2 classes, alpha=0.1>"


def test_the_calibration_is_given_back_as_it_was(tmp_path: Path) -> None:
    found = euinet.load(write(tmp_path / "model.onnx")).calibration
    assert isinstance(found, Calibration)
    assert found.scores.tolist() == CALIBRATION.scores.tolist()
    assert found.answers.tolist() == CALIBRATION.answers.tolist()
