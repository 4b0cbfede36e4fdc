"""A browser, a served page and a page without a server, for the tests, the pictures and the measurements."""

from __future__ import annotations

import functools
import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

MODEL = "mnist-without-0"
NO_CHROMIUM = "Chromium is missing: apt install chromium."


def chromium() -> str | None:
    """Return the path of Debian's Chromium, None where it is not installed."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


@contextmanager
def browser() -> Iterator[Any]:
    """Give a running Chromium; what it is asked to draw is drawn by the processor."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # as root, Chromium has no sandbox; the only pages that it opens here are ours
        opened = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        yield opened
        opened.close()


@contextmanager
def plain_server(folder: Path, below: str = "") -> Iterator[str]:
    """Serve `folder` as any web server would, under the path `below`, and give its address."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: Any) -> None:
            pass

        def translate_path(self, path: str) -> str:
            return super().translate_path(path.removeprefix(f"/{below}") if below else path)

    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/{below}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def euinet_server(*arguments: str, model: str = MODEL) -> Iterator[str]:
    """Run `euinet serve` on a free port, and give its address."""
    command = [sys.executable, "-m", "euinet", "serve", model, "--port", "0", "--json", *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if line.rstrip() == "}":
                break
        yield json.loads(said)["address"].rstrip("/") + "/"
    finally:
        process.terminate()
        process.wait(30)
        process.stdout.close()


def write_static_page(folder: Path, model: str = MODEL) -> Path:
    """Write the page of a bundled model to `folder`."""
    command = [sys.executable, "-m", "euinet", "page", model, "--out", str(folder), "--json"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return folder


@dataclass
class Visit:
    """A page that was opened, and what it did that it should not have."""

    page: Any
    address: str
    complaints: list[str] = field(default_factory=list)  # of the console, and errors of scripts
    outside: list[str] = field(default_factory=list)  # requests to another host

    def watch(self) -> None:
        """Take note of what happens from now on."""
        page, home = self.page, urlsplit(self.address).netloc
        page.on(
            "console",
            lambda said: said.type in ("error", "warning") and self.complaints.append(said.text),
        )
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

        def request(asked: Any) -> None:
            parts = urlsplit(asked.url)
            if parts.scheme not in ("data", "blob") and parts.netloc != home:
                self.outside.append(asked.url)

        page.context.on("request", request)  # of workers, too

    def open(self, view: str = "draw") -> None:
        """Load the page with one of its views."""
        self.page.goto(f"{self.address}#{view}")
        self.page.wait_for_selector("#shell:not([hidden])")
        self.page.wait_for_selector(f"#view-{view}:not([hidden]) > *")

    def answer(self) -> str:
        """Return what stands large."""
        text: str = self.page.inner_text("[data-part=big]")
        return text

    def wait_for_answer(self, state: str) -> str:
        """Wait until the shown drawing is "known" or "rejected" and done, and return the answer."""
        self.page.wait_for_selector(f"[data-part=answer][data-state={state}]")
        self.settle()  # an example is drawn stroke by stroke, with an answer for each
        return self.answer()

    def settle(self) -> None:
        """Wait until nothing is under way: the shown answer is the last one."""
        self.page.wait_for_timeout(150)
        self.page.wait_for_function(
            "() => document.querySelector('[data-part=answer]').dataset.state !== 'empty'"
        )
        self.page.wait_for_timeout(400)

    def draw(self, strokes: list[list[tuple[float, float]]]) -> None:
        """Draw with the mouse, points in 0 … 1 of the canvas."""
        canvas = self.page.locator("[data-part=canvas]")
        canvas.scroll_into_view_if_needed()
        box, mouse = canvas.bounding_box(), self.page.mouse

        def place(point: tuple[float, float]) -> tuple[float, float]:
            return box["x"] + point[0] * box["width"], box["y"] + point[1] * box["height"]

        for points in strokes:
            mouse.move(*place(points[0]))
            mouse.down()
            for point in points[1:]:
                mouse.move(*place(point))
            mouse.up()


@contextmanager
def visit(opened: Any, address: str, **options: Any) -> Iterator[Visit]:
    """Give a fresh context's page at `address`, watched."""
    context = opened.new_context(**options)
    found = Visit(context.new_page(), address)
    found.watch()
    try:
        yield found
    finally:
        context.close()
