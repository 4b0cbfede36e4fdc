"""Connections of slow, greedy and odd clients, on a real socket."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from raw_client import connect, listening_at, read_all

from euinet.serve.app import Service

HEADER_SECONDS, STALLED_SECONDS = 0.4, 0.5
GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"


@pytest.fixture
def port(make_service: Callable[..., Service]) -> Iterator[int]:
    """A server that gives clients little time, and takes three at once."""
    service = make_service(header_seconds=HEADER_SECONDS, stalled_seconds=STALLED_SECONDS, connections=3)
    with listening_at(service) as port:
        yield port


@pytest.mark.parametrize("sent", [b"", b"GET /healthz HT", GET + b"X: y\r\n"])
def test_a_header_that_does_not_end_is_given_up(port: int, sent: bytes) -> None:
    started = time.monotonic()
    with connect(port) as line:
        line.sendall(sent)
        assert read_all(line) == b""
    assert HEADER_SECONDS * 0.9 < time.monotonic() - started < 10


def test_the_time_for_a_header_starts_anew_with_each_request(port: int) -> None:
    with connect(port) as line:
        for _ in range(3):
            line.sendall(GET + b"\r\n")
            assert line.recv(65_536).startswith(b"HTTP/1.1 200 OK\r\n")
            time.sleep(HEADER_SECONDS * 0.7)  # three of them are more than the time for one
        started = time.monotonic()
        line.sendall(GET)  # and a last one that never ends
        assert read_all(line) == b""
    assert time.monotonic() - started < 10


def test_the_rest_of_a_refused_body_is_not_waited_for_ever(port: int) -> None:
    head = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\n"
    head += b"Content-Type: text/plain\r\nContent-Length: 1000\r\n\r\n"
    started = time.monotonic()
    with connect(port) as line:
        line.sendall(head + b"x")
        assert line.recv(65_536).startswith(b"HTTP/1.1 415 ")
        line.sendall(b"x")
        assert read_all(line) == b""
    assert time.monotonic() - started < 10


def test_a_client_that_closed_its_side_is_answered(port: int) -> None:
    with connect(port) as line:
        line.sendall(GET + b"\r\n")
        line.shutdown(socket.SHUT_WR)
        answer = read_all(line)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b'{"status":"ready"}')


def test_clients_beyond_the_most_are_turned_away_and_room_is_made_again(port: int) -> None:
    first = [connect(port) for _ in range(3)]
    first[0].sendall(GET + b"\r\n")
    assert first[0].recv(65_536).startswith(b"HTTP/1.1 200")
    with connect(port) as line:
        head, _, body = read_all(line).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert b"retry-after: 1" in head
    assert "Too many clients" in json.loads(body)["error"]
    for one in first:
        one.close()
    time.sleep(0.1)
    with connect(port) as line:
        line.sendall(GET + b"Connection: close\r\n\r\n")
        assert read_all(line).startswith(b"HTTP/1.1 200")


def test_an_answer_that_is_not_taken_is_thrown_away(port: int, form: Any) -> None:
    """A client that asks and asks and never reads: the server would have to keep all its answers."""
    body, headers = form(b"no image", "x" * 200)
    head = f"POST /v1/predict HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n".encode()
    head += b"".join(f"{name}: {value}\r\n".encode() for name, value in headers.items()) + b"\r\n"
    line = connect(port)
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.settimeout(15)

    def ask_for_ever() -> None:
        while True:
            line.sendall(head + body)

    with line, pytest.raises(ConnectionError):
        ask_for_ever()
