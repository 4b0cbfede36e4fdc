"""The page's own files: whole, offline, and without a way for hostile text to become markup or script."""

from __future__ import annotations

import hashlib
import posixpath
import re

import pytest

from euinet.page.files import FRONT, RUNTIME, front_files

FILES = front_files()
SCRIPTS = {path: file.content.decode() for path, file in FILES.items() if path.endswith(".js")}
INDEX = FILES["index.html"].content.decode()
NAMESPACES = ("http://www.w3.org/2000/svg", "http://www.w3.org/1998/Math/MathML")


def test_the_page_is_whole_and_knows_its_types() -> None:
    wanted = {"app.css", "app.js", "boot.js", "icon.svg", "index.html", "backends/server.js"}
    assert wanted | {"backends/browser.js", "backends/worker.js", "views/draw.js"} <= set(FILES)
    assert FILES["index.html"].content_type == "text/html; charset=utf-8"
    assert FILES["app.js"].content_type == "text/javascript; charset=utf-8"
    assert not any(path.startswith(RUNTIME) for path in FILES)  # 14 MB that a served page does not need
    for path, file in FILES.items():
        assert file.content == (FRONT / path).read_bytes()


def test_the_runtime_is_the_published_one() -> None:
    table = (FRONT / RUNTIME / "onnxruntime-web" / "README.md").read_text()
    sums = dict(re.findall(r"\| `([\w.-]+)`.*?\| `([0-9a-f]{64})` \|", table))
    assert len(sums) == 3
    found = front_files(runtime=True)
    for name, wanted in sums.items():
        content = found[f"{RUNTIME}onnxruntime-web/{name}"].content
        assert hashlib.sha256(content).hexdigest() == wanted
    assert found[f"{RUNTIME}onnxruntime-web/ort-wasm-simd-threaded.wasm"].content_type == "application/wasm"
    assert "MIT License" in found[f"{RUNTIME}onnxruntime-web/LICENSE"].content.decode()


@pytest.mark.parametrize("path", FILES)
def test_no_file_refers_to_another_host(path: str) -> None:
    text = FILES[path].content.decode()
    for namespace in NAMESPACES:
        text = text.replace(namespace, "")
    assert not re.search(r"https?://|(?<![:\w])//[a-z0-9-]+\.[a-z]", text), path


def test_the_policy_holds_what_the_page_is_made_of() -> None:
    """No inline script, style or handler: the policy forbids them, each would be an error in the console."""
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', INDEX)
    assert policy
    assert "default-src 'none'" in policy[1]
    assert "unsafe-inline" not in policy[1]
    assert "connect-src 'self'" in policy[1]
    assert not re.search(r"<script(?![^>]*\ssrc=)", INDEX)
    assert not re.search(r"<style|\sstyle=|\son\w+=", INDEX)


@pytest.mark.parametrize("path", SCRIPTS)
def test_no_script_makes_markup_or_code_of_text(path: str) -> None:
    forbidden = (
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|DOMParser|srcdoc"
    )
    assert not re.search(forbidden, SCRIPTS[path])


@pytest.mark.parametrize("path", SCRIPTS)
def test_what_a_script_imports_is_there(path: str) -> None:
    named = re.findall(r'^\s*(?:import|export)\b[^"]*?\bfrom "(\.[^"]+)"', SCRIPTS[path], re.MULTILINE)
    named += re.findall(r'new URL\("(\.[^"]+\.js)"', SCRIPTS[path])
    everything = front_files(runtime=True) if "vendor" in SCRIPTS[path] else FILES
    for name in named:
        assert posixpath.normpath(posixpath.join(posixpath.dirname(path), name)) in everything, name


def test_the_parts_that_the_draw_view_fills_are_in_the_page() -> None:
    there = set(re.findall(r'data-part="([\w-]+)"', INDEX))
    for path in ("views/draw.js", "views/draw-answer.js"):
        asked = set(re.findall(r'part\("([\w-]+)"\)', SCRIPTS[path]))
        assert asked
        assert asked <= there, path
    ids = set(re.findall(r'\bid="([\w-]+)"', INDEX))
    for name in re.findall(r'(?:for|aria-labelledby|aria-describedby)="([\w-]+)"', INDEX):
        assert name in ids


def test_what_the_page_links_to_is_there() -> None:
    for name in re.findall(r'<(?:link|script)[^>]*\s(?:href|src)="([^"]+)"', INDEX):
        assert name in FILES
