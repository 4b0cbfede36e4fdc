"""Nothing that a client sends makes the server fail: each gets one sentence, and the next one its answer."""

from __future__ import annotations

import asyncio
import io
import json
import os
import random
import signal
import struct
import zlib
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from asgi_client import AppClient
from PIL import Image

from euinet.images.preprocessing import Preprocessing
from euinet.serve.app import Service
from euinet.serve.decode.arrays import read_images
from euinet.serve.decode.decoder_pool import DecoderPool
from euinet.serve.decode.decoder_process import Task
from euinet.serve.http.forms import FormReader, safe_name
from euinet.serve.http.limits import Limits, Refused
from watched import Watched

Form = Callable[..., tuple[bytes, dict[str, str]]]
FORM = {"Content-Type": "multipart/form-data; boundary=edge"}
JSON = {"Content-Type": "application/json"}
PART = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="a"\r\n\r\nx\r\n'


def sentence(answer: Any, status: int) -> str:
    """Return an error's sentence, when it is one."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/json"
    error = answer.json()["error"]
    assert isinstance(error, str)
    assert "\n" not in error
    assert error.endswith(".")
    return error


@pytest.mark.parametrize(
    ("headers", "body", "status", "words"),
    [
        ({}, b"", 415, "neither multipart/form-data nor application/json"),
        ({"Content-Type": "image/png"}, b"\x89PNG", 415, "form field 'file'"),
        ({"Content-Type": "text/html"}, b"<script>", 415, "Content-Type"),
        ({"Content-Type": "multipart/form-data"}, PART, 400, "boundary"),
        ({"Content-Type": "multipart/form-data; boundary="}, PART, 400, "boundary"),
        ({"Content-Type": "multipart/form-data; boundary=" + "x" * 200}, PART, 400, "boundary"),
        ({"Content-Type": "multipart/form-data; boundary=\xff"}, PART, 400, "boundary"),
        (FORM, b"", 400, "cut off"),
        (FORM, b"no form at all", 400, "broken"),
        (FORM, PART, 400, "cut off"),
        (FORM, PART + b"--edge", 400, "cut off"),
        (FORM, b"--edge--\r\n", 422, "no image"),
        (FORM, b"--edge\r\n\r\nx\r\n--edge--\r\n", 422, "field named nothing"),
        (FORM, PART.replace(b'"file"', b'"photo"') + b"--edge--\r\n", 422, "a field named photo"),
        (FORM, b"--edge\r\n" + b"X: y\r\n" * 9 + b"\r\nx\r\n--edge--\r\n", 400, "broken"),
        (FORM, b"--edge\r\nX: " + b"y" * 5000 + b"\r\n\r\nx\r\n--edge--\r\n", 400, "broken"),
        (FORM, PART * 257 + b"--edge--\r\n", 413, "more than 256 images"),
        (JSON, b"", 400, "no JSON"),
        (JSON, b"{", 400, "no JSON"),
        (JSON, b"\xff\xfe", 400, "no JSON"),
        (JSON, b"[" * 60_000, 400, "too deeply"),
        (JSON, b'{"images": ' + b"[" * 60_000 + b"]" * 60_000 + b"}", 400, "too deeply"),
        (JSON, b'{"images": [[[NaN]]]}', 400, "no JSON"),
        (JSON, b'{"images": [[[-Infinity]]]}', 400, "no JSON"),
        (JSON, b'{"images": [[[' + b"9" * 5000 + b"]]]}", 400, "no JSON"),
        (JSON, b"[]", 422, "one field 'images'"),
        (JSON, b'{"images": [[[1]]], "more": 1}', 422, "one field 'images'"),
        (JSON, b'{"images": null}', 422, "shape ()"),
        (JSON, b'{"images": []}', 422, "shape"),
        (JSON, b'{"images": [[]]}', 422, "shape"),
        (JSON, b'{"images": [[[]]]}', 422, "shape"),
        (JSON, b'{"images": [[1]]}', 422, "shape (1, 1)"),
        (JSON, b'{"images": [[[1, 2], [3]]]}', 422, "different lengths"),
        (JSON, b'{"images": [[[1], 2]]}', 422, "different lengths"),
        (JSON, b'{"images": [[[[[1]]]]]}', 422, "more than four deep"),
        (JSON, b'{"images": [[[[1]], [[1]]]]}', 422, "2 channels"),
        (JSON, b'{"images": [[[true]]]}', 422, "whole numbers"),
        (JSON, b'{"images": [[[1, true]]]}', 422, "whole numbers"),
        (JSON, b'{"images": [[[1.0]]]}', 422, "whole numbers"),
        (JSON, b'{"images": [[["1"]]]}', 422, "whole numbers"),
        (JSON, b'{"images": [[[256]]]}', 422, "outside 0"),
        (JSON, b'{"images": [[[-1]]]}', 422, "outside 0"),
        (JSON, json.dumps({"images": [[[1]]] * 257}).encode(), 413, "257 images"),
    ],
)
def test_what_is_no_request_for_an_answer_is_refused(
    client: AppClient, headers: dict[str, str], body: bytes, status: int, words: str
) -> None:
    answer = client.post(
        "/v1/predict", content=body, headers={k: v.encode("latin-1") for k, v in headers.items()}
    )
    assert words in sentence(answer, status)


def test_true_is_no_pixel_although_python_takes_it_for_one() -> None:
    assert read_images(b'{"images": [[[1, 0], [255, 7]]]}', 9).tolist() == [[[[1, 0], [255, 7]]]]
    with pytest.raises(Refused, match="whole numbers"):
        read_images(b'{"images": [[[1, 0], [255, true]]]}', 9)


def test_large_bodies_are_refused_unread(make_service: Callable[..., Service]) -> None:
    service = make_service(body_bytes=1000, json_bytes=1000, file_bytes=600)
    read: list[int] = []

    def call(headers: list[tuple[bytes, bytes]], piece: bytes, pieces: int) -> int:
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            read.append(len(piece))
            return {"type": "http.request", "body": piece, "more_body": len(read) < pieces}

        async def send(message: Any) -> None:
            sent.append(message)

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/predict",
            "headers": headers,
            "query_string": b"",
        }
        read.clear()
        asyncio.run(service.app(scope, receive, send))
        return int(sent[0]["status"])

    kind = (b"content-type", b"multipart/form-data; boundary=edge")
    assert call([kind, (b"content-length", b"1001")], b"x", 1) == 413
    assert not read
    assert call([kind, (b"content-length", b"many")], b"x", 1) == 400
    assert call([(b"content-type", b"application/json")], b" " * 300, 1000) == 413
    assert len(read) == 4  # no byte beyond the limit is asked for
    assert call([kind], PART.replace(b"x\r\n", b"") + b"x" * 601, 1000) == 413
    assert len(read) == 1
    assert service.intake.bytes.inside == 0


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("../../etc/passwd", "etc/passwd"),
        ("/etc/passwd", "etc/passwd"),
        ("..\\..\\windows\\system.ini", "windows/system.ini"),
        ("C:\\scans\\a.png", "scans/a.png"),
        ("...", "image"),
        ("", "image"),
        ("./a//b/.//c.png", "a/b/c.png"),
        ("a\0b\r\nSet-Cookie: x", "a�b��Set-Cookie: x"),
        ("\u202egnp.exe", "�gnp.exe"),
        ("<img src=x onerror=alert(1)>", "<img src=x onerror=alert(1)>"),
        ("x" * 300 + ".png", "x" * 251 + ".png"),
        ("é.png", "é.png"),
    ],
)
def test_names_lead_nowhere(given: str, shown: str) -> None:
    assert safe_name(given.encode()) == shown


@pytest.mark.parametrize(
    ("parameters", "shown"),
    [
        (b'filename="Screenshot at 3.04\xe2\x80\xafPM.png"', "Screenshot at 3.04\u202fPM.png"),
        (
            'filename="\u3000\u00a0\u00ad\u200b\U0001f469\u200d\U0001f52c\u200f.png"'.encode(),
            "\u3000\u00a0\u00ad\u200b\U0001f469\u200d\U0001f52c\u200f.png",
        ),
        ('filename="e\u0301.png"'.encode(), "e\u0301.png"),  # as macOS writes é
        (b"filename*=UTF-8''caf%C3%A9%20%E2%80%AF.png", "caf\u00e9 \u202f.png"),
        (b"FILENAME*=utf-8'en'caf%c3%a9.png", "caf\u00e9.png"),
        (b"filename*=iso-8859-1''caf%E9.png", "caf\u00e9.png"),
        (b"filename=\"cafe.png\"; filename*=UTF-8''caf%C3%A9.png", "caf\u00e9.png"),
        (b"filename*=UTF-8''caf%C3%A9.png; filename=\"cafe.png\"", "caf\u00e9.png"),
        (b"filename=\"a.png\"; filename*=latin9''b.png", "a.png"),
        (b'filename="a.png"; filename*=b.png', "a.png"),
        (b"filename*=UTF-8''..%2F..%2Fetc%2Fpasswd", "etc/passwd"),
        (b"filename*=UTF-8''a%0D%0Ab.png", "a��b.png"),
        (rb'filename="a\"b\\c.png"', 'a"b/c.png'),
        (rb'filename="a\\\"b.png"', 'a/"b.png'),
        (rb'filename="C:\scans\a.png"', "scans/a.png"),
        (b'filename="a%22b%0D%0A%20.png"', "a%22b%0D%0A%20.png"),
        (b'filename="a;b=c.png"', "a;b=c.png"),
        (b"filename=a.png", "a.png"),
        (b"filename='a.png'", "'a.png'"),
        (b'filename = "a.png" ;x', "a.png"),
        (b'filename="folder/a.png"', "folder/a.png"),
        (b'filename="caf\xe9.png"', "caf�.png"),
        (b'filename=""', "image"),
        (b"x=y", "image"),
    ],
)
def test_a_files_name_comes_back_as_it_was_sent(
    client: AppClient, form: Form, picture: Any, parameters: bytes, shown: str
) -> None:
    body, headers = form(picture())
    sent = body.replace(b'filename="a.png"', parameters)
    assert client.post("/v1/predict", content=sent, headers=headers).json()["predictions"][0]["path"] == shown


def test_a_name_of_broken_bytes_is_shown_all_the_same(client: AppClient, form: Form, picture: Any) -> None:
    body, headers = form(picture())
    answer = client.post("/v1/predict", content=body.replace(b"a.png", b"\xff\xfe.png"), headers=headers)
    assert answer.json()["predictions"][0]["path"] == "��.png"


def test_a_form_may_come_in_any_pieces(picture: Callable[..., bytes], form: Form) -> None:
    body, headers = form(picture(), "dir/ä.png")
    for size in (1, 2, 7, 30, 1000):
        reader = FormReader(headers["Content-Type"].encode(), Limits())
        for start in range(0, len(body), size):
            reader.write(body[start : start + size])
        (upload,) = reader.finish()
        assert (upload.name, upload.content) == ("dir/ä.png", picture())


def test_a_form_in_one_piece_is_what_it_is_byte_by_byte(form: Form) -> None:
    draw = random.Random(0)
    sound = form(b"one\r\n--edg")[0][:-10] + b"\r\n" + form(b"", "../x", "file")[0]
    taken = refused = 0
    for _ in range(1000):
        body = bytearray(sound)
        for _ in range(draw.choice((0, 1, 1, 2))):
            at = draw.randrange(len(body))
            body[at : at + draw.choice((0, 1))] = draw.choice(
                (b"", b"\r", b"\n", b"-", b'"', b"\r\n--edge", b"x: y\r\n")
            )
        found: list[Any] = []
        for step in (len(body), 1):
            try:
                reader = FormReader(b"multipart/form-data; boundary=edge", Limits())
                for start in range(0, len(body), step):
                    reader.write(bytes(body[start : start + step]))
                found.append(reader.finish())
            except Refused as error:
                found.append((error.status, error.sentence))
        assert found[0] == found[1], bytes(body)
        taken, refused = taken + isinstance(found[0], list), refused + isinstance(found[0], tuple)
    assert taken > 250
    assert refused > 100


def png_header(width: int, height: int) -> bytes:
    """A PNG of so many black pixels, each row of them compressed a thousandfold."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress(bytes(min(width // 8 * height, 5_000_000)), 9)
    header = struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def hostile_files() -> Iterator[tuple[str, bytes, str]]:
    png = io.BytesIO()
    Image.new("L", (300, 300), 200).save(png, "png")
    whole = png.getvalue()
    yield "bomb.png", png_header(20_000, 20_000), "more than 50,000,000 pixels"
    yield "absurd.png", png_header(2_000_000_000, 2_000_000_000), "more than 50,000,000 pixels"
    yield "cut.png", whole[: len(whole) // 2], "broken"
    yield "vector.svg", b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>', "not an image"
    yield "page.png", b"<!doctype html><script>alert(1)</script>", "not an image"
    yield "script.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not an image"
    yield "archive.zip", b"PK\x03\x04" + bytes(100), "not an image"
    yield "empty", b"", "empty"
    yield "header.gif", b"GIF89a" + b"\xff\xff\xff\xff", "broken"
    yield "loop.tiff", b"II*\0\x08\0\0\0" + b"\0\0" + b"\x08\0\0\0", "broken"


@pytest.mark.parametrize(
    ("name", "content", "words"), list(hostile_files()), ids=lambda value: str(value)[:12]
)
def test_hostile_files_are_refused(
    client: AppClient, form: Form, picture: Any, name: str, content: bytes, words: str
) -> None:
    body, headers = form(content, name)
    assert words in sentence(client.post("/v1/predict", content=body, headers=headers), 422)
    assert client.post("/v1/predict", files={"file": ("a", picture())}).status_code == 200


def test_a_polyglot_is_what_its_image_says(client: AppClient, form: Form, picture: Any) -> None:
    body, headers = form(picture(10) + b"<script>alert(1)</script>PK\x03\x04", "a.html")
    answer = client.post("/v1/predict", content=body, headers=headers)
    assert answer.json()["predictions"][0]["label"] == "dark"
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_decoder_reads_as_its_model_does() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8)
    large = io.BytesIO()
    Image.fromarray(pixels).resize((480, 360)).save(large, "jpeg")
    preprocessing = Preprocessing(3, 20, 24, "bicubic", draft=True)
    pool = DecoderPool(preprocessing, 10**8, 20.0, processes=1)
    found = asyncio.run(pool.run(Task("file", large.getvalue(), "large.jpg")))
    pool.close()
    assert found.error is None
    wanted = preprocessing.read(large).pixels
    assert found.pixels.tolist() == [wanted.tolist()]
    assert (Preprocessing(3, 20).read(large).pixels != wanted).any()


