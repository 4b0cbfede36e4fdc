"""Requests that two programs could read in two ways are refused, and their connection closed (RFC 9112)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from raw_client import exchange, listening_at

from euinet.serve.app import Service

HIDDEN = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"  # a proxy would not see it
POST = b"POST /v1/predict HTTP/1.1\r\n"
HOST = b"Host: localhost\r\n"
KIND = b"Content-Type: multipart/form-data; boundary=edge\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
CLOSE = b"Connection: close\r\n"


@pytest.fixture
def port(make_service: Callable[..., Service]) -> Iterator[int]:
    with listening_at(make_service(hosts={"localhost", "127.0.0.1", "::1"}, header_seconds=3)) as port:
        yield port


@pytest.fixture
def body(form: Any, picture: Any) -> bytes:
    return bytes(form(picture())[0])


def status_of(answer: bytes) -> int:
    """Return the status of the one answer, an error's sentence checked; 0 where there is none."""
    if not answer:
        return 0
    assert answer.count(b"HTTP/1.1 ") == 1, answer
    head, _, text = answer.partition(b"\r\n\r\n")
    status = int(head[9:12])
    if status >= 400:
        assert json.loads(text)["error"].endswith(".")
        assert b"\r\nconnection: close" in head.lower()
    return status


FRAMINGS = {
    "length and chunks": b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
    "chunks and length": b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
    "two lengths": b"Content-Length: 5\r\nContent-Length: 6\r\n",
    "a length twice": b"Content-Length: 5\r\ncontent-length: 5\r\n",
    "a list of lengths": b"Content-Length: 5,5\r\n",
    "a list with spaces": b"Content-Length: 5, 5\r\n",
    "plus": b"Content-Length: +5\r\n",
    "minus": b"Content-Length: -5\r\n",
    "hexadecimal": b"Content-Length: 0x5\r\n",
    "a fraction": b"Content-Length: 5.0\r\n",
    "underscore": b"Content-Length: 1_0\r\n",
    "no length": b"Content-Length:\r\n",
    "digits of another script": b"Content-Length: \xb2\r\n",
    "30 digits": b"Content-Length: " + b"9" * 30 + b"\r\n",
    "chunked twice": CHUNKED * 2,
    "chunked, chunked": b"Transfer-Encoding: chunked, chunked\r\n",
    "identity, chunked": b"Transfer-Encoding: identity, chunked\r\n",
    "xchunked": b"Transfer-Encoding: xchunked\r\n",
    "gzip": b"Transfer-Encoding: gzip\r\n",
    "nothing": b"Transfer-Encoding:\r\n",
    "vertical tab": b"Transfer-Encoding: \x0bchunked\r\n",
    "quoted": b'Transfer-Encoding: "chunked"\r\n',
    "space before the colon": b"Transfer-Encoding : chunked\r\n",
    "a folded line": b"Transfer-Encoding:\r\n chunked\r\n",
    "a folded length": b"Content-Length:\r\n\t5\r\n",
    "a folded first line": b" Content-Length: 5\r\n",
    "bare line feed": b"X: y\nContent-Length: 5\r\n",
    "bare carriage return": b"X: y\rContent-Length: 5\r\n",
    "NUL": b"X: \0\r\n",
    "escape": b"X: \x1b[2J\r\n",
    "delete": b"X: \x7f\r\n",
    "NUL in a name": b"X\0: y\r\n",
    "no name": b": y\r\n",
    "no colon": b"y\r\n",
    "host twice": HOST,
}


@pytest.mark.parametrize("framing", FRAMINGS.values(), ids=FRAMINGS)
def test_a_body_whose_end_is_open_to_doubt_is_refused_and_nothing_after_it_read(
    port: int, framing: bytes
) -> None:
    chunked = b"chunked" in framing
    head = (
        POST + HOST + KIND + framing + (b"" if chunked or b"ontent-" in framing else b"Content-Length: 5\r\n")
    )
    answer = exchange(port, head + b"\r\n" + (b"0\r\n\r\n" if chunked else b"12345") + HIDDEN)
    assert status_of(answer) in (400, 501)


