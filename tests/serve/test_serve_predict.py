"""What the server answers is what `euinet predict` prints."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from asgi_client import AppClient

from euinet.data.sets.datasets import load_dataset
from euinet.images.inputs import find_inputs
from euinet.predict.run import predict_all
from euinet.predict.sinks import RowList
from euinet.serve.api.schemas import AnswerRow, Explanations, Health, ModelFacts, Predictions
from euinet.serve.app import Service
from euinet.serve.http.access import Access
from euinet.serve.served import Served, open_served


@pytest.fixture(scope="module")
def served(digits_folder: Path) -> Served:
    return open_served(str(digits_folder), "cpu", None, None, lambda _: None)


@pytest.fixture(scope="module")
def digits_client(served: Served) -> Iterator[AppClient]:
    service = Service(served, Access(None))
    yield AppClient(service.app)
    service.close()


def rows_of_predict(served: Served, folder: Path) -> list[dict[str, Any]]:
    printed = RowList()
    predict_all(served.model, find_inputs([str(folder)]), [printed], lambda _: None)
    return printed.rows


def test_rows_are_those_of_predict(served: Served, digits_client: AppClient, folder_of_files: Path) -> None:
    wanted = rows_of_predict(served, folder_of_files)
    assert [Path(row["path"]).name for row in wanted if "error" in row] == [
        "cut.png",
        "empty.png",
        "page.jpg",
    ]
    assert sum("remark" in row for row in wanted) >= 5
    files = [("file", (Path(row["path"]).name, Path(row["path"]).read_bytes())) for row in wanted]
    answered = digits_client.post("/v1/predict", files=files)
    assert answered.status_code == 200
    document = answered.json()
    Predictions.model_validate(document)
    assert document["model"] == served.model.name
    assert len(document["predictions"]) == len(wanted)
    for row, other in zip(document["predictions"], wanted, strict=True):
        name = Path(other["path"]).name
        assert row["path"] == name
        assert list(row) == list(other)
        for key in set(row) - {"path", "error", "ood_score", "reject_probability", "probabilities"}:
            assert row[key] == other[key]
        if "error" in row:
            assert row["error"] == other["error"].replace(other["path"], name)
            continue
        assert row["ood_score"] == pytest.approx(other["ood_score"], abs=1e-5)
        assert row["probabilities"] == pytest.approx(other["probabilities"], abs=1e-5)


def test_arrays_are_answered_as_their_pixels(served: Served, digits_client: AppClient) -> None:
    images = load_dataset("digits").test.images[:3]  # (3, 1, 28, 28)
    wanted = served.model.answer(images)
    for nested in (images.tolist(), images[:, 0].tolist()):
        rows = digits_client.post("/v1/predict", json={"images": nested}).json()["predictions"]
        assert [row["path"] for row in rows] == ["images[0]", "images[1]", "images[2]"]
        assert [row["label"] for row in rows] == wanted.names
        assert [row["ood_score"] for row in rows] == pytest.approx(wanted.ood_score.tolist(), abs=1e-5)


def test_arrays_of_another_size_and_colour_are_fitted(served: Served, digits_client: AppClient) -> None:
    colour = np.random.default_rng(1).integers(0, 256, (2, 3, 40, 60), np.uint8)
    fitted = np.stack([served.model.preprocessing.fit(image).pixels for image in colour])
    wanted = served.model.answer(fitted)
    rows = digits_client.post("/v1/predict", json={"images": colour.tolist()}).json()["predictions"]
    assert [row["ood_score"] for row in rows] == pytest.approx(wanted.ood_score.tolist(), abs=1e-5)
    many = np.repeat(colour, 40, axis=0)  # too much JSON to be parsed at once: by another process
    rows = digits_client.post("/v1/predict", json={"images": many.tolist()}).json()["predictions"]
    assert [row["ood_score"] for row in rows[::40]] == pytest.approx(wanted.ood_score.tolist(), abs=1e-5)


def test_explanations_have_the_same_answers(digits_client: AppClient, folder_of_files: Path) -> None:
    names = ("grey.png", "page.jpg", "transparent.png")
    files = [("file", (name, (folder_of_files / name).read_bytes())) for name in names]
    answered = digits_client.post("/v1/explain", files=files)
    assert answered.status_code == 200
    Explanations.model_validate(answered.json())
    good, broken, remarked = answered.json()["explanations"]
    rows = digits_client.post("/v1/predict", files=files).json()["predictions"]
    assert broken == rows[1]
    assert remarked["remark"] == rows[2]["remark"]
    for explanation, row in ((good, rows[0]), (remarked, rows[2])):
        answer = AnswerRow(path=explanation["path"], **explanation["answer"])
        assert answer.label == row["label"]
        assert answer.ood_score == pytest.approx(row["ood_score"], abs=1e-5)
    assert any(value != "A" for value in good["change"]["values"].strip("="))  # ε is not 0
    assert digits_client.post("/v1/explain", files=files * 6).status_code == 422


def test_facts_of_the_model(served: Served, digits_client: AppClient) -> None:
    facts = digits_client.get("/v1/model").json()
    ModelFacts.model_validate(facts)
    assert facts["class_names"] == list("123456789")
    assert facts["features"] == {"record": False, "inbox": False, "neighbours": True}
    assert facts["alpha"] == 0.05
    health = digits_client.get("/healthz")
    assert Health.model_validate(health.json()).status == "ready"
    no_record = digits_client.get("/v1/record")
    assert (no_record.status_code, list(no_record.json())) == (404, ["error"])


def test_a_lone_unreadable_image_is_refused_with_its_row(client: AppClient) -> None:
    answered = client.post("/v1/predict", files={"file": ("a.png", b"no image")})
    assert answered.status_code == 422
    document = answered.json()
    assert document["error"] == document["predictions"][0]["error"]
    assert document["error"].startswith("a.png is broken or not an image")


def test_metrics_count_what_was_answered(client: AppClient, picture: Callable[..., bytes]) -> None:
    files = [("file", ("a", picture(value))) for value in (10, 60, 255)] + [("file", ("b", b"no image"))]
    assert client.post("/v1/predict", files=files).status_code == 200
    client.get("/wp-admin.php")
    text = client.get("/metrics").text
    assert 'euinet_images_total{answer="accepted"} 2.0' in text
    assert 'euinet_images_total{answer="rejected"} 1.0' in text
    assert 'euinet_images_total{answer="unreadable"} 1.0' in text
    assert 'euinet_requests_total{method="POST",path="/v1/predict",status="200"} 1.0' in text
    assert 'euinet_requests_total{method="GET",path="other",status="404"} 1.0' in text
    for edge, images in (("0.1", 1), ("0.5", 2), ("1.0", 3)):  # p = 1/10, 5/10 and 10/10
        assert f'euinet_p_value_bucket{{le="{edge}"}} {images}.0' in text
    assert "euinet_batch_images_count 1.0" in text
    assert "wp-admin" not in text
