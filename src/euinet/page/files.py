"""The page's own files, as they lie in the package."""

import lzma
from pathlib import Path
from typing import NamedTuple

FRONT = Path(__file__).parent / "front"
RUNTIME = "vendor/"  # onnxruntime-web: for a page without a server alone
PACKED = ".xz"
CONTENT_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".wasm": "application/wasm",
    ".md": "text/plain; charset=utf-8",
    "": "text/plain; charset=utf-8",  # LICENSE
}


class FrontFile(NamedTuple):
    """A file of the page."""

    content: bytes
    content_type: str


def front_files(*, runtime: bool = False) -> dict[str, FrontFile]:
    """Return the page's files by their path below the page's address, such as "views/draw.js".

    With `runtime` those of onnxruntime-web too, unpacked (14 MB), which only a page without a server needs.
    """
    found = {}
    for path in sorted(FRONT.rglob("*")):
        name = path.relative_to(FRONT).as_posix()
        kind = Path(name.removesuffix(PACKED)).suffix
        if path.is_file() and kind in CONTENT_TYPES and (runtime or not name.startswith(RUNTIME)):
            found[name.removesuffix(PACKED)] = FrontFile(_content(path), CONTENT_TYPES[kind])
    return found


def _content(path: Path) -> bytes:
    content = path.read_bytes()
    return lzma.decompress(content) if path.suffix == PACKED else content
