"""A request's body, read piece by piece under limits of size and time: nothing too large is ever held."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from euinet.serve.http.gate import Held
from euinet.serve.http.limits import MEGABYTE, Refused

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]


class Disconnected(Exception):  # noqa: N818 (nor is this)
    """The client went away: nobody is left to be answered."""


async def feed(
    receive: Receive,
    headers: list[tuple[bytes, bytes]],
    write: Callable[[bytes], object],
    held: Held,
    most: int,
    seconds: float,
) -> None:
    """Hand a request's body to `write`, piece by piece; `held` grows by its bytes.

    Raises Refused: 413 above `most` bytes, without reading on; 408 when it is not there after `seconds`; 503
    when all clients together sent more than can be held. Raises Disconnected, and whatever `write` raises.
    """
    declared = content_length(headers)
    if declared is not None and declared > most:
        raise _too_large(most)
    total = 0
    try:
        async with asyncio.timeout(seconds):
            more = True
            while more:
                message = await receive()
                if message["type"] != "http.request":
                    raise Disconnected
                more = message.get("more_body", False)
                piece: bytes = message.get("body", b"")
                total += len(piece)
                if total > most:
                    raise _too_large(most)
                held.grow(len(piece))
                write(piece)
    except TimeoutError as error:
        raise Refused(
            408, f"The body did not arrive within {seconds:g} s: send it faster, or fewer images at a time."
        ) from error


def content_length(headers: list[tuple[bytes, bytes]]) -> int | None:
    """Return what Content-Length says, None where it says nothing. Raises Refused for what is no number."""
    for name, value in headers:
        if name == b"content-length":
            if not value.isdigit() or len(value) > 18:
                raise Refused(400, "The Content-Length is no number of bytes: send the body's length.")
            return int(value)
    return None


def header(headers: list[tuple[bytes, bytes]], wanted: bytes) -> bytes:
    """Return the first header of that name, empty where there is none."""
    return next((value for name, value in headers if name == wanted), b"")


def _too_large(most: int) -> Refused:
    return Refused(
        413,
        f"The body is larger than {most / MEGABYTE:g} MB, the most that is read: send fewer or smaller "
        "images at a time.",
    )
