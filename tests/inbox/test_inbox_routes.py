"""The inbox over HTTP, on a made-up model: what goes in, what comes out, and what never does."""

from __future__ import annotations

import base64
import io
import zipfile
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
from fastapi import FastAPI
from inbox_cases import SUBJECT, fill, quadrant
from inbox_client import InboxClient

from euinet.inbox import Inbox
from euinet.inbox.pictures import from_png, image_key
from euinet.serve.api.inbox_routes import MOST_BODY, make_inbox_router
from euinet.serve.api.openapi import add_errors

BASE = "/v1/inbox"


@pytest.fixture
def client(inbox: Inbox) -> InboxClient:
    app = FastAPI()
    add_errors(app)
    app.include_router(make_inbox_router(inbox))
    return InboxClient(app)


def get(client: InboxClient, path: str, **query: Any) -> Any:
    answer = client.get(BASE + path, params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def post(client: InboxClient, path: str, **body: Any) -> Any:
    answer = client.post(BASE + path, json=body)
    assert answer.status_code in (200, 201), answer.text
    return answer.json()


def refused(client: InboxClient, path: str, body: Any, status: int = 422) -> str:
    answer = client.post(BASE + path, json=body)
    assert answer.status_code == status, answer.text
    assert set(answer.json()) == {"error"}
    said = answer.json()["error"]
    assert isinstance(said, str)
    assert "\n" not in said
    return said


def drawing(**changes: Any) -> dict[str, Any]:
    image = base64.b64encode(quadrant(0, 0).tobytes()).decode()
    return {"shape": [1, 8, 8], "image": image, "name": "mine"} | changes


def test_look_label_undo_delete(client: InboxClient, inbox: Inbox) -> None:
    assert get(client, "")["images"] == 0
    fill(inbox, 6, 4)
    assert [group["size"] for group in get(client, "/groups")["groups"]] == [6, 4]
    page = get(client, "/items", limit=3, offset=2)
    assert (len(page["items"]), page["total"], page["offset"]) == (3, 10, 2)
    first, second = get(client, "/groups")["groups"]
    done = post(client, "/label", group=first["id"], size=6, label="north-west")
    assert done == {"images": 6, "what": "labelled 6 images 'north-west'"}
    assert post(client, "/nuisance", keys=second["representatives"][:2])["images"] == 2
    assert get(client, "/items", status="nuisance")["total"] == 2
    summary = get(client, "")
    assert summary["labels"] == {"north-west": 6}
    assert (summary["new"], summary["labelled"], summary["nuisance"]) == (2, 6, 2)
    assert summary["last_action"] == "marked 2 images as nuisance"
    assert summary["class_names"] == ["a", "b"]
    assert post(client, "/undo") == {"images": 2, "what": "marked 2 images as nuisance"}
    key = second["representatives"][0]
    assert post(client, "/delete", keys=[key])["images"] == 1
    assert client.get(f"{BASE}/items/{key}").status_code == 404
    assert client.get(f"{BASE}/items/{key}/image").status_code == 404
    post(client, "/undo")
    assert post(client, "/undo") == {"images": 0, "what": None}


def test_a_group_that_grew_since_it_was_seen_is_not_labelled(client: InboxClient, inbox: Inbox) -> None:
    fill(inbox, 4)
    (group,) = get(client, "/groups")["groups"]
    fill(inbox, 2, start=50)
    get(client, "/groups")  # somebody else looked
    said = refused(client, "/label", {"group": group["id"], "size": 4, "label": "zero"}, 409)
    assert said == "The group has 6 images now, not 4: look at it again."
    assert get(client, "")["labelled"] == 0


def test_an_image_goes_out_as_png_and_as_nothing_else(client: InboxClient, inbox: Inbox) -> None:
    fill(inbox, 1)
    key = image_key(quadrant(0, 0))
    answer = client.get(f"{BASE}/items/{key}/image", headers={"Accept": "text/html"})
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"] == f'attachment; filename="{key}.png"'
    assert "sandbox" in answer.headers["content-security-policy"]
    np.testing.assert_array_equal(from_png(answer.content), quadrant(0, 0))
    for path in ("..%2f..%2finbox.sqlite3", "inbox.sqlite3", "0" * 19, key.upper(), f"{key}.png"):
        assert client.get(f"{BASE}/items/{path}/image").status_code in (404, 422)


def test_a_drawing_is_kept_when_it_is_asked_for(client: InboxClient) -> None:
    answer = client.post(BASE + "/items", json=drawing())
    assert answer.status_code == 201
    item = answer.json()
    assert (item["source"], item["name"], item["status"]) == ("drawing", "mine", "new")
    assert item["key"] == image_key(quadrant(0, 0))
    assert get(client, "/items", source="drawing")["total"] == 1


@pytest.mark.parametrize(
    ("path", "body", "says"),
    [
        ("/items", drawing(image="%%%"), "no base64"),
        ("/items", drawing(image="AAAA"), "There are 3 pixels"),
        ("/items", drawing(shape=[1, 4, 16]), "the model reads uint8"),
        ("/items", drawing(shape=[2048, 2048, 2048]), "which is not the shape"),
        ("/items", drawing(shape=[1, 8, -8]), "greater than or equal"),
        ("/items", drawing(more=1), "Extra inputs"),
        ("/label", {"keys": ["0" * 20], "label": "../x"}, "cannot be a class's name"),
        ("/label", {"keys": ["0" * 20], "label": "B"}, "There is a class 'b'"),
        ("/label", {"keys": ["0" * 20]}, "label: Field required"),
        ("/label", {"keys": ["0" * 20], "label": "x" * 61}, "longer than 60"),
        ("/label", {"keys": ["../../x"], "label": "x"}, "should match pattern"),
        ("/label", {"label": "x"}, "keys: Field required"),
        ("/nuisance", {"keys": [], "group": 1}, "group: Extra inputs"),
        ("/delete", {"group": "1"}, "keys: Field required"),
        ("/delete", {"keys": "all"}, "valid list"),
        ("/delete", [], "valid dictionary"),
    ],
)
def test_what_is_not_as_described_is_one_sentence(
    client: InboxClient, inbox: Inbox, path: str, body: Any, says: str
) -> None:
    fill(inbox, 1)
    assert says in refused(client, path, body)
    assert get(client, "")["new"] == 1


def test_a_body_that_is_too_large_is_not_read(client: InboxClient) -> None:
    assert "larger than 3 MB" in refused(client, "/items", drawing(image="A" * MOST_BODY), 413)

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(200):
            yield b" " * 20_000

    answer = client.post(BASE + "/delete", content=endless(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 413


def test_a_form_of_another_site_is_no_json(client: InboxClient, inbox: Inbox) -> None:
    fill(inbox, 1)
    answer = client.post(BASE + "/delete", content=b'{"group": 0}', headers={"Content-Type": "text/plain"})
    assert answer.status_code == 422
    assert get(client, "")["images"] == 1


def test_labelled_images_come_as_a_zip(client: InboxClient, inbox: Inbox) -> None:
    assert client.get(BASE + "/export.zip").status_code == 409
    fill(inbox, 2, 1)
    post(client, "/label", keys=[image_key(quadrant(0, 0)), image_key(quadrant(0, 1))], label="zero")
    answer = client.get(BASE + "/export.zip")
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"] == 'attachment; filename="inbox.zip"'
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        assert sorted(archive.namelist()) == sorted(
            f"zero/{image_key(quadrant(0, seed))}.png" for seed in range(2)
        )


def test_drift_is_told(client: InboxClient, inbox: Inbox) -> None:
    fill(inbox, 30)
    found = get(client, "/drift")
    assert found["alarm"]
    assert found["alpha"] == SUBJECT.alpha
    assert sum(hour["images"] for hour in found["hours"]) == 30
    assert "false alarm" in found["false_alarms"]


def test_a_disk_that_refuses_is_503_and_one_sentence(
    client: InboxClient, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sqlite3

    def full(*arguments: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr("euinet.inbox.store.keep", full)
    answer = client.post(BASE + "/items", json=drawing())
    assert answer.status_code == 503
    assert "No space is left" in answer.json()["error"]


def test_the_document_describes_every_path(client: InboxClient) -> None:
    document = client.get("/openapi.json").json()
    paths = {path: set(methods) for path, methods in document["paths"].items()}
    assert paths == {
        BASE: {"get"},
        f"{BASE}/items": {"get", "post"},
        f"{BASE}/items/{{key}}": {"get"},
        f"{BASE}/items/{{key}}/image": {"get"},
        **{f"{BASE}/{name}": {"get"} for name in ("groups", "drift", "export.zip")},
        **{f"{BASE}/{name}": {"post"} for name in ("label", "nuisance", "undo", "delete")},
    }
    image = document["paths"][f"{BASE}/items/{{key}}/image"]["get"]["responses"]["200"]
    assert list(image["content"]) == ["image/png"]
