"""Files that a browser asks for: the page itself, and what it needs to know of its server."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

INDEX = "index.html"


@dataclass(frozen=True)
class StaticFile:
    """A file in memory."""

    content: bytes
    content_type: str
    etag: str

    @staticmethod
    def of(content: bytes, content_type: str) -> StaticFile:
        """Return a file with the tag by which a browser knows that it has it."""
        return StaticFile(content, content_type, f'"{hashlib.sha256(content).hexdigest()[:32]}"')


class Pages:
    """Files by their path; another path is no file, whatever dots are in it: no folder is looked into."""

    def __init__(self, files: dict[str, StaticFile]) -> None:
        self._files = files

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths of all files."""
        return tuple(self._files)

    def endpoint(self, path: str) -> Callable[[Request], Awaitable[Response]]:
        """Return what answers a request for the file at `path`; "" is the page."""
        file = self._files[path or INDEX]

        async def respond(request: Request) -> Response:
            headers = {"ETag": file.etag}
            if file.etag in request.headers.get("if-none-match", ""):
                return Response(status_code=304, headers=headers)
            return Response(file.content, headers=headers, media_type=file.content_type)

        return respond


def front_pages(token_needed: bool) -> Pages:
    """Return the page's files, and config.json, which tells it that there is a server."""
    from euinet.page.files import front_files

    files = {
        path: StaticFile.of(file.content, file.content_type)
        for path, file in front_files(runtime=False).items()
    }
    config = json.dumps({"backend": "server", "token_needed": token_needed}).encode()
    files["config.json"] = StaticFile.of(config, "application/json")
    return Pages(files)
