"""Paths as they come from people, lists and other systems."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from commands import Ended
from euinet.data.sets.datasets import fetch_dataset, load_dataset
from euinet.data.sets.sources import data_root
from euinet.errors import EuiNetError, UsageError
from euinet.images.inputs import find_inputs
from euinet.images.preprocessing import Preprocessing
from euinet.model.opening import find_model

GREY = Preprocessing(1, 8)
NAMES = [
    "a\u202fb.png",
    "a\tb.png",
    "  lead.png",
    "trail.png ",
    "~nobody",
    "[1].png",
    "*.png",
    "a\x1b.png",
    "\r.png",
]
NAMES += [
    "\ufeffbom.png",
    "a\x85b.png",
    "a\u2028b.png",
    "=1.png",
    "'q'.png",
    'a"b,c.png',
    os.fsdecode(b"caf\xe9.png"),
]


@pytest.fixture
def odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with NAMES, in which we are."""
    monkeypatch.chdir(tmp_path)
    for name in NAMES:
        Image.new("L", (8, 8), 7).save(tmp_path / "x.png")
        (tmp_path / "x.png").rename(tmp_path / name)
    return tmp_path


def errors(*paths: str, listed: bytes = b"") -> list[str | None]:
    return [read.error for read in find_inputs(paths, io.BytesIO(listed)).read(GREY)]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\n\n"])
def test_a_list_is_parted_by_newlines_alone(end: bytes, odd: Path) -> None:
    listed = end.join(map(os.fsencode, NAMES)) + end
    assert errors("-", listed=listed) == [None] * len(NAMES)
    assert errors("-", listed=b"\xef\xbb\xbf" + listed) == [None] * len(NAMES)


def test_what_editors_put_around_a_path_falls_away_where_no_file_is_called_so(odd: Path) -> None:
    Image.new("L", (8, 8)).save(odd / "lead.png")
    listed = b"\xef\xbb\xbf[1].png \t\r\n   \n\t*.png\n  lead.png"
    assert [read.path for read in find_inputs(["-"], io.BytesIO(listed)).read(GREY)] == [
        "[1].png",
        "*.png",
        "  lead.png",
    ]


@pytest.mark.parametrize("name", NAMES)
def test_each_name_is_that_file(name: str, odd: Path) -> None:
    assert errors(name) == [None]
    assert errors(str(odd / name)) == [None]


def test_an_image_of_decimals_is_no_list(odd: Path) -> None:
    assert errors("-", listed=b"P2\n2 2\n255\n1 2 3 4\n") == [None]


@pytest.mark.parametrize("bad", ["x" * 300, "a\0b", "loop", "dead", "locked/x.png", "*\0*"])
def test_a_path_that_cannot_be_looked_at_does_not_stop_the_others(bad: str, odd: Path) -> None:
    (odd / "loop").symlink_to("loop")
    (odd / "dead").symlink_to("nowhere")
    first, second = errors(bad, "[1].png") if bad != "locked/x.png" else ("", None)
    assert (first is not None, second) == (True, None)


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("", "An empty text does not exist: give image files"),
        ("~nobody-of-this-name/x.png", "does not exist"),
        ("pipe", "pipe is neither a file nor a folder: give .* or - for standard input"),
        ("/dev/zero", "neither a file nor a folder"),
        ("gone?", "matches nothing"),
        ("a\tb.png/x", "does not exist"),
    ],
)
def test_what_is_no_path_is_one_sentence(path: str, says: str, odd: Path) -> None:
    os.mkfifo(odd / "pipe")
    with pytest.raises(UsageError, match=says):
        find_inputs([path])


def test_a_pattern_finds_each_file_once_however_links_lead_there(odd: Path) -> None:
    (odd / "deep").mkdir()
    Image.new("L", (8, 8)).save(odd / "deep" / "x.jpg")
    (odd / "deep" / "again").symlink_to(odd / "deep")
    reads = list(find_inputs(["**/*.jpg"]).read(GREY))
    assert [read.path for read in reads] == ["deep/x.jpg"]


def test_nobodys_home_is_one_sentence_and_nothing_is_kept_in_a_folder_called_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("HOME", "EUINET_DATA", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    import pwd

    def nobody(_: object) -> None:
        raise KeyError("no such user")

    monkeypatch.setattr(pwd, "getpwuid", nobody)
    assert str(data_root()) == "~/.cache/euinet"
    with pytest.raises(
        UsageError, match=r"mnist cannot be kept in ~/\.cache/euinet.*: give --data-root, or set"
    ):
        load_dataset("mnist")
    with pytest.raises(UsageError, match="fashion-mnist cannot be kept"):
        fetch_dataset("fashion-mnist")
    with pytest.raises(UsageError, match=r"~/x\.png does not exist"):
        find_inputs(["~/x.png"])
    load_dataset("digits")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["~nobody-of-this-name", "x" * 300, "a\0b", "x" * 5000, ""])
def test_no_name_is_a_traceback(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(EuiNetError, match="no model"):
        find_model(name)
    with pytest.raises(EuiNetError, match="no data set or folder"):
        load_dataset(name)


def test_a_table_gives_back_the_paths_that_it_was_given(
    odd: Path, digits_folder: Path, run: Callable[..., Ended]
) -> None:
    ended = run("predict", digits_folder, *NAMES, "--csv")
    rows = list(csv.DictReader(io.StringIO(ended.out, newline="")))
    shown = [row["path"][1:] if row["path"][0] == "'" else row["path"] for row in rows]
    assert shown == [*NAMES[:-1], "caf\\xe9.png"]  # bytes that are no text
    assert {row["path"] for row in rows if row["path"][0] == "'"} == {"'=1.png", "'\r.png", "''q'.png"}
    for out in ("rows.csv", "rows.json", "rows.parquet"):
        assert run("predict", digits_folder, *NAMES, "--out", out).code == 0
    written = json.loads((odd / "rows.json").read_text())["predictions"]
    assert [row["path"] for row in written] == [*NAMES[:-1], "caf\\xe9.png"]
    with (odd / "rows.csv").open(newline="") as file:
        assert [row["path"] for row in csv.DictReader(file)] == [row["path"] for row in rows]
