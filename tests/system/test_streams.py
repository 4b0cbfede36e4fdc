"""The program's streams: any encoding, full, closed, slow or gone, and nothing that steers a terminal."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from decision_files import write
from euinet.system.words import aligned, printable

STEERING = "\x1b[2J\x07\x7f\x9b1m\u202e\u2066\u2028\u2029"
NAME = "日–×ä.png"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model, and images whose names no narrow encoding has, or that would steer a terminal."""
    folder = tmp_path_factory.mktemp("streams")
    write(folder / "m.onnx")
    (folder / "images").mkdir()
    for name in (NAME, f"{STEERING}.png"):
        Image.new("L", (4, 4), 20).save(folder / "images" / name)
    return folder


def program(place: Path, shell: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Run a shell's line in which $E is the program."""
    own = os.environ | {"E": f"{sys.executable} -m euinet", "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(
        ["bash", "-c", shell], cwd=place, env=own | environment, capture_output=True, check=False
    )


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "latin-1", "cp932", "utf-8"])
@pytest.mark.parametrize("kind", ["", "--csv", "--json"])
def test_what_a_stream_cannot_encode_is_escaped(place: Path, encoding: str, kind: str) -> None:
    ended = program(place, f"$E predict m.onnx 'images/{NAME}' {kind}", PYTHONIOENCODING=encoding)
    assert (ended.returncode, b"Traceback" in ended.stderr) == (0, False)
    shown = ended.stdout.decode(encoding)
    if kind == "--json":
        shown = json.loads(shown)["predictions"][0]["path"]
        assert shown == f"images/{NAME}"
    escaped = f"images/{NAME}".encode(encoding, "backslashreplace").decode(encoding)
    assert (escaped if kind != "--json" else NAME) in shown


@pytest.mark.parametrize(
    "command", ["models", "models --json", "--version", "--help", "predict m.onnx images"]
)
@pytest.mark.parametrize("out", [">/dev/full", ">&-"])
def test_a_result_that_cannot_be_printed_is_one_sentence(place: Path, command: str, out: str) -> None:
    ended = program(place, f"$E {command} {out}")
    assert (ended.returncode, ended.stderr.count(b"\n")) == (1, 1)
    assert ended.stderr.startswith(b"euinet: The result cannot be printed (")


def test_what_is_written_stays_where_printing_fails(place: Path) -> None:
    ended = program(place, "$E predict m.onnx images --out rows.json --csv >/dev/full")
    assert ended.returncode == 1
    assert len(json.loads((place / "rows.json").read_bytes())["predictions"]) == 2


@pytest.mark.parametrize("err", ["2>&-", "2>/dev/full"])
@pytest.mark.parametrize(
    ("command", "code"), [("predict m.onnx images", 0), ("predict nowhere x", 2), ("predict m.onnx - <&-", 2)]
)
def test_remarks_that_nobody_hears_change_nothing(place: Path, err: str, command: str, code: int) -> None:
    ended, heard = program(place, f"$E {command} {err}"), program(place, f"$E {command}")
    assert (ended.returncode, ended.stdout) == (code, heard.stdout)
    assert heard.returncode == code
    assert b"Traceback" not in heard.stderr


def test_no_file_gets_the_number_of_a_closed_stream(place: Path) -> None:
    code = "import os; from euinet.system.streams import harden_streams; harden_streams(); print(os.dup(9))"
    ended = program(place, f"exec 9</dev/null; {sys.executable} -c '{code}' <&- 2>&-")
    assert int(ended.stdout) > 2


def test_standard_input_that_cannot_be_read_is_one_sentence(place: Path) -> None:
    ended = program(place, "$E predict m.onnx - <&-")
    assert ended.stderr.startswith(b"euinet: Standard input cannot be read (Bad file descriptor): send an")


def test_a_reader_that_goes_away_gets_no_traceback(place: Path) -> None:
    ended = program(place, "$E models | head -1; $E models 2> >(true) | cat >/dev/null")
    assert (ended.stderr, ended.stdout.count(b"\n")) == (b"", 1)


def test_a_slow_reader_of_a_pipe_that_does_not_block_gets_everything(place: Path) -> None:
    np.save(place / "many.npy", np.zeros((5000, 4, 4), np.uint8))
    command = [sys.executable, "-m", "euinet", "predict", "m.onnx", "many.npy", "--csv"]
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        command, cwd=place, stdout=writing, stderr=subprocess.PIPE, env=environment
    ) as process:
        os.close(writing)
        time.sleep(2)  # it fills the pipe
        with os.fdopen(reading, "rb") as file:
            lines = file.read().count(b"\n")
        assert process.stderr is not None
        assert b"Traceback" not in process.stderr.read()
    assert (process.returncode, lines) == (0, 5001)


def test_no_name_steers_a_terminal(place: Path) -> None:
    broken = place / f"{STEERING}.npy"
    broken.write_bytes(b"\x93NUMPY" + STEERING.encode())
    for command in (
        f"predict m.onnx images '{broken}'",
        f"predict '{STEERING}' x",
        f"train --data '{STEERING}'",
    ):
        ended = program(place, f"$E {command}")
        for text in (ended.stdout.decode(), ended.stderr.decode()):
            assert not set(text) & set(STEERING) - set("[2J1m"), repr(text)


def test_csv_is_whole_in_a_pipe_and_harmless_on_a_terminal(place: Path) -> None:
    assert STEERING.encode() in program(place, "$E predict m.onnx images --csv").stdout
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "euinet", "predict", "m.onnx", "images", "--csv"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command, cwd=place, stdout=theirs, stderr=subprocess.DEVNULL, env=environment):
        os.close(theirs)
        shown = b""
        while True:
            try:
                piece = os.read(ours, 65_536)
            except OSError:  # the other end is closed
                break
            shown += piece
    os.close(ours)
    assert "��.png".encode() in shown
    assert not set(shown.decode()) & set(STEERING) - set("[2J1m")


def test_words_for_a_terminal() -> None:
    assert printable(f"a{STEERING}b") == "a�[2J���1m����b"
    assert printable("a\u202fb\u00a0c\u3000d") == "a\u202fb\u00a0c\u3000d"  # spaces, as names of photos have
    assert printable("a\nb\tc", keep="\n") == "a\nb�c"
    assert aligned([("a\nb", "c"), ("d", "\x1b")]) == "a�b  c\nd    �"


def test_the_api_speaks_without_standard_error(monkeypatch: pytest.MonkeyPatch) -> None:
    from euinet.system.streams import clear_line, on_terminal, tell

    monkeypatch.setattr("sys.stderr", None)
    tell("x")
    clear_line()
    assert not on_terminal()


def test_streams_of_others_are_left_alone(capsys: pytest.CaptureFixture[str]) -> None:
    from euinet.system.streams import harden_streams

    before = (sys.stdin, sys.stdout, sys.stderr)
    harden_streams()
    assert (sys.stdin, sys.stdout, sys.stderr) == before
