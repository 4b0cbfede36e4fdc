"""The engine on files made by hand: what they answer is worked out here, what is wrong with them is said."""

from __future__ import annotations

import hashlib
import json
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

from decision_files import CARD, DOCUMENT, SIDE, bright, content, write
from euinet.errors import EuiNetError, StorageError, UsageError
from euinet.images.preprocessing import Preprocessing
from euinet.model import model as model_module
from euinet.model.decision_file import FORMAT_VERSION
from euinet.model.model import Model
from euinet.model.opening import load


def test_it_answers_what_the_file_says(tmp_path: Path) -> None:
    file = write(tmp_path / "model.onnx")
    model = load(file)
    assert (model.name, model.class_names, model.alpha, model.calibration_images) == (
        file,
        ("dark", "light"),
        0.1,
        9,
    )
    assert model.preprocessing == Preprocessing(1, SIDE)
    assert model.fingerprint == hashlib.sha256(Path(file).read_bytes()).hexdigest()
    answers = model.answer(bright(0, 50, 51, 99, 100))
    assert answers.labels.tolist() == [0, 0, 1, 1, -1]
    assert answers.names == ["dark", "dark", "light", "light", None]
    assert answers.best_classes.tolist() == [0, 0, 1, 1, 1]
    assert answers.ood_score.tolist() == [0, 50, 51, 99, 100]
    assert answers.probabilities == pytest.approx(np.full((5, 3), 1 / 3))


def test_any_number_of_images(monkeypatch: pytest.MonkeyPatch) -> None:
    model = Model(content(), "meter")
    monkeypatch.setattr(model_module, "BATCH", 4)
    for count in (0, 1, 4, 9):
        answers = model.answer(bright(*range(count)))
        assert answers.ood_score.tolist() == list(range(count))
        assert answers.probabilities.shape == (count, 3)


