"""Hostile names and streams, drawn from a seed: classes, files, uploads, lists of paths, terminals."""

from __future__ import annotations

import csv
import io
import json
import os
import random
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import euinet
from abuse_inputs import mutated, seeds
from euinet.errors import EuiNetError
from euinet.images.inputs import find_inputs
from euinet.model.decision_file import read_description
from euinet.predict.rows import as_csv, as_table
from euinet.predict.run import predict_all
from euinet.predict.sinks import RowList
from euinet.serve.http.forms import read_disposition, safe_name
from euinet.system.class_names import check_new_classes
from euinet.system.notify import silent
from euinet.system.words import is_shown

FINE = ("answered", "refused")
PIECES = (  # of names: what is not seen, steers, is half a sign, is reserved, or means something to a program
    *(
        "a",
        "cat",
        "0",
        "10",
        "é",
        "e\u0301",
        "ß",
        "名前",
        "😀",
        "👩\u200d🔬",
        "ا",
        "none of these",
        "train",
        "con",
    ),
    *(
        " ",
        "  ",
        "\u00a0",
        "\u202f",
        "\u3000",
        "\u200b",
        "\u200d",
        "\u00ad",
        "\ufeff",
        "\u202e",
        "\u2066",
        "\u2028",
    ),
    *(
        "\t",
        "\n",
        "\r",
        "\x1b[2J",
        "\x07",
        "\x7f",
        "\x85",
        "\x9b",
        "\ud800",
        "\udcff",
        "\ufffe",
        "\U000e0041",
    ),
    *(
        "~",
        "-",
        "--",
        "*",
        "?",
        "[x]",
        "{}",
        "%22",
        "%",
        "$HOME",
        "`id`",
        ";",
        "|",
        "&",
        "<b>",
        "'",
        '"',
        "\\",
    ),
    *(".", "..", ":", "=", "=1+1", "@", "+", ",", "#", "x" * 100, "y" * 250, "\u0301" * 40),
)
HALVES = frozenset(map(chr, range(0xD800, 0xE000)))  # bytes of a path that are no text: shown escaped
ENCODINGS = ("utf-8", "latin-1", "cp1252", "cp932", "ascii", "utf-16")


def name(draw: random.Random) -> str:
    """Return a name of a few pieces."""
    return "".join(draw.choice(PIECES) for _ in range(draw.choice((0, 1, 1, 2, 3, 6))))


