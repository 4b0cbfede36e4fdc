"""The command itself: a real server on a real socket, its start, its refusals, its end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from until import until

from decision_files import CARD, write
from euinet import __main__ as program
from euinet.cli import serving
from euinet.errors import UsageError
from euinet.judging.record import KNOWN, RecordGroup, TestRecord
from euinet.judging.record_store import record_path, save_record

TOKEN = "a-long-random-text-of-the-test"


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A decision file made by hand, so small that a server of it starts at once."""
    return write(tmp_path_factory.mktemp("onnx") / "m.onnx")


class Running:
    """`euinet serve` as a process."""

    def __init__(self, model: str, log: Path, *options: str) -> None:
        self.log = log
        arguments = [sys.executable, "-m", "euinet", "serve", model, "--port", "0", "--json", *options]
        with log.open("wb") as file:
            self.process = subprocess.Popen(
                arguments, stdout=subprocess.PIPE, stderr=file, env=os.environ | {"EUINET_TOKEN": TOKEN}
            )
        assert self.process.stdout is not None
        text = b""
        while not text.endswith(b"}\n"):
            line = self.process.stdout.readline()
            assert line, log.read_text()
            text += line
        self.told = json.loads(text)
        self.address = self.told["address"]
        self.port = int(self.address.rpartition(":")[2])

    def line(self, *pieces: bytes) -> socket.socket:
        """Return a connection on which something was sent."""
        line = socket.create_connection(("127.0.0.1", self.port), timeout=20)
        for piece in pieces:
            line.sendall(piece)
        return line


@pytest.fixture
def running(exported: str, tmp_path: Path) -> Iterator[Running]:
    server = Running(exported, tmp_path / "log")
    yield server
    server.process.kill()
    server.process.wait()
    server.process.stdout.close()  # type: ignore[union-attr]


def read_all(line: socket.socket) -> bytes:
    """Return what comes until the other end closes."""
    found = b""
    while piece := line.recv(65_536):
        found += piece
    return found


def test_what_it_took_is_answered_when_it_is_told_to_stop(running: Running, form: Any, picture: Any) -> None:
    assert running.told["token"] is True
    authorized = {"Authorization": f"Bearer {TOKEN}"}
    answered = httpx.post(
        f"{running.address}/v1/predict", files={"file": ("a", picture(40))}, headers=authorized
    )
    assert answered.json()["predictions"][0]["label"] == "dark"
    assert httpx.get(f"{running.address}/v1/model").status_code == 401
    body, headers = form(picture(70))
    head = f"POST /v1/predict HTTP/1.1\r\nHost: 127.0.0.1:{running.port}\r\nContent-Length: {len(body)}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in (headers | authorized).items()) + "\r\n"
    idle, half = running.line(), running.line(head.encode(), body[:40])
    time.sleep(0.3)
    running.process.send_signal(signal.SIGTERM)
    assert read_all(idle) == b""
    with pytest.raises(ConnectionRefusedError):  # no new client is taken
        until(lambda: running.line().close() is not None)
    half.sendall(body[40:])
    answer = read_all(half)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b'"label":"light"' in answer
    assert running.process.wait(20) == 0
    log = running.log.read_text()
    assert "Stopped: all that was taken is answered." in log
    assert TOKEN not in log
    for line in (idle, half):
        line.close()


def test_what_is_no_http_gets_a_sentence_and_slow_clients_are_left(running: Running) -> None:
    for broken, status in (
        (b"\x16\x03\x01\x02\x00\x01\x00\r\n\r\n", b"400 Bad Request"),
        (b"GET / HTTP/1.1\r\n\r\n", b"400 Bad Request"),  # no Host
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 100_000, b"431 Request Header Fields Too Large"),
        (b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n", b"400 Bad Request"),
    ):
        with running.line(broken) as line:
            answer = read_all(line)
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 " + status), head
        assert b"content-security-policy: default-src 'none'" in head
        assert list(json.loads(body)) == ["error"]
    broken_off = b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"
    with running.line(broken_off) as line:
        read_all(line)
    assert httpx.get(f"{running.address}/healthz").json() == {"status": "ready"}
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(20) == 0
    assert "Traceback" not in running.log.read_text()


