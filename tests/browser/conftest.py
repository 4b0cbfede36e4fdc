"""Chromium, a server with an inbox and a page without a server, each started once; `make test-browser`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from browser_pages import NO_CHROMIUM, Visit, browser, chromium, euinet_server, plain_server, visit
from browser_pages import write_static_page as write

SUB_PATH = "some/where/below/"


@pytest.fixture(scope="session")
def opened_browser() -> Iterator[Any]:
    if find_spec("playwright") is None:
        pytest.skip("playwright is not installed: pip install 'euinet[browser]'")
    if chromium() is None:
        pytest.skip(NO_CHROMIUM)
    with browser() as opened:
        yield opened


@pytest.fixture(scope="session")
def static_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("static") / "page")


@pytest.fixture(scope="session")
def static_address(static_folder: Path) -> Iterator[str]:
    """The page without a server, somewhere below a web server's root."""
    with plain_server(static_folder, SUB_PATH) as address:
        yield address


@pytest.fixture(scope="session")
def inbox_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("inbox") / "inbox"


@pytest.fixture(scope="session")
def served_address(inbox_folder: Path) -> Iterator[str]:
    with euinet_server("--inbox", str(inbox_folder)) as address:
        yield address


@pytest.fixture(params=["served", "static"])
def address(request: pytest.FixtureRequest) -> str:
    """Both pages in turn."""
    found: str = request.getfixturevalue(f"{request.param}_address")
    return found


@pytest.fixture
def visiting(opened_browser: Any) -> Iterator[Callable[..., Visit]]:
    """visiting(address, view="draw", color_scheme="dark", …): a visit that must end without a complaint."""
    visits: list[Visit] = []
    with ExitStack() as stack:

        def start(address: str, view: str = "draw", **options: Any) -> Visit:
            found = stack.enter_context(visit(opened_browser, address, **options))
            visits.append(found)
            found.open(view)
            return found

        yield start
        for found in visits:
            assert found.complaints == []
            assert found.outside == []
