"""Many clients share batches; what is too much or too slow is refused, never forgotten."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import httpx
import pytest
from until import until

from euinet.serve.app import Service
from euinet.serve.batching import Batcher
from watched import Watched


def doubled(items: list[int]) -> Sequence[int]:
    return [2 * item for item in items]


def test_each_gets_its_own_result_from_shared_batches() -> None:
    sizes: list[int] = []
    held = threading.Event()

    def work(items: list[int]) -> Sequence[int]:
        held.wait(5)
        return doubled(items)

    batcher: Batcher[int, int] = Batcher("test", work, most=8, observe=sizes.append)

    async def ask() -> list[int]:
        asked = [asyncio.ensure_future(batcher(number)) for number in range(20)]
        await asyncio.sleep(0.05)
        held.set()
        return await asyncio.gather(*asked)

    assert asyncio.run(ask()) == [2 * number for number in range(20)]
    assert sum(sizes) == 20
    assert max(sizes) == 8  # the first may go alone; then they had time to gather
    batcher.close()


def test_one_alone_does_not_wait_for_others() -> None:
    alone: Batcher[int, int] = Batcher("test", doubled, most=8, wait=5.0, coming=lambda: 1)
    started = time.monotonic()
    assert asyncio.run(alone(1)) == 2
    assert time.monotonic() - started < 2
    alone.close()


@pytest.mark.parametrize("size", [2, 5])
def test_a_full_batch_does_not_wait_for_others(size: int) -> None:
    full: Batcher[int, int] = Batcher("test", doubled, most=2, wait=5.0, coming=lambda: 9)
    started = time.monotonic()
    assert asyncio.run(full(1, size)) == 2
    assert time.monotonic() - started < 2
    full.close()


def test_the_first_waits_for_those_on_their_way() -> None:
    sizes: list[int] = []
    batcher: Batcher[int, int] = Batcher(
        "test", doubled, most=8, wait=5.0, coming=lambda: 2, observe=sizes.append
    )

    async def ask() -> None:
        first = asyncio.ensure_future(batcher(1))
        await asyncio.sleep(0.1)
        assert not first.done()
        await asyncio.gather(first, batcher(2))

    asyncio.run(ask())
    assert sizes == [2]
    batcher.close()


def test_an_item_above_the_most_goes_alone_wherever_it_stands() -> None:
    batches: list[list[int]] = []
    held = threading.Event()

    def work(items: list[int]) -> Sequence[int]:
        held.wait(5)
        batches.append(items)
        return doubled(items)

    batcher: Batcher[int, int] = Batcher("test", work, most=3)
    sizes = {1: 1, 2: 1, 3: 5, 4: 1, 5: 2, 6: 4}

    async def ask() -> list[int]:
        first = asyncio.ensure_future(batcher(0, 3))  # a full batch, which is held up
        await asyncio.sleep(0.05)
        others = [asyncio.ensure_future(batcher(item, size)) for item, size in sizes.items()]
        await asyncio.sleep(0.05)
        held.set()
        return await asyncio.gather(first, *others)

    assert asyncio.run(ask()) == [0, 2, 4, 6, 8, 10, 12]
    assert batches == [[0], [1, 2], [3], [4, 5], [6]]
    batcher.close()


def test_errors_go_to_those_who_wait() -> None:
    def fails(items: list[int]) -> Sequence[int]:
        raise ValueError("no")

    batcher: Batcher[int, int] = Batcher("test", fails, most=2)

    async def ask() -> list[Any]:
        return await asyncio.gather(batcher(1), batcher(2), return_exceptions=True)

    assert [type(error) for error in asyncio.run(ask())] == [ValueError, ValueError]
    batcher.close()


def test_closing_finishes_what_waits() -> None:
    held = threading.Event()

    def work(items: list[int]) -> Sequence[int]:
        held.wait(5)
        return doubled(items)

    batcher: Batcher[int, int] = Batcher("test", work, most=1)

    async def ask() -> list[int]:
        asked = [asyncio.ensure_future(batcher(number)) for number in range(3)]
        await asyncio.sleep(0.02)
        threading.Timer(0.05, held.set).start()
        await asyncio.to_thread(batcher.close)
        return await asyncio.gather(*asked)

    assert asyncio.run(ask()) == [0, 2, 4]


def post_many(
    service: Service, count: int, content: bytes, meanwhile: Callable[[], Any]
) -> list[httpx.Response]:
    """Send one image in each of `count` requests at a time; `meanwhile` runs in a thread."""

    async def send() -> list[httpx.Response]:
        transport = httpx.ASGITransport(service.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            asked = [
                asyncio.ensure_future(client.post("/v1/predict", files={"file": ("a", content)}))
                for _ in range(count)
            ]
            await asyncio.to_thread(meanwhile)
            return await asyncio.gather(*asked)

    return asyncio.run(send())


def test_clients_share_batches(
    make_service: Callable[..., Service], model: Watched, picture: Callable[..., bytes]
) -> None:
    service = make_service()
    model.go_on.clear()

    def wait() -> None:
        until(lambda: sum(model.batches) + service._batchers[0].waiting == 32)
        model.go_on.set()

    answers = post_many(service, 32, picture(), wait)
    assert {answer.status_code for answer in answers} == {200}
    assert sum(model.batches) == 32
    assert len(model.batches) <= 2  # one that was held up, and all others


def test_a_full_house_is_refused_at_once_and_the_others_are_answered(
    make_service: Callable[..., Service], model: Watched, picture: Callable[..., bytes]
) -> None:
    service = make_service(queue_images=5)
    model.go_on.clear()

    def wait() -> None:
        until(lambda: service.intake.images.inside == 5)
        time.sleep(0.1)
        model.go_on.set()

    answers = post_many(service, 12, picture(), wait)
    refused = [answer for answer in answers if answer.status_code == 503]
    assert len(refused) == 7
    assert sum(answer.status_code == 200 for answer in answers) == 5
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in refused)
    assert "try again" in refused[0].json()["error"]
    assert service.intake.images.inside == service.intake.bytes.inside == 0
    assert post_many(service, 1, picture(), lambda: None)[0].status_code == 200


def test_an_answer_that_takes_too_long_is_refused(
    make_service: Callable[..., Service], model: Watched, picture: Callable[..., bytes]
) -> None:
    service = make_service(answer_seconds=0.2)
    model.go_on.clear()
    (answer,) = post_many(service, 1, picture(), lambda: None)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert "too long" in answer.json()["error"]
    assert service.intake.images.inside == 0
    model.go_on.set()
    assert post_many(service, 1, picture(), lambda: None)[0].status_code == 200


@pytest.mark.parametrize("pieces", [[], [b"--edge\r\n"]])
def test_a_body_that_does_not_come_is_given_up(
    make_service: Callable[..., Service], pieces: list[bytes]
) -> None:
    service = make_service(body_seconds=0.2)
    sent: list[Any] = []

    async def call() -> None:
        left = list(pieces)

        async def receive() -> dict[str, Any]:
            if left:
                return {"type": "http.request", "body": left.pop(), "more_body": True}
            await asyncio.sleep(60)
            raise AssertionError

        async def send(message: Any) -> None:
            sent.append(message)

        headers = [(b"content-type", b"multipart/form-data; boundary=edge")]
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/v1/predict",
            "headers": headers,
            "query_string": b"",
        }
        await service.app(scope, receive, send)

    asyncio.run(call())
    assert sent[0]["status"] == 408
    assert service.intake.bytes.inside == 0


def test_all_uploads_together_are_bounded(
    make_service: Callable[..., Service], model: Watched, picture: Callable[..., bytes]
) -> None:
    content = picture() + bytes(5000)
    service = make_service(bodies_bytes=2 * len(content) + 1000)
    model.go_on.clear()

    def wait() -> None:
        until(lambda: service.intake.images.inside == 2)
        time.sleep(0.1)
        model.go_on.set()

    answers = post_many(service, 4, content, wait)
    assert sorted(answer.status_code for answer in answers) == [200, 200, 503, 503]
    assert "uploads" in next(a for a in answers if a.status_code == 503).json()["error"]
