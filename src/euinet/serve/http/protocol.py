"""HTTP/1.1 by uvicorn and h11, with time limits for slow clients and our own words for broken requests."""

import asyncio
import sys
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import STATUS_PHRASES, H11Protocol

from euinet.serve.answering import as_json
from euinet.serve.http.headers import security_headers
from euinet.serve.http.limits import Limits
from euinet.serve.http.strict import StrictBuffer

_SENTENCES = {
    400: "This is no valid HTTP request.",
    431: "The request's headers are too long: 64 kB are read.",
    501: "The only Transfer-Encoding that is understood is chunked: send the body as it is, or in chunks.",
    503: "Too many clients are connected: try again in a second.",
    505: "The request is of another version of HTTP: send HTTP/1.1.",
}


def protocol_class(limits: Limits) -> type[asyncio.Protocol]:
    """Return the class of which uvicorn makes one object a connection."""

    class Protocol(TimedProtocol):
        server_limits = limits

    return Protocol


class TimedProtocol(H11Protocol):
    """A connection that is closed when its client is too slow to ask, or to take an answer."""

    server_limits = Limits()
    _waiting: asyncio.TimerHandle | None = None  # for a header, or the rest of a body that nobody reads
    _stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Take a connection, or turn it away where there are too many."""
        super().connection_made(JoinedWrites(transport))  # type: ignore[arg-type]
        self.conn._receive_buffer = StrictBuffer()
        if len(self.connections) > self.server_limits.connections:
            self._turn_away(503)
            return
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection's timers."""
        _end(self._waiting)
        self._waiting = None
        _end(self._stalled)
        self._stalled = None
        super().connection_lost(exc)
        self._unset_keepalive_if_required()

    def data_received(self, data: bytes) -> None:
        """Hand data on; from a request's first byte to its header's end only so much time may pass."""
        super().data_received(data)
        state = self.conn.their_state
        answered = self.cycle is not None and self.cycle.response_complete
        if state is h11.IDLE or (answered and state is h11.SEND_BODY):
            self._wait()
        elif self._waiting is not None:
            _end(self._waiting)
            self._waiting = None

    def eof_received(self) -> bool:  # type: ignore[override]
        """Answer a client that closed its own direction after its request, as `nc -N` does."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete or cycle.more_body:
            return False
        cycle.keep_alive = False
        return True

    def pause_writing(self) -> None:
        """Give a client that does not take its answer some time."""
        super().pause_writing()
        if self._stalled is None:
            self._stalled = self.loop.call_later(self.server_limits.stalled_seconds, self.transport.abort)

    def resume_writing(self) -> None:
        """The client takes its answer."""
        super().resume_writing()
        _end(self._stalled)
        self._stalled = None

    def timeout_keep_alive_handler(self) -> None:
        """Close an idle connection, and after a while without waiting for what its client did not take."""
        super().timeout_keep_alive_handler()
        if self._stalled is None:
            self._stalled = self.loop.call_later(self.server_limits.stalled_seconds, self.transport.abort)

    def send_400_response(self, msg: str) -> None:
        """Answer what is no HTTP, as far as an answer can still be given."""
        error = sys.exc_info()[1]
        status = getattr(error, "error_status_hint", 400)
        if self.cycle is not None and not self.cycle.response_complete:
            self.cycle.disconnected = True  # its body broke off: nobody is to be answered
            self.cycle.message_event.set()
        self._turn_away(status if status in _SENTENCES else 400)

    def _turn_away(self, status: int) -> None:
        body: Any = as_json({"error": _SENTENCES[status]}).body
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
            *security_headers("/v1/"),
            *([(b"retry-after", b"1")] if status == 503 else []),
        ]
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            head = b"".join(b"%s: %s\r\n" % pair for pair in headers)
            self.transport.write(b"HTTP/1.1 %d %s\r\n%s\r\n%s" % (status, STATUS_PHRASES[status], head, body))
        self.transport.close()

    def _wait(self) -> None:
        if self._waiting is None:
            self._waiting = self.loop.call_later(self.server_limits.header_seconds, self._too_slow)

    def _too_slow(self) -> None:
        self._waiting = None
        self.transport.abort()


class JoinedWrites:
    """A transport that sends an answer's head with the first piece of its body.

    uvicorn writes them one after the other: two system calls, and two packets for the client to wake up for.
    """

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport, self._head = transport, b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send data, or keep an answer's head until what follows it, which may be empty."""
        if self._head:
            self._transport.write(self._head + data)
            self._head = b""
        elif data.startswith(b"HTTP/1.1 ") and not data.startswith(b"HTTP/1.1 100"):
            self._head = data
        elif data:
            self._transport.write(data)

    def close(self) -> None:
        """Send what is kept, and close."""
        if self._head:
            self._transport.write(self._head)
            self._head = b""
        self._transport.close()


def _end(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