def test_it_needs_no_torch(tmp_path: Path) -> None:
    program = f"""
import sys
import numpy as np
import euinet
model = euinet.load({write(tmp_path / "model.onnx")!r})
print(model.answer(np.zeros((1, 1, {SIDE}, {SIDE}), np.uint8))[0].label)
print(sorted({{"torch", "onnx", "matplotlib", "sklearn"}} & set(sys.modules)))
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert ran.stdout.splitlines() == ["dark", "[]"], ran.stderr
    assert ran.stderr == ""


@pytest.mark.parametrize(
    ("pixels", "said"),
    [
        (bright(1).astype(np.float32), r"float32 of shape \(1, 1, 4, 4\), but the model reads uint8"),
        (bright(1)[0], r"uint8 of shape \(1, 4, 4\), .* of shape \(N, 1, 4, 4\)"),
        (bright(1).repeat(3, 1), r"uint8 of shape \(1, 3, 4, 4\)"),
    ],
)
def test_pixels_that_are_not_the_model_s_are_a_usage_error(pixels: np.ndarray, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Model(content(), "meter").answer(pixels)


def test_another_onnx_file_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is an ONNX file, but none that `euinet export` wrote"):
        load(write(tmp_path / "other.onnx", None))


def test_a_later_format_is_named(tmp_path: Path) -> None:
    file = write(tmp_path / "model.onnx", DOCUMENT | {"format_version": FORMAT_VERSION + 1, "card": 3})
    with pytest.raises(
        StorageError, match=r"has format 3, this version of euinet reads 2; use the version of"
    ):
        load(file)


# which older files lack
MAY_LACK = frozenset(
    {"command", "data_fingerprint", "width", "backbone", "expected", "resize", "interpolation", "draft"}
)


def card(**changes: Any) -> dict[str, Any]:
    return DOCUMENT | {"card": DOCUMENT["card"] | changes}


@pytest.mark.parametrize(
    "document",
    [
        "",
        "[]",
        "{",
        pytest.param("[" * 100_000, id="deep"),
        *({key: value for key, value in DOCUMENT.items() if key != missing} for missing in DOCUMENT),
        *(
            DOCUMENT | {"card": {key: value for key, value in DOCUMENT["card"].items() if key != missing}}
            for missing in DOCUMENT["card"]
            if missing not in MAY_LACK
        ),
        DOCUMENT | {"format_version": 0},
        DOCUMENT | {"format_version": True},
        DOCUMENT | {"format_version": "2"},
        DOCUMENT | {"network": "0" * 63},
        DOCUMENT | {"network": "g" * 64},
        DOCUMENT | {"alpha": 2.0},
        DOCUMENT | {"alpha": "0.1"},
        DOCUMENT | {"alpha": 10**400},
        DOCUMENT | {"alpha": 0.01},  # which nine images cannot promise
        DOCUMENT | {"alpha": 0.2},  # which has another threshold
        DOCUMENT | {"per_class": 1},
        DOCUMENT | {"per_class": True},  # which has other thresholds
        DOCUMENT | {"calibration_images": -1},
        DOCUMENT | {"calibration_images": 0},  # the graph has nine
        DOCUMENT | {"calibration_images": 9.0},
        DOCUMENT | {"euinet_version": "1\n2"},
        card(class_names="dark"),
        card(class_names=["dark"]),
        card(class_names=["dark", 1]),
        card(class_names=["dark", "dark"]),
        card(class_names=["dark", ""]),
        card(class_names=["dark", "li\x1b[31mght"]),
        card(class_names=["dark", "light\n"]),
        card(class_names=["dark", "l" * 201]),
        card(class_names=["dark", "light", "third"]),  # the graph has two
        card(preprocessing=None),
        card(preprocessing={}),
        card(preprocessing=CARD.preprocessing.to_plain() | {"resize": "nearest"}),
        card(resize=8),  # the preprocessing says otherwise
        card(interpolation="bicubic"),
        card(interpolation="nearest"),
        card(resize=2),  # of which no 4 pixels can be kept
        card(resize=4097),
        card(draft=True),
        card(channels=3),
        card(image_size=8, preprocessing=Preprocessing(1, 8).to_plain()),  # the graph reads 4 × 4
        card(logit_range={"gain": [1.0], "shift": [0.0]}),
        card(preset={"name": "default"} | {"scoring": {"epsilon": -1}}),
        card(seed=-1),
    ],
)
def test_a_description_that_cannot_be_true_is_one_sentence(document: object, tmp_path: Path) -> None:
    file = write(tmp_path / "model.onnx", document)
    with pytest.raises(
        StorageError, match=r"is damaged \(.*\); copy it anew or export it again\.$"
    ) as caught:
        load(file)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 500 + len(file)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("calibration_scores", np.full(9, np.nan, np.float32)),
        ("calibration_scores", np.zeros((3, 3), np.float32)),
        ("calibration_scores", np.arange(8, dtype=np.float32)),
        ("calibration_scores", np.zeros(9, np.int64)),
        ("calibration_answers", np.full(9, 2)),
        ("calibration_answers", np.full(9, -1)),
        ("thresholds", np.array([98, 99], np.float32)),
        ("calibration_counts", np.array([8, 9])),
        ("per_class", np.array(True)),
    ],
)
def test_a_calibration_that_contradicts_itself_is_one_sentence(name: str, values: np.ndarray) -> None:
    proto = onnx.ModelProto.FromString(content())
    for tensor in proto.graph.initializer:
        if tensor.name == name:
            tensor.CopyFrom(numpy_helper.from_array(values, name))
    with pytest.raises(StorageError, match=r"The exported model meter is damaged \(.*\); copy it anew"):
        Model(proto.SerializeToString(), "meter")


@pytest.mark.parametrize(
    "change",
    [
        {"rejected": 7},  # a class that it lacks
        {"rejected": -2},
        {"rejected": 0},  # another class than the best one
        {"side": "S"},  # declared for images of any size
    ],
)
def test_a_graph_that_answers_what_no_model_can_is_damaged(change: dict[str, Any]) -> None:
    with pytest.raises(StorageError, match="is damaged"):
        Model(content(**change), "meter").answer(bright(0, 200))


def test_a_graph_that_answers_for_fewer_images_than_it_got_is_damaged() -> None:
    proto = onnx.ModelProto.FromString(content())
    proto.graph.node[0].input[0] = "first"
    for name, value in {"from": [0], "to": [1], "along": [0]}.items():
        proto.graph.initializer.append(numpy_helper.from_array(np.array(value), name))
    proto.graph.node.insert(0, helper.make_node("Slice", ["images", "from", "to", "along"], ["first"]))
    with pytest.raises(StorageError, match=r"label has the shape \(1,\)"):
        Model(proto.SerializeToString(), "meter").answer(bright(0, 200))


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
def test_a_damaged_file_is_one_sentence(damage: Callable[[bytes], bytes]) -> None:
    with pytest.raises(
        EuiNetError, match=r"is damaged \(.*\); copy it anew|is an ONNX file, but none"
    ) as caught:
        Model(damage(content()), "meter")
    assert "\n" not in str(caught.value)


def test_changed_bytes_never_raise_anything_else(capfd: pytest.CaptureFixture[str]) -> None:
    chance, whole = random.Random(0), content()
    said = []
    for _ in range(200):
        changed = bytearray(whole)
        for _ in range(chance.choice((1, 1, 3))):
            changed[chance.randrange(len(changed))] = chance.randrange(256)
        try:
            Model(bytes(changed), "meter").answer(bright(0, 200))
        except EuiNetError as error:
            said.append(str(error))
    assert len(said) > 50
    assert all(sentence.isprintable() for sentence in said)
    assert capfd.readouterr() == ("", "")


def test_the_description_reads_back_what_it_wrote() -> None:
    model = Model(content(), "meter")
    assert json.loads(model.description.to_json()) == DOCUMENT
    assert model.card == CARD