def test_a_taken_port_and_a_wrong_address_are_told_before_the_model_is_loaded(
    running: Running, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def call(*arguments: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["euinet", "serve", "no-such-model", *arguments])
        with pytest.raises(SystemExit) as ended:
            program.run()
        return int(str(ended.value.code)), capsys.readouterr().err

    code, said = call("--port", str(running.port))
    assert (code, said.count("\n")) == (1, 1)
    assert f"Port {running.port} of 127.0.0.1 is in use by another program" in said
    code, said = call("--host", "no.such.host.invalid", "--port", "0")
    assert code == 1
    assert "'no.such.host.invalid' is no address of this machine" in said
    code, said = call("--port", "0")
    assert code == 2
    assert "There is no model in no-such-model" in said


def test_the_token_is_read_from_a_file_or_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EUINET_TOKEN", raising=False)
    assert serving.read_token(None) is None
    monkeypatch.setenv("EUINET_TOKEN", TOKEN)
    assert serving.read_token(None) == TOKEN
    file = tmp_path / "token"
    file.write_text("another-long-random-text\n")
    assert serving.read_token(file) == "another-long-random-text"
    for text in ("", "short", "with spaces in the middle", "nicht-lateinisch-ä-ö-ü"):
        file.write_text(text)
        with pytest.raises(UsageError, match="at least 16 printable"):
            serving.read_token(file)
    with pytest.raises(UsageError, match="cannot be read"):
        serving.read_token(tmp_path / "missing")
    monkeypatch.setenv("EUINET_TOKEN", "")
    with pytest.raises(UsageError, match="EUINET_TOKEN"):
        serving.read_token(None)


def test_an_exported_file_is_served_with_its_record_and_an_inbox(
    exported: str, tmp_path: Path, picture: Any
) -> None:
    file = Path(shutil.copy(exported, tmp_path / "meter.onnx"))
    known = (np.float32([10, 60, 99]), np.array([0, 1, 1]), np.array([0, 1, 1]))
    groups = (RecordGroup(KNOWN, KNOWN, 3, 3),)
    save_record(TestRecord("made up", CARD.class_names, groups, *known, "0" * 64), record_path(file))
    server = Running(str(file), tmp_path / "log", "--inbox", str(tmp_path / "inbox"))
    headers = {"Authorization": f"Bearer {TOKEN}"}
    try:
        with httpx.Client(base_url=server.address, headers=headers, timeout=20) as client:
            features = client.get("/v1/model").json()["features"]
            assert features == {"record": True, "inbox": True, "neighbours": False}
            assert client.get("/v1/record").json()["data"] == "made up"
            files = [("file", (f"{value}.png", picture(value))) for value in (60, 255)]
            rows = client.post("/v1/predict", files=files).json()["predictions"]
            assert [row["label"] for row in rows] == ["light", None]
            until(lambda: client.get("/v1/inbox").json()["images"] == 1)
            (item,) = client.get("/v1/inbox/items").json()["items"]
            assert (item["name"], item["best_class"]) == ("255.png", "light")
            # what groups them are features, read out of the same file
            assert len(client.get("/v1/inbox/groups").json()["groups"]) == 1
        server.process.terminate()
        assert server.process.wait(20) == 0
    finally:
        server.process.kill()
        server.process.wait()
        server.process.stdout.close()  # type: ignore[union-attr]


@pytest.mark.parametrize("package", ["uvicorn", "python_multipart"])
def test_a_missing_package_is_named(package: str) -> None:
    program = f"import sys; sys.modules[{package!r}] = None; from euinet.__main__ import run; run()"
    ended = subprocess.run(
        [sys.executable, "-c", program, "serve"], capture_output=True, text=True, timeout=100
    )
    assert (ended.returncode, ended.stdout) == (2, "")
    name = package.replace("_", "-")
    assert ended.stderr == (
        f"euinet: serve needs the package {name}, which is not installed: pip install 'euinet[serve]'.\n"
    )