@pytest.mark.parametrize(
    "head",
    [
        b"GET /healthz HTTP/1.1\nHost: localhost\n\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\n\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\n",
        b"GET /healthz HTTP/1.1\nHost: localhost\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\r\n\r\n",
        b"GET /healthz\r\n",
        b"GET /healthz\r\n\r\n",
        b"GET /healthz HTTP/0.9\r\nHost: localhost\r\n\r\n",
        b"GET /healthz HTTP/2.0\r\nHost: localhost\r\n\r\n",
        b"GET /healthz HTTP/1\r\nHost: localhost\r\n\r\n",
        b"GET /healthz HTTP/1.10\r\nHost: localhost\r\n\r\n",
        b"GET /healthz http/1.1\r\nHost: localhost\r\n\r\n",
        b"GET  /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /healthz HTTP/1.1 \r\nHost: localhost\r\n\r\n",
        b"GET\t/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /health z HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /healthz#part HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /health\xc3\xa9 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET %2Fhealthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET * HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"CONNECT localhost:80 HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET http:///healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET ftp://localhost/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\n\r\n",
        b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",  # a browser that believes in TLS
        b"POST /v1/predict HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_what_is_no_request_of_ours_is_refused_at_once(port: int, head: bytes) -> None:
    assert status_of(exchange(port, head)) in (400, 505)


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n", 200),
        (b"GET /healthz HTTP/1.0\r\n", 200),
        (b"GET /healthz?a=1&b HTTP/1.1\r\nHOST:localhost\r\n", 200),
        (b"GET /%68ealthz HTTP/1.1\r\nHost:\tlocalhost \t\r\n", 200),
        (b"GET http://localhost/healthz HTTP/1.1\r\nHost: localhost\r\n", 200),
        (b"GET HTTP://LOCALHOST:80/healthz?x HTTP/1.1\r\nHost: evil.example\r\n", 200),  # RFC 9112, 3.2.2
        (b"GET http://localhost HTTP/1.1\r\nHost: localhost\r\n", 200),
        (b"GET http://evil.example/healthz HTTP/1.1\r\nHost: localhost\r\n", 403),
        (b"GET http://localhost@evil.example/healthz HTTP/1.1\r\nHost: localhost\r\n", 403),
        (b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\n", 404),
        (b"GET //healthz HTTP/1.1\r\nHost: localhost\r\n", 404),
        (b"GET /%00%0d%0a%ff HTTP/1.1\r\nHost: localhost\r\n", 404),
        (b"GET /" + b"a" * 60_000 + b" HTTP/1.1\r\nHost: localhost\r\n", 404),
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: localhost\r\n", 431),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: \xe9 caf\xc3\xa9\tz\r\n", 200),
        (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX:\r\n", 200),
    ],
)
def test_what_the_standard_allows_is_answered(port: int, head: bytes, status: int) -> None:
    assert status_of(exchange(port, head + CLOSE + b"\r\n")) == status
    assert (
        status_of(
            exchange(port, *[head[at : at + 9000] for at in range(0, len(head), 9000)], CLOSE + b"\r\n")
        )
        == status
    )


def chunks(body: bytes, size: bytes = b"%x", end: bytes = b"0\r\n\r\n") -> bytes:
    return b"".join(size % len(part) + b"\r\n" + part + b"\r\n" for part in (body[:7], body[7:])) + end


def test_a_body_in_chunks_is_read_however_it_is_cut(port: int, body: bytes) -> None:
    head = POST + HOST + KIND + CHUNKED + CLOSE + b"\r\n"
    whole = head + chunks(body)
    assert status_of(exchange(port, whole)) == 200
    for step in (1, 13):
        assert status_of(exchange(port, *[whole[at : at + step] for at in range(0, len(whole), step)])) == 200
    for sound in (
        chunks(body, b"%X"),
        chunks(body, b"000%x"),
        chunks(body, b'%x;name=value;other="a b"'),
        chunks(body, end=b"00\r\nX-Digest: y\r\n\r\n"),
    ):
        assert status_of(exchange(port, head + sound)) == 200


@pytest.mark.parametrize(
    "broken",
    [
        chunks(b"a" * 20, b"0x%x"),
        chunks(b"a" * 20, b"+%x"),
        chunks(b"a" * 20, b" %x"),
        chunks(b"a" * 20, b"%x "),
        chunks(b"a" * 20, b"%x;a\rb"),
        chunks(b"a" * 20, b"%x;a\0b"),
        chunks(b"a" * 20, b"%x;" + b"a" * 2000),
        chunks(b"a" * 20).replace(b"\r\n", b"\n"),
        b"5\n12345\r\n0\r\n\r\n",
        b"5;\n12345\r\n0\r\n\r\n",
        b"5\r\n123456\r\n0\r\n\r\n",
        b"FFFFFFFFF\r\n",
        b"F" * 16 + b"\r\n",
        b"-1\r\n",
        b"\r\n",
        chunks(b"a" * 20, end=b"0\r\nX: y\nZ: z\r\n\r\n"),
        chunks(b"a" * 20, end=b"0\r\n X: y\r\n\r\n"),
        chunks(b"a" * 20, end=b"0\r\nX: \0\r\n\r\n"),
        chunks(b"a" * 20, end=b"0\r\nno field\r\n\r\n"),
        chunks(b"a" * 20, end=b"0\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"),
    ],
)
def test_a_broken_chunk_is_refused(port: int, broken: bytes) -> None:
    head = POST + HOST + b"Content-Type: application/json\r\n" + CHUNKED + b"\r\n"
    assert status_of(exchange(port, head + broken + HIDDEN)) == 400
    assert status_of(exchange(port, head, broken + HIDDEN)) == 400


def test_a_client_that_waits_for_leave_gets_it_or_the_refusal(port: int, body: bytes) -> None:
    head = POST + HOST + KIND + CLOSE + b"Expect: 100-continue\r\n"
    answer = exchange(port, head + b"Content-Length: %d\r\n\r\n" % len(body), body)
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
    answer = exchange(port, head + b"Content-Length: 99000000\r\n\r\n")
    assert status_of(answer) == 413
