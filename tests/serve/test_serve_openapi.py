"""The API's description says what the server does."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

import pytest
from asgi_client import AppClient
from fastapi import FastAPI

from euinet.serve.api.docs_page import kind
from euinet.serve.api.openapi import add_errors
from euinet.serve.api.schemas import Explanation, Explanations


def test_every_path_is_described_with_its_refusals(client: AppClient) -> None:
    document = client.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    answering = {"/v1/predict", "/v1/explain"}
    assert set(document["paths"]) == answering | {"/v1/model", "/v1/record", "/healthz", "/metrics"}
    for path in answering:
        post = document["paths"][path]["post"]
        assert set(post["responses"]) == {"200", "400", "403", "408", "413", "415", "422", "503"}
        assert set(post["requestBody"]["content"]) == {"multipart/form-data", "application/json"}
        for status, response in post["responses"].items():
            (schema,) = [content["schema"] for content in response["content"].values()]
            assert schema["$ref"].rpartition("/")[2] in document["components"]["schemas"], status


def test_an_exported_file_alone_explains_its_answers_as_described(client: AppClient) -> None:
    """By hand: the light meter has no h, reads a brightness of 60 as light, and has no training images."""
    assert client.get("/v1/model").json()["features"] == {
        "record": False,
        "inbox": False,
        "neighbours": False,
    }
    answered = client.post("/v1/explain", json={"images": [[[60] * 4] * 4]})
    assert answered.status_code == 200, answered.text
    (one,) = Explanations.model_validate(answered.json()).explanations
    assert isinstance(one, Explanation)
    assert (one.answer.label, one.answer.ood_score) == ("light", 60)
    assert (one.disc_score, one.disc_added, one.neighbours) == (0, 0, [])


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, Any]]] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_docs_page_needs_no_script_and_nothing_from_elsewhere(client: AppClient) -> None:
    page = client.get("/docs")
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    tags = Tags()
    tags.feed(page.text)
    names = {tag for tag, _ in tags.found}
    assert not names & {"script", "style", "iframe", "img"}
    assert not any("style" in attributes or "onclick" in attributes for _, attributes in tags.found)
    links = [a[key] for _, a in tags.found for key in ("href", "src") if key in a]
    assert sorted(links) == ["./", "docs.css", "openapi.json"]
    assert client.get("/docs.css").headers["content-type"] == "text/css; charset=utf-8"
    for path in client.get("/openapi.json").json()["paths"]:
        assert path in tags.text
    assert "list of AnswerRow or ErrorRow" in tags.text


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "array", "items": {"type": "number"}}, "list of number"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, "string or null"),
        ({"$ref": "#/components/schemas/Row"}, "Row"),
        ({"type": "object", "additionalProperties": {"type": "number"}}, "object of number"),
        ({"enum": ["a", "b"]}, "a or b"),
        ({}, "anything"),
    ],
)
def test_a_schema_in_words(schema: dict[str, Any], words: str) -> None:
    assert kind(schema) == words


def test_a_path_names_all_its_methods_although_they_are_two_routes() -> None:
    api = FastAPI()
    add_errors(api)

    @api.get("/things/{key}")
    def look(key: str) -> str:
        return key

    @api.delete("/things/{key}")
    def delete(key: str) -> str:
        return key

    answer = AppClient(api).post("/things/one")
    assert (answer.status_code, answer.headers["allow"]) == (405, "DELETE, GET")
    assert list(answer.json()) == ["error"]
    assert AppClient(api).get("/things/one/two").status_code == 404