class Names:
    """Tries a name where names are taken; each method returns "answered", "refused" or what went wrong."""

    def __init__(self, model: euinet.Model, folder: Path) -> None:
        self.model, self.folder = model, folder
        self.image = seeds()[0][1]
        self.files = [content for _, content in seeds()]
        self.kinds = {
            "class names": self.classes,
            "file names": self.file,
            "upload names": self.upload,
            "lists of paths": self.paths,
            "standard input": self.standard_input,
        }

    def classes(self, draw: random.Random) -> str:
        """What may be trained must load, and be shown on one line."""
        names = tuple(name(draw) for _ in range(draw.choice((2, 2, 3))))
        check_new_classes(names)
        card = self.model.card
        count = len(names)
        card = replace(
            card,
            class_names=names,
            known_classes=tuple(range(count)),
            logit_range=replace(card.logit_range, gain=(1.0,) * count, shift=(0.0,) * count),
        )
        text = replace(self.model.description, card=card).to_json()
        text.encode()
        if read_description(text).card.class_names != names:
            return "the names that were read back differ"
        return "answered" if "\n" not in "".join(names) else "a name of several lines"

    def file(self, draw: random.Random) -> str:
        """A file of any name is read, and its row gives the path back."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        path = f"{self.folder}/{(name(draw) or 'x').replace('/', '_')}{draw.choice(('', '.png'))}"
        try:
            Path(path).write_bytes(self.image)
        except (OSError, UnicodeEncodeError):
            return "refused"  # by the file system
        way = draw.randrange(3)
        if way == 2:
            return self._rows(["-"], os.fsencode(path) + b"\n", None if "\n" in path else path)
        return self._rows([path if way else str(self.folder)], b"", path if way else None)

    def upload(self, draw: random.Random) -> str:
        """Any Content-Disposition gives names that are text, below their folder and in one line."""
        given = name(draw).encode("utf-8", "surrogatepass") + draw.randbytes(draw.choice((0, 0, 3)))
        header = (
            b"form-data; name=file; "
            + draw.choice((b"filename=", b'filename="', b"filename*=UTF-8''"))
            + given
        )
        header += draw.choice((b"", b'"', b"; filename*=x'y'%ff%"))
        _, options = read_disposition(mutated(header, [header], draw) if draw.random() < 0.3 else header)
        for value in options.values():
            shown = safe_name(value)
            shown.encode()
            parts = shown.split("/")
            if not shown or ".." in parts or shown.startswith("/") or set(shown) & set("\n\r\x1b\x9b\u202e"):
                return f"an unsafe name: {shown!a}"
        return "answered"

    def paths(self, draw: random.Random) -> str:
        """A list of paths on standard input that are not there, or are what they should not be."""
        places = (
            "/dev/null",
            "/proc/self/mem",
            "/root/none",
            str(self.folder),
            ".",
            "~",
            "~nobody",
            "//",
            "\0",
        )
        lines = [draw.choice((draw.choice(places), name(draw))) for _ in range(draw.choice((1, 2, 9)))]
        text = draw.choice(("\n", "\r\n", "\n\n")).join(lines)
        content = text.encode(draw.choice(("utf-8", "utf-16", "latin-1")), "replace")
        return self._rows(["-"], content, None)

    def standard_input(self, draw: random.Random) -> str:
        """An image with faults, or no image at all."""
        return self._rows(["-"], mutated(draw.choice(self.files), self.files, draw), None)

    def _rows(self, paths: list[str], content: bytes, expected: str | None) -> str:
        printed = RowList()
        predict_all(self.model, find_inputs(paths, io.BytesIO(content)), [printed], silent)
        text = as_csv(printed.rows, self.model.class_names)
        text.encode("utf-8", "surrogateescape")
        table = as_table(printed.rows)
        json.dumps(printed.rows, allow_nan=False)
        if (
            not all(map(is_shown, table.replace("\n", "")))
            or len(table.splitlines()) != len(printed.rows) + 1
        ):
            return f"a table that steers a terminal: {table!a}"
        read = [row["path"] for row in csv.DictReader(io.StringIO(text, newline=""))]
        if read != [row["path"] for row in printed.rows]:
            return f"CSV gives other paths back: {read!a}"
        if expected is not None and not set(expected) & HALVES and read != [expected]:
            return f"{expected!a} came back as {read!a}"
        return "answered"


def process(draw: random.Random, folder: Path, model: str) -> str:
    """Run `euinet predict` with streams of any encoding, closed or full: no traceback, nothing lost."""
    encoding, out = draw.choice(ENCODINGS), draw.choice(("pipe", "pipe", "full", "closed"))
    folder.mkdir(exist_ok=True)
    path = folder / draw.choice(("a.png", "é\u202f.png", "名.png", "\udcff.png"))
    path.write_bytes(seeds()[0][1])
    ways: tuple[list[str], ...] = ([], ["--json"], ["--csv"])
    command = [sys.executable, "-m", "euinet", "predict", model, os.fspath(path), *draw.choice(ways)]
    environment = {**os.environ, "PYTHONIOENCODING": encoding, "OMP_NUM_THREADS": "1"}
    shell = {"pipe": '"$@"', "full": '"$@" > /dev/full', "closed": '"$@" >&-'}[out]
    shell += draw.choice(("", "", " <&-", " 2>&-"))
    ended = subprocess.run(
        ["sh", "-c", shell, "sh", *command], capture_output=True, env=environment, check=False, timeout=300
    )
    said = ended.stderr.decode("utf-8", "replace") + ended.stdout.decode("utf-8", "replace")
    if "Traceback" in said or "Exception ignored" in said or ended.returncode not in (0, 1, 2):
        return f"{shell} in {encoding}: exit {ended.returncode}, {said[-300:]!a}"
    if out == "pipe" and (ended.returncode or not ended.stdout):
        return f"{shell} in {encoding}: nothing was answered, {said[-300:]!a}"
    return "answered" if ended.returncode == 0 else "refused"


def tried(work: object, draw: random.Random) -> str:
    """Return what came of an input; a refusal is one clean sentence."""
    try:
        return str(work(draw))  # type: ignore[operator]
    except EuiNetError as error:
        clean = str(error).endswith(".") and all(map(is_shown, str(error))) and len(str(error)) < 1500
        return "refused" if clean else f"an unclean sentence: {str(error)!a}"
    except Exception as error:
        return f"{type(error).__name__}: {error!a}"
