"""The documents name files and functions that exist: whoever follows them by name arrives."""

from __future__ import annotations

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

import euinet

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src/euinet"
DOCUMENTS = sorted([*(ROOT / "docs").glob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])
SOURCES = sorted([*PACKAGE.rglob("*.py"), *(PACKAGE / "page/front").rglob("*.js")])
_IN_BACKTICKS = re.compile(r"`([^`]+)`")
_FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
_PATH = re.compile(r"(?:[\w.-]+/)*\w+\.py\b|(?:[\w.-]+/)+\w+\.js\b")
_WITH_NAME = re.compile(rf"({_PATH.pattern}): ([A-Za-z_][\w.]*)")
_BELOW_A_FOLDER = re.compile(r"\b(?:\w+/)+\w+\.py\b")


def found(path: str) -> Path | None:
    """Return the file that is meant, relative to the package, the repository or the tests."""
    places = (base / path for base in (PACKAGE, ROOT, ROOT / "tests"))
    return next((place for place in places if place.is_file()), None)


@cache
def names_in(file: Path) -> frozenset[str]:
    """Return what a Python file defines: "function", "Class", "Class.method"."""

    def walk(nodes: list[ast.stmt], prefix: str) -> Iterator[str]:
        for node in nodes:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                yield prefix + node.name
            if isinstance(node, ast.ClassDef):
                yield from walk(node.body, f"{prefix}{node.name}.")

    return frozenset(walk(ast.parse(file.read_text()).body, ""))


def wrong_in(text: str) -> list[str]:
    """Return the paths in backticks that lead nowhere, and the names that their files do not define."""
    spans = [" ".join(span.split()) for span in _IN_BACKTICKS.findall(_FENCED.sub("", text))]
    missing = [path for span in spans for path in _PATH.findall(span) if found(path) is None]
    named = [match.groups() for span in spans for match in _WITH_NAME.finditer(span)]
    files = [(path, file, name) for path, name in named if (file := found(path)) is not None]
    return missing + [f"{path}: {name}" for path, file, name in files if name not in names_in(file)]


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_what_a_document_names_exists(document: Path) -> None:
    assert wrong_in(document.read_text()) == []


def test_what_comments_name_exists() -> None:
    named = {path for file in SOURCES for path in _BELOW_A_FOLDER.findall(file.read_text())}
    assert len(named) > 10
    assert sorted(path for path in named if found(path) is None) == []


def test_what_does_not_exist_is_found() -> None:
    text = "`records.py: Split`, `training/steps.py:\ngan_step`, `model/model.py: Model.answer`, `run.py`"
    assert wrong_in(text + "\n```\n`no.py`\n```\n") == ["run.py"]
    assert wrong_in("`records.py: split`, `model/model.py: Model.no`") == [
        "records.py: split",
        "model/model.py: Model.no",
    ]


def test_every_public_name_is_in_the_api_reference() -> None:
    text = (ROOT / "docs/api.md").read_text()
    assert "::: euinet.errors\n" in text
    names = [name for name in euinet.__all__ if name != "__version__" and not name.endswith("Error")]
    assert [name for name in names if f"::: euinet.{name}\n" not in text] == []


def test_every_room_and_every_file_at_the_root_is_described() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    rooms = [path.parent.name for path in PACKAGE.glob("*/__init__.py")]
    files = [path.name for path in PACKAGE.glob("*.py")]
    assert [room for room in rooms if not re.search(rf"^\| `{room}` \|", text, re.MULTILINE)] == []
    assert [file for file in files if f"`{file}`" not in text] == []


def test_every_door_upstairs_is_described() -> None:
    text = (ROOT / "docs/architecture.md").read_text()
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    ends = {
        end for contract in contracts for line in contract["ignore_imports"] for end in line.split(" -> ")
    }
    files = [name.removeprefix("euinet.").replace(".", "/") + ".py" for name in ends if "euinet." in name]
    assert len(files) > 5
    assert [file for file in files if f"`{file}`" not in text] == []