def test_a_decoder_that_takes_too_long_is_ended_and_replaced() -> None:
    large = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 300), np.uint8)).save(large, "png")
    task = Task("file", large.getvalue(), "large.png")
    pool = DecoderPool(Preprocessing(1, 4), 10**8, 20.0, processes=1)
    (worker,) = pool._workers

    async def both() -> list[Any]:
        first = await pool.run(task)
        assert worker._process is not None
        os.kill(worker._process.pid, signal.SIGSTOP)  # as if it took for ever
        worker._seconds = 0.3
        second = await pool.run(task)
        worker._seconds = 20.0
        third = await pool.run(task)
        worker._process.kill()
        worker._process.wait()
        fourth = await pool.run(task)
        return [first, second, third, fourth, await pool.run(task)]

    first, second, third, fourth, fifth = asyncio.run(both())
    pool.close()
    assert first.error is third.error is fifth.error is None
    assert first.pixels.tolist() == third.pixels.tolist() == fifth.pixels.tolist()
    assert second.error == "large.png takes longer than 0.3 s to decode: send a simpler or smaller one."
    assert fourth.error == "large.png brings its decoder down: send a simpler or smaller one."


def test_a_failing_model_is_told_in_one_sentence_and_logged_without_the_request(
    make_service: Callable[..., Service], model: Watched, form: Form, picture: Any, caplog: Any
) -> None:
    def fails(batch: int) -> None:
        raise RuntimeError("the graph is broken")

    model.before = fails
    client = AppClient(make_service().app)
    body, headers = form(picture(), "private-name.png")
    headers["Authorization"] = "Bearer very-secret-token"
    answer = client.post("/v1/predict?key=very-secret-key", content=body, headers=headers)
    assert "its log says where" in sentence(answer, 500)
    assert "the graph is broken" in caplog.text
    assert "secret" not in caplog.text
    assert "private-name" not in caplog.text
