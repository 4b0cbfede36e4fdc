"""What requests pass first and answers last: who may ask, safe headers, errors as one sentence."""

import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import unquote

from starlette.types import ASGIApp, Receive, Scope, Send

from euinet.errors import EuiNetError
from euinet.serve.answering import as_json
from euinet.serve.http.access import Access
from euinet.serve.http.bodies import Disconnected
from euinet.serve.http.headers import security_headers
from euinet.serve.http.limits import Refused
from euinet.serve.meters import Meters

Handler = Callable[[Scope, Receive, Send], Awaitable[None]]
_log = logging.getLogger("euinet.serve")


class Guard:
    """The outermost layer. `hot` handlers are called past the router, which costs more than they do."""

    def __init__(
        self, app: ASGIApp, access: Access, meters: Meters, hot: dict[tuple[str, str], Handler]
    ) -> None:
        self._app, self._access, self._meters, self._hot = app, access, meters, hot

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request; lifespan messages pass."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        method, path = scope["method"], scope["path"]
        if method == "HEAD":  # a GET without the body, which the server leaves out
            scope = {**scope, "method": "GET"}
        status = 0

        async def guarded(message: MutableMapping[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                own = {name for name, _ in message["headers"]}  # a path may say more exactly what it may do
                added = [pair for pair in security_headers(path) if pair[0] not in own]
                message["headers"] = [*message["headers"], *added]
            await send(message)

        try:
            if not path.startswith("/"):
                scope, path = (found := as_own_path(scope)), found["path"]
            self._access.check(method, path, scope["headers"])
            await (self._hot.get((method, path)) or self._app)(scope, receive, guarded)
        except Refused as refused:
            await _refuse(refused, scope, receive, guarded)
        except EuiNetError as error:  # a hot handler's; those behind the router are answered there
            await _refuse(Refused(503, str(error)), scope, receive, guarded)
        except Disconnected:
            status = 499  # as others count it: the client was gone before the answer
        except Exception as error:
            # the kind and the place, never a header, a query or a body
            _log.error(
                "A request to %s failed.", path[:100].encode("ascii", "replace").decode(), exc_info=error
            )
            if not status:
                failed = Refused(500, "The server failed at this request; its log says where.")
                await _refuse(failed, scope, receive, guarded)
        finally:
            self._meters.request(method, path, status, time.perf_counter() - started)


def as_own_path(scope: Scope) -> Scope:
    """Return a request for a whole address (GET http://localhost/docs) as one for the path there.

    The Host header is then the address's, as RFC 9112 (3.2.2) wants it. `OPTIONS *` stays as it is.
    """
    _, slashes, rest = scope["raw_path"].partition(b"://")
    if not slashes:
        return scope
    host, slash, path = rest.partition(b"/")
    others = [pair for pair in scope["headers"] if pair[0] != b"host"]
    path = slash + path or b"/"
    headers = [(b"host", host), *others]
    return {**scope, "path": unquote(path.decode("ascii")), "raw_path": path, "headers": headers}


async def _refuse(refused: Refused, scope: Scope, receive: Receive, send: Send) -> None:
    response = as_json({"error": refused.sentence}, refused.status)
    response.headers.update(refused.headers)
    await response(scope, receive, send)
