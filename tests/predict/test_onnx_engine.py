"""The engine on files made by hand: what they answer is worked out here, what is wrong with them is said."""

from __future__ import annotations

import hashlib
import random
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from onnx_files import DOCUMENT, GEOMETRY, write

from euinet.errors import EuiNetError, StorageError, UsageError
from euinet.images.preprocessing import Preprocessing
from euinet.predict import onnx_engine
from euinet.predict.engine import Facts
from euinet.predict.onnx_engine import OnnxPredictor
from euinet.predict.onnx_metadata import FORMAT_VERSION


def bright(*values: int) -> np.ndarray:
    return np.array(values, np.uint8)[:, None, None, None].repeat(2, 2).repeat(2, 3)


def test_it_answers_what_the_file_says(tmp_path: Path) -> None:
    file = write(tmp_path / "model.onnx")
    predictor = OnnxPredictor(file)
    digest = hashlib.sha256(Path(file).read_bytes()).hexdigest()
    assert predictor.facts == Facts(file, ("dark", "light"), GEOMETRY, 0.1, 9, "cpu", digest)
    answers = predictor.predict(bright(0, 50, 51, 99, 100))
    assert answers.labels.tolist() == [0, 0, 1, 1, -1]
    assert answers.names == ["dark", "dark", "light", "light", None]
    assert answers.best_classes.tolist() == [0, 0, 1, 1, 1]
    assert answers.ood_score.tolist() == [0, 50, 51, 99, 100]
    assert answers.probabilities == pytest.approx(np.full((5, 3), 1 / 3))


def test_any_number_of_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    predictor = OnnxPredictor(write(tmp_path / "model.onnx"))
    monkeypatch.setattr(onnx_engine, "BATCH", 4)
    for count in (0, 1, 4, 9):
        answers = predictor.predict(bright(*range(count)))
        assert answers.ood_score.tolist() == list(range(count))
        assert answers.probabilities.shape == (count, 3)


def test_p_values_are_the_fractions_that_float32_cannot_hold(tmp_path: Path) -> None:
    answers = OnnxPredictor(write(tmp_path / "model.onnx")).predict(bright(1))
    assert float(np.float32(0.1)) > 0.1
    assert answers.p_value is not None
    assert answers.p_value.tolist() == [0.1]  # 1/(9 + 1): rejected at α = 0.1

    by_class = DOCUMENT | {
        "per_class": True,
        "threshold": [99.0, 99.0],
        "calibration_images_by_class": [9, 0],
    }
    predictor = OnnxPredictor(write(tmp_path / "model.onnx", by_class))
    assert predictor.predict(bright(1)).p_value.tolist() == [0.1]  # type: ignore[union-attr]
    none_of_its_own = OnnxPredictor(write(tmp_path / "model.onnx", by_class, p_value=1.0)).predict(bright(60))
    assert none_of_its_own.p_value.tolist() == [1.0]  # type: ignore[union-attr]


