"""What is no number, or contradicts itself, is never an answer: its row is an error, and the others go on."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from PIL import Image

from commands import Ended
from decision_files import CALIBRATION, DOCUMENT, bright, content, poisoned
from euinet.errors import StorageError, UsageError
from euinet.explain.explainer import Explainer
from euinet.inbox.inbox import Inbox
from euinet.model.conformal import Calibration, p_values
from euinet.model.decision_file import read_description
from euinet.model.model import Model
from euinet.predict.rows import p_text

NAN, INF = math.nan, math.inf
GOOD, ODD = 20, 200  # brightness of an image that is answered, and of one whose answer is none
ANSWER = [
    *((name, value) for name in ("ood_score", "probabilities", "p_value") for value in (NAN, INF, -INF)),
    *(("p_value", value) for value in (0.0, -0.1, 1.5, 1e-30, 0.5)),
    *(("probabilities", value) for value in (0.9, -1.0, 1e38, 0.0)),
    ("label", 1),  # not rejected, though its score lies far above the threshold
]
REASON = [(name, value) for name in ("scores", "disc_score", "disc_added") for value in (NAN, INF)]
READ = [(name, value) for name in ("perturbed", "features") for value in (NAN, INF, -INF)]


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "images"
    folder.mkdir()
    for brightness in (GOOD, ODD):
        Image.fromarray(bright(brightness)[0, 0]).save(folder / f"{brightness}.png")
    return folder


def no_constant(text: str) -> float:
    raise AssertionError(f"{text} is no JSON")


@pytest.mark.parametrize(("name", "value"), ANSWER)
def test_an_answer_that_is_none_is_an_error_of_its_row(name: str, value: float) -> None:
    model = Model(poisoned(name, value), "meter")
    answers = model.answer(bright(GOOD, ODD, GOOD))
    assert answers.answered.tolist() == [True, False, True]
    assert answers.names == ["dark", None, "dark"]
    assert not answers.rejected.any()
    assert answers.p_value is not None
    assert answers.p_value[0] == 0.9
    (error,) = {row["error"] for row in answers.rows if "error" in row}
    assert error.startswith("The model has no answer for this image (")
    json.loads(json.dumps(answers.rows, allow_nan=False))
    with pytest.raises(StorageError, match="no answer for this image"):
        model.predict(bright(GOOD, ODD))
    rows = model.predict(bright(ODD, GOOD), keep_going=True).rows
    assert [row.get("label") for row in rows] == [None, "dark"]
    assert "error" in rows[0]


@pytest.mark.parametrize(("name", "value"), [*ANSWER, *REASON])
def test_what_is_counted_or_learned_misses_no_image(name: str, value: float) -> None:
    model = Model(poisoned(name, value), "meter")
    if name in ("p_value", "disc_added"):
        return  # no part of a decision
    with pytest.raises(StorageError, match="has no answer for 1 of 2 images"):
        model.decide(bright(GOOD, ODD))
    if name == "ood_score":
        with pytest.raises(StorageError, match="has no answer for 1 of 2 images"):
            model.calibrate(bright(GOOD, ODD), None)


@pytest.mark.parametrize(("name", "value"), [*ANSWER, *REASON, *READ])
def test_an_explanation_of_no_answer_is_its_error(name: str, value: float) -> None:
    good, odd = Explainer(Model(poisoned(name, value), "meter")).explain(bright(GOOD, ODD))
    assert good["answer"]["label"] == "dark"
    assert odd.keys() == {"error"}
    json.dumps([good, odd], allow_nan=False)


@pytest.mark.parametrize(("name", "value"), [one for one in READ if one[0] == "features"])
def test_features_that_are_no_numbers_are_refused(name: str, value: float) -> None:
    with pytest.raises(StorageError, match="not finite"):
        Model(poisoned(name, value), "meter").features(bright(GOOD, ODD))


def test_a_huge_score_is_a_score() -> None:
    (answer,) = Model(poisoned("ood_score", 1e38), "meter").answer(bright(ODD)).rows
    assert (answer["label"], answer["rejected"], answer["p_value"]) == (None, True, 0.1)
    assert answer["ood_score"] == pytest.approx(1e38)


def test_no_images_have_no_errors() -> None:
    answers = Model(poisoned("ood_score", NAN), "meter").answer(bright())
    assert (len(answers), answers.errors) == (0, None)


@pytest.mark.parametrize("ending", ["csv", "json", "parquet"])
def test_predict_writes_the_error_and_goes_on(
    run: Callable[..., Ended], tmp_path: Path, images: Path, ending: str
) -> None:
    file, out = tmp_path / "m.onnx", tmp_path / f"rows.{ending}"
    file.write_bytes(poisoned("ood_score", NAN))
    ended = run("predict", file, images, "--json", "--out", out)
    assert ended.code == 0, ended.err
    said = json.loads(ended.out, parse_constant=no_constant)
    assert (said["broken"], said["rejected"]) == (1, 0)
    assert sorted("error" in row for row in said["predictions"]) == [False, True]
    if ending == "json":
        json.loads(out.read_text(), parse_constant=no_constant)
    if ending == "csv":
        assert "nan" not in out.read_text().lower()
        assert "The model has no answer" in out.read_text()
    all_odd = run("predict", file, images / f"{ODD}.png")
    assert (all_odd.code, "No image could be answered" in all_odd.err) == (1, True)
    assert run("predict", file, images, "--fail-on-ood").code == 1


def test_the_inbox_groups_what_has_features(tmp_path: Path) -> None:
    inbox = Inbox.open(tmp_path, Model(poisoned("features", NAN), "meter"))
    for brightness in (110, 120, 130, ODD):
        inbox.keep(bright(brightness)[0])
    groups = inbox.groups()
    assert sorted(group.size for group in groups) == [1, 3]
    inbox.close()


@pytest.mark.parametrize("value", [NAN, INF, -INF])
def test_calibration_scores_are_finite(value: float) -> None:
    with pytest.raises(UsageError, match="1 of 3 calibration scores are no finite numbers"):
        Calibration(np.array([0, value, 1], np.float32), np.zeros(3, np.int64), 0.3)


def test_no_p_value_is_0_and_nan_has_none() -> None:
    found = p_values(np.arange(9.0), np.array([-INF, 4, 1e38, INF, NAN]))
    assert found[:4].tolist() == [1, 0.6, 0.1, 0.1]
    assert math.isnan(found[4])
    assert [p_text(p) for p in (1.0, 0.0005, 1 / 20_001, 1e-7)] == ["1.0000", "0.0005", "5.0e-05", "1.0e-07"]


@pytest.mark.parametrize("value", [NAN, INF, -INF])
@pytest.mark.parametrize("kind", [np.float64, np.float32, np.float16])
def test_weights_that_are_no_numbers_are_refused_when_the_file_is_loaded(value: float, kind: type) -> None:
    model = onnx.ModelProto.FromString(content())
    weight = np.array([1, value], kind)
    model.graph.initializer.append(numpy_helper.from_array(weight, "weight:network.head.bias"))
    with pytest.raises(StorageError, match=r"head\.bias is not a number, or infinite"):
        Model(model.SerializeToString(), "meter")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e400"])
def test_numbers_that_json_lacks_are_refused(number: str) -> None:
    document = json.dumps(DOCUMENT).replace('"metrics": {}', f'"metrics": {{"auroc": {number}}}')
    assert number in document
    with pytest.raises(ValueError, match="is no number that may stand here"):
        read_description(document)


@pytest.mark.parametrize("gain", [1e39, 1e-60, -1.0, 0.0])
def test_a_gain_that_the_network_cannot_hold_is_refused(gain: float) -> None:
    document: Any = json.loads(json.dumps(DOCUMENT))
    document["card"]["logit_range"]["gain"] = [1.0, gain]
    with pytest.raises(ValueError, match="gains above 0"):
        read_description(json.dumps(document))


def test_the_calibration_is_what_it_was() -> None:
    model = Model(content(), "meter")
    assert model.calibration is not None
    wanted = CALIBRATION.p_values(np.array([5, 50, 99, 150], np.float32), np.array([0, 0, 1, 1]))
    assert model.answer(bright(5, 50, 99, 150)).p_value == pytest.approx(wanted, abs=0)
