"""What is no answer is an error over HTTP, valid JSON, and no failure of the server."""

from __future__ import annotations

import json
import math
from pathlib import Path

from asgi_client import AppClient

from decision_files import bright, poisoned
from euinet.serve.app import Service
from euinet.serve.http.access import Access
from euinet.serve.served import open_served

NAN, INF = math.nan, math.inf
GOOD, ODD = 20, 200  # brightness of an image that is answered, and of one whose answer is none


def refuse(text: str) -> float:
    raise AssertionError(f"{text} is no JSON")


def test_the_server_says_so(tmp_path: Path) -> None:
    file = tmp_path / "m.onnx"
    for name, value in [("ood_score", NAN), ("probabilities", INF), ("p_value", 0.0), ("label", 1)]:
        file.write_bytes(poisoned(name, value))
        service = Service(
            open_served(str(file), "cpu", None, tmp_path / "inbox", lambda _: None), Access(None)
        )
        client = AppClient(service.app)
        for path, key in (("/v1/predict", "predictions"), ("/v1/explain", "explanations")):
            both = client.post(path, json={"images": bright(GOOD, ODD)[:, 0].tolist()})
            assert both.status_code == 200
            good, odd = json.loads(both.content, parse_constant=refuse)[key]
            assert ("error" in good, "error" in odd) == (False, True)
            alone = client.post(path, json={"images": bright(ODD)[:, 0].tolist()})
            assert (alone.status_code, "no answer" in alone.json()["error"]) == (422, True)
        assert client.get("/v1/inbox").json()["images"] == 0
        kept = client.post("/v1/inbox/items", json={"shape": [1, 4, 4], "image": "yMjIyMjIyMjIyMjIyMjIyA=="})
        assert (kept.status_code, "no answer" in kept.json()["error"]) == (503, True)
        service.close()


def test_a_file_that_fails_is_a_sentence_of_the_server(tmp_path: Path) -> None:
    file = tmp_path / "m.onnx"
    file.write_bytes(poisoned("label", 7))
    service = Service(open_served(str(file), "cpu", None, None, lambda _: None), Access(None))
    for path in ("/v1/predict", "/v1/explain"):
        answered = AppClient(service.app).post(path, json={"images": bright(ODD)[:, 0].tolist()})
        assert (answered.status_code, "is damaged" in answered.json()["error"]) == (503, True)
    service.close()