def test_it_needs_no_torch(tmp_path: Path) -> None:
    program = f"""
import sys
import numpy as np
from euinet.predict.engine import open_predictor
print(open_predictor({write(tmp_path / "model.onnx")!r}).predict(np.zeros((1, 1, 2, 2), np.uint8))[0].label)
print(sorted({{"torch", "pydantic", "onnx", "matplotlib", "sklearn"}} & set(sys.modules)))
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert ran.stdout.splitlines() == ["dark", "[]"], ran.stderr
    assert ran.stderr == ""


@pytest.mark.parametrize(
    ("pixels", "said"),
    [
        (bright(1).astype(np.float32), r"float32 of shape \(1, 1, 2, 2\), but the model reads uint8"),
        (bright(1)[0], r"uint8 of shape \(1, 2, 2\), .* of shape \(N, 1, 2, 2\)"),
        (bright(1).repeat(3, 1), r"uint8 of shape \(1, 3, 2, 2\)"),
    ],
)
def test_other_images_are_a_usage_error(pixels: np.ndarray, said: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=said):
        OnnxPredictor(write(tmp_path / "model.onnx")).predict(pixels)


def test_a_missing_file_and_another_onnx_file_are_usage_errors(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"There is no file .*nowhere\.onnx: give one that `euinet export`"):
        OnnxPredictor(str(tmp_path / "nowhere.onnx"))
    with pytest.raises(UsageError, match="is an ONNX file, but none that `euinet export` wrote"):
        OnnxPredictor(write(tmp_path / "other.onnx", None))


def test_a_missing_runtime_is_a_usage_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write(tmp_path / "model.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(
        UsageError, match=r"needs the package onnxruntime: .* pip install 'euinet\[export\]'\."
    ):
        OnnxPredictor(file)


def test_a_later_format_is_named(tmp_path: Path) -> None:
    file = write(tmp_path / "model.onnx", DOCUMENT | {"format_version": FORMAT_VERSION + 1, "class_names": 3})
    with pytest.raises(
        StorageError, match=r"has format 2, this version of euinet reads 1; use the version of"
    ):
        OnnxPredictor(file)


@pytest.mark.parametrize(
    "document",
    [
        "",
        "[]",
        "{",
        pytest.param("[" * 100_000, id="deep"),
        *({key: value for key, value in DOCUMENT.items() if key != missing} for missing in DOCUMENT),
        *(
            DOCUMENT | change
            for change in (
                {"format_version": 0},
                {"format_version": True},
                {"format_version": "1"},
                {"class_names": "dark"},
                {"class_names": ["dark"]},
                {"class_names": ["dark", 1]},
                {"class_names": ["dark", "dark"]},
                {"class_names": ["dark", ""]},
                {"class_names": ["dark", "li\x1b[31mght"]},
                {"class_names": ["dark", "light\n"]},
                {"class_names": ["dark", "l" * 201]},
                {"class_names": ["dark", "light", "third"]},  # the graph has two
                {"preprocessing": None},
                {"preprocessing": {}},
                {"preprocessing": GEOMETRY.to_plain() | {"resize": "nearest"}},
                {"preprocessing": GEOMETRY.to_plain() | {"channels": 1.0}},
                {"preprocessing": Preprocessing(1, 4).to_plain()},  # the graph reads 2 × 2
                {"alpha": 2.0},
                {"alpha": "0.1"},
                {"alpha": 10**400},
                {"per_class": 1},
                {"per_class": True},  # and one threshold
                {"per_class": True, "threshold": [1.0, 2.0]},  # and no counts
                {"per_class": True, "threshold": [1.0, 2.0], "calibration_images_by_class": [9]},
                {"per_class": True, "threshold": [1.0, 2.0], "calibration_images_by_class": [10, -1]},
                {"per_class": True, "threshold": [1.0, 2.0], "calibration_images_by_class": [5, 5]},
                {"calibration_images": -1},
                {"calibration_images": 0},  # the graph gives p-values
                {"calibration_images": 9.0},
                {"threshold": None},
                {"threshold": float("nan")},
                {"threshold": [99.0, 99.0]},
                {"threshold": "99"},
                {"data": 1},
                {"data": "\x1b[31m"},
                {"preset": None},
                {"euinet_version": "1\n2"},
            )
        ),
    ],
)
def test_a_description_that_cannot_be_true_is_one_sentence(document: object, tmp_path: Path) -> None:
    file = write(tmp_path / "model.onnx", document)
    with pytest.raises(
        StorageError, match=r"is damaged \(.*\); copy it anew or export it again\.$"
    ) as caught:
        OnnxPredictor(file)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500 + len(file)


@pytest.mark.parametrize(
    "change",
    [
        {"rejected": 7},  # a class that it lacks
        {"rejected": -2},
        {"rejected": 0},  # another class than the best one
        {"side": "S"},  # declared for images of any size
    ],
)
def test_a_graph_that_answers_what_no_model_can_is_damaged(change: dict[str, Any], tmp_path: Path) -> None:
    file = write(tmp_path / "model.onnx", **change)
    with pytest.raises(StorageError, match="is damaged"):
        OnnxPredictor(file).predict(bright(0, 200))


def test_a_graph_that_answers_for_fewer_images_than_it_got_is_damaged(tmp_path: Path) -> None:
    def first_only(model: onnx.ModelProto) -> None:
        model.graph.node[0].input[0] = "first"
        bounds = {"from": [0], "to": [1], "along": [0]}
        for name, value in bounds.items():
            model.graph.initializer.append(numpy_helper.from_array(np.array(value), name))
        model.graph.node.insert(0, helper.make_node("Slice", ["images", *bounds], ["first"]))

    model = onnx.load(write(tmp_path / "model.onnx"))
    first_only(model)
    onnx.save(model, tmp_path / "model.onnx")
    with pytest.raises(StorageError, match=r"label has the shape \(1,\)"):
        OnnxPredictor(str(tmp_path / "model.onnx")).predict(bright(0, 200))


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        lambda content: content[:-3],
        lambda content: b"\x89PNG\r\n" + content,
        lambda content: bytes(len(content)),
    ],
)
def test_a_damaged_file_is_one_sentence(damage: Callable[[bytes], bytes], tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    write(file)
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(
        EuiNetError, match=r"is damaged \(.*\); copy it anew|is an ONNX file, but none"
    ) as caught:
        OnnxPredictor(str(file))
    assert "\n" not in str(caught.value)


def test_changed_bytes_never_raise_anything_else(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file, chance = tmp_path / "model.onnx", random.Random(0)
    write(file)
    content, said = file.read_bytes(), []
    for _ in range(200):
        changed = bytearray(content)
        for _ in range(chance.choice((1, 1, 3))):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        file.write_bytes(changed)
        try:
            OnnxPredictor(str(file)).predict(bright(0, 200))
        except EuiNetError as error:
            said.append(str(error))
    assert len(said) > 50
    assert all(sentence.isprintable() for sentence in said)
    assert capfd.readouterr() == ("", "")
