"""A server of a model that reads embeddings: rows as JSON, answered as `Model.answer` answers them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from asgi_client import AppClient

from euinet.explain import Explainer
from euinet.page.facts import model_facts
from euinet.serve.api.schemas import Explanations, ModelFacts, Predictions
from euinet.serve.app import Service
from euinet.serve.http.access import Access
from euinet.serve.http.limits import Limits
from euinet.serve.served import Served
from vectors import WIDTH, vector_dataset, vector_model

ROWS = vector_dataset(each=6).test.images


@pytest.fixture(scope="module")
def client() -> Iterator[AppClient]:
    model = vector_model()
    served = Served(model, model_facts(model, model.name), Explainer(model))
    service = Service(served, Access(None), Limits(images=8))
    yield AppClient(service.app)
    service.close()


def test_rows_are_answered_as_the_model_answers_them(client: AppClient) -> None:
    answered = client.post("/v1/predict", json={"embeddings": ROWS[:5].tolist()})
    assert answered.status_code == 200, answered.text
    Predictions.model_validate(answered.json())
    wanted = vector_model().answer(ROWS[:5])
    rows = answered.json()["predictions"]
    assert [row["path"] for row in rows] == [f"embeddings[{place}]" for place in range(5)]
    assert [row["label"] for row in rows] == wanted.names
    assert [row["ood_score"] for row in rows] == pytest.approx(wanted.ood_score.tolist(), abs=1e-5)


def test_explanations_have_no_pictures(client: AppClient) -> None:
    answered = client.post("/v1/explain", json={"embeddings": ROWS[:1].tolist()})
    assert answered.status_code == 200, answered.text
    Explanations.model_validate(answered.json())
    (row,) = answered.json()["explanations"]
    assert (row["image"], row["change"], row["neighbours"]) == (None, None, [])
    assert row["answer"]["label"] == vector_model().answer(ROWS[:1]).names[0]


def test_a_number_that_float32_cannot_hold_is_an_error_row_and_the_others_are_answered(
    client: AppClient,
) -> None:
    rows = ROWS[:3].tolist()
    rows[1][2] = 1e300
    found = client.post("/v1/predict", json={"embeddings": rows}).json()["predictions"]
    assert [row.get("error") for row in found] == [
        None,
        "embeddings[1] has NaN or infinite numbers: correct them, or take the row out.",
        None,
    ]


GOOD = [1.0] * WIDTH
WANTED = f'send {{"embeddings": [[…], …]}} as JSON, {WIDTH} numbers a row.'


@pytest.mark.parametrize(
    ("document", "status", "sentence"),
    [
        ({"embeddings": [GOOD[:-1]]}, 422, f"Row 0 is {WIDTH - 1} numbers"),
        ({"embeddings": [GOOD, [*GOOD, 1]]}, 422, f"Row 1 is {WIDTH + 1} numbers"),
        ({"embeddings": GOOD}, 422, "Row 0 is no list"),
        ({"embeddings": [["1"] * WIDTH]}, 422, "Row 0 holds other values than numbers"),
        ({"embeddings": [[True] * WIDTH]}, 422, "Row 0 holds other values than numbers"),
        ({"embeddings": [[None] * WIDTH]}, 422, "Row 0 holds other values than numbers"),
        ({"embeddings": [[10**400] * WIDTH]}, 422, "A number is too large"),
        ({"embeddings": []}, 422, "There are no rows"),
        ({"embeddings": {}}, 422, "There are no rows"),
        ({"images": [GOOD]}, 422, "The JSON is no object with the one field 'embeddings'"),
        ([GOOD], 422, "The JSON is no object with the one field 'embeddings'"),
        ({"embeddings": [GOOD] * 9}, 413, "There are 9 rows, but one request takes 8: send fewer."),
    ],
)
def test_what_is_no_row_is_one_sentence(client: AppClient, document: Any, status: int, sentence: str) -> None:
    answered = client.post("/v1/predict", json=document)
    assert answered.status_code == status
    error = answered.json()["error"]
    assert error.startswith(sentence), error
    assert status == 413 or error.endswith(WANTED)


@pytest.mark.parametrize("body", [b"{", b"\xff", b'{"embeddings": [[NaN]]}', b"[" * 100_000])
def test_no_json_is_one_sentence(client: AppClient, body: bytes) -> None:
    answered = client.post("/v1/predict", content=body, headers={"Content-Type": "application/json"})
    assert answered.status_code == 400
    assert answered.json()["error"].endswith(WANTED)


def test_files_and_other_kinds_are_refused_with_what_it_reads(client: AppClient) -> None:
    sent = client.post("/v1/predict", files=[("file", ("a.png", b"png"))])
    assert (sent.status_code, sent.json()["error"]) == (
        422,
        f"This model reads embeddings, and no files: {WANTED}",
    )
    other = client.post("/v1/predict", content=b"1", headers={"Content-Type": "text/csv"})
    assert other.status_code == 415
    assert other.json()["error"].endswith(WANTED)


def test_the_description_says_how_wide_a_row_is_and_there_is_no_page_of_images(client: AppClient) -> None:
    facts = ModelFacts.model_validate(client.get("/v1/model").json())
    assert (facts.width, facts.channels, facts.image_size) == (WIDTH, 0, 0)
    for path, most in (("/v1/predict", 8), ("/v1/explain", Limits().explained)):
        post = client.get("/openapi.json").json()["paths"][path]["post"]
        assert list(post["requestBody"]["content"]) == ["application/json"]
        schema = post["requestBody"]["content"]["application/json"]["schema"]["properties"]["embeddings"]
        assert schema["maxItems"] == most
        assert (schema["items"]["minItems"], schema["items"]["maxItems"]) == (WIDTH, WIDTH)
    assert "embeddings" in client.get("/docs").text
    page = client.get("/")
    assert page.status_code == 404
    assert json.loads(page.text)["error"] == "There is nothing at this path: GET /docs lists those there are."


def test_rows_of_another_kind_of_number_are_the_same_rows(client: AppClient) -> None:
    whole = np.rint(ROWS[:2])
    as_whole = client.post("/v1/predict", json={"embeddings": whole.astype(int).tolist()}).json()
    assert as_whole == client.post("/v1/predict", json={"embeddings": whole.tolist()}).json()
