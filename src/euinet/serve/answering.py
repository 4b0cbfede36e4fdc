"""From a request with images to its rows: read, decode, wait for the batch, count, write."""

import asyncio
import json
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import numpy as np
from starlette.requests import Request
from starlette.responses import Response

from euinet.images.sources import Read
from euinet.predict.rows import Row, rows_of
from euinet.serve.batching import Batcher
from euinet.serve.decode.decoding import Decoder
from euinet.serve.decode.rows import RowDecoder
from euinet.serve.http.bodies import feed, header
from euinet.serve.http.forms import FormReader, Upload
from euinet.serve.http.gate import Gate, Held
from euinet.serve.http.limits import Limits, Refused, busy

Pixels = np.ndarray  # uint8 (n, C, H, W) of one request
Result = TypeVar("Result")
_FORM, _JSON = b"multipart/form-data", b"application/json"


class Intake:
    """What all requests with images share: the limits, what is in the house, and who decodes."""

    def __init__(self, limits: Limits, decoder: Decoder | RowDecoder) -> None:
        self.limits, self.decoder = limits, decoder
        self.images = Gate(limits.queue_images, "images")
        self.bytes = Gate(limits.bodies_bytes, "uploads")

    async def body(self, request: Request, held: Held) -> list[Upload] | bytes:
        """Return a request's uploads, or its JSON document. Raises Refused and Disconnected."""
        headers = request.scope["headers"]
        content_type = header(headers, b"content-type")
        kind = content_type.partition(b";")[0].strip().lower()
        limits = self.limits
        if kind == _FORM:
            form = FormReader(content_type, limits)
            await feed(request.receive, headers, form.write, held, limits.body_bytes, limits.body_seconds)
            return form.finish()
        if kind == _JSON:
            document = bytearray()
            await feed(
                request.receive, headers, document.extend, held, limits.json_bytes, limits.body_seconds
            )
            return bytes(document)
        raise Refused(
            415,
            f"The Content-Type is neither multipart/form-data nor application/json: {self.decoder.wanted}.",
        )

    async def read(self, body: list[Upload] | bytes) -> list[Read]:
        """Return the images of a body. Raises Refused."""
        return await (self.decoder.array(body) if isinstance(body, bytes) else self.decoder.files(body))


class Answering:
    """One way to answer images, `/v1/predict` or `/v1/explain`: a batch of pixels goes to `work`.

    `work` gives a row for each, under `key` in the answer; `seen` is told of what was answered.
    """

    def __init__(
        self,
        intake: Intake,
        model: str,
        key: str,
        most: int,
        batcher: Batcher[Pixels, Sequence[Any]],
        seen: Callable[[Sequence[Read], Sequence[Row]], None],
    ) -> None:
        self._intake, self._model, self._key, self._most = intake, model, key, most
        self._batcher, self._seen = batcher, seen

    async def __call__(self, request: Request) -> Response:
        """Return the answer to a request with images. Raises Refused and Disconnected."""
        intake = self._intake
        intake.images.check()  # before anything is read
        with Held(intake.bytes) as held, Held(intake.images) as inside:
            body = await intake.body(request, held)
            self._let_in(1 if isinstance(body, bytes) else len(body), inside)
            try:
                async with asyncio.timeout(intake.limits.answer_seconds):
                    return self._response(await self._rows(body, inside))
            except TimeoutError as error:
                raise busy("The answer took too long: try again, with fewer images at a time.") from error

    def _let_in(self, count: int, inside: Held) -> None:
        if count > self._most:
            raise Refused(422, f"There are {count} images, but one request takes {self._most}: send fewer.")
        inside.grow(count - inside.count)

    async def _rows(self, body: list[Upload] | bytes, inside: Held) -> list[Row]:
        reads = await self._intake.read(body)
        self._let_in(len(reads), inside)
        good = [read.pixels for read in reads if read.pixels is not None]
        results: Sequence[Any] = ()
        if good:
            together = good[0][None] if len(good) == 1 else np.stack(good)
            results = await self._batcher(together, len(good))
        rows = rows_of(reads, results)
        self._seen(reads, rows)
        return rows

    def _response(self, rows: list[Row]) -> Response:
        document: dict[str, Any] = {"model": self._model, self._key: rows}
        if all("error" in row for row in rows):
            sentence = rows[0]["error"] if len(rows) == 1 else "No image could be answered: see their rows."
            return as_json({"error": sentence, **document}, 422)
        return as_json(document)


def as_json(document: Any, status: int = 200) -> Response:
    """Return a document as an answer; there is no NaN in JSON."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    # a file's name may hold half a character, which is no UTF-8
    return Response(text.encode("utf-8", "replace"), status, media_type="application/json")


def together(answer: Callable[[Pixels], Iterable[Result]]) -> Callable[[list[Pixels]], list[list[Result]]]:
    """Return what answers the images of several requests in one pass of `answer`."""

    def work(requests: list[Pixels]) -> list[list[Result]]:
        found = iter(answer(requests[0] if len(requests) == 1 else np.concatenate(requests)))
        return [[next(found) for _ in pixels] for pixels in requests]

    return work
