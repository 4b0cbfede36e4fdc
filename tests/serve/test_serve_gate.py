"""How much is in the house: all together at most so much, and what alone is more is let in alone."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx
import pytest
from until import until

from euinet.serve.app import Service
from euinet.serve.http.gate import Gate, Held
from euinet.serve.http.limits import Refused
from watched import Watched


def test_all_together_are_at_most_so_many() -> None:
    gate = Gate(5, "images")
    with Held(gate) as first, Held(gate) as second:
        first.grow(2)
        second.grow(2)
        with pytest.raises(Refused, match="as many images as it can"):
            second.grow(2)
        assert (gate.inside, second.count) == (4, 2)  # a refusal takes nothing
        gate.check()
        second.grow(1)
        with pytest.raises(Refused):
            gate.check()
        with pytest.raises(Refused):
            first.grow(1)
    assert gate.inside == 0


@pytest.mark.parametrize("pieces", [[7], [1, 6], [3, 3, 1]])
def test_what_alone_is_more_is_let_in_whole_while_nothing_else_is_inside(pieces: list[int]) -> None:
    gate = Gate(5, "images")
    with Held(gate) as alone:
        for piece in pieces:
            alone.grow(piece)
        assert gate.inside == 7
        with pytest.raises(Refused):  # before anything of the next is read
            gate.check()
        with pytest.raises(Refused), Held(gate) as second:
            second.grow(1)
    with Held(gate) as first, Held(gate) as second:
        first.grow(1)
        with pytest.raises(Refused):
            second.grow(7)


async def ask(client: httpx.AsyncClient, images: int, content: bytes | None) -> httpx.Response:
    """Send so many images, as files of this content or as an array."""
    if content is None:
        return await client.post("/v1/predict", json={"images": [[[9] * 4] * 4] * images})
    return await client.post("/v1/predict", files=[("file", ("a", content)) for _ in range(images)])


@pytest.mark.parametrize("as_array", [False, True])
def test_a_request_larger_than_the_queue_is_answered_alone_and_refused_beside_another(
    make_service: Callable[..., Service], model: Watched, picture: Callable[..., bytes], as_array: bool
) -> None:
    service = make_service(queue_images=4)
    content = None if as_array else picture()

    async def talk() -> tuple[httpx.Response, httpx.Response, httpx.Response]:
        transport = httpx.ASGITransport(service.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            alone = await ask(client, 6, content)
            model.go_on.clear()
            first = asyncio.ensure_future(ask(client, 1, content))
            await asyncio.to_thread(until, lambda: len(model.batches) == 2)
            beside = await ask(client, 6, content)
            model.go_on.set()
            return alone, await first, beside

    alone, first, beside = asyncio.run(talk())
    assert (alone.status_code, len(alone.json()["predictions"])) == (200, 6)
    assert (first.status_code, beside.status_code) == (200, 503)
    assert model.batches == [6, 1]
    assert service.intake.images.inside == 0
