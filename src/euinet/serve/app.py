"""READ FIRST: which path leads where, and what stands behind it."""

from collections.abc import Sequence
from typing import Any

from fastapi import FastAPI, Request, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from euinet.images.sources import Read
from euinet.predict.rows import Row
from euinet.serve.answering import Answering, Intake, Pixels, as_json, together
from euinet.serve.api.docs_page import STYLE, docs_page
from euinet.serve.api.openapi import add_errors, describe, openapi_of
from euinet.serve.batching import Batcher
from euinet.serve.decode.decoding import Decoder
from euinet.serve.decode.rows import RowDecoder
from euinet.serve.http.access import Access
from euinet.serve.http.guard import Guard, Handler
from euinet.serve.http.limits import Limits, Refused
from euinet.serve.http.pages import Pages, StaticFile, front_pages
from euinet.serve.meters import CONTENT_TYPE, Meters
from euinet.serve.served import Served
from euinet.system.version import VERSION

DESCRIPTION = (
    'An image classifier that gives a class or says "none of these". Answers are those of `euinet predict`.'
)


class Service:
    """A served model as an ASGI application; `start` before the first request, `close` after the last."""

    def __init__(self, served: Served, access: Access, limits: Limits | None = None) -> None:
        self.served, self.limits = served, limits or Limits()
        self.meters = Meters()
        self.stopping = False
        card = served.model.card
        self.decoder: Decoder | RowDecoder = (
            Decoder(card.preprocessing, self.limits)
            if card.reads_images
            else RowDecoder(card.width, self.limits)
        )
        self.intake = Intake(self.limits, self.decoder)
        self._batchers: list[Batcher[Pixels, Sequence[Any]]] = []
        hot: dict[tuple[str, str], Handler] = {}
        api = FastAPI(
            title="EuiNet",
            version=VERSION,
            description=DESCRIPTION,
            docs_url=None,
            redoc_url=None,
            redirect_slashes=False,
        )
        add_errors(api)
        self._add_answering(api, hot)
        self._add_facts(api)
        if served.inbox is not None:
            from euinet.serve.api.inbox_routes import make_inbox_router

            api.include_router(make_inbox_router(served.inbox))
        token_needed = access.token is not None
        api.openapi = lambda: openapi_of(api, token_needed)  # type: ignore[method-assign]
        self._add_pages(api, token_needed)
        self._add_gauges()
        self.app = Guard(api, access, self.meters, hot)

    def start(self) -> None:
        """Start what must not wait for the first request."""
        self.decoder.start()

    def close(self) -> None:
        """Finish what was taken, and end threads and processes."""
        self.decoder.close()
        for batcher in self._batchers:
            batcher.close()
        if self.served.inbox is not None:
            self.served.inbox.close()

    def _add_answering(self, api: FastAPI, hot: dict[tuple[str, str], Handler]) -> None:
        served, limits = self.served, self.limits
        predict = self._batcher(
            "euinet-predict", together(lambda pixels: served.model.answer(pixels).rows), limits.batch_images
        )
        name = served.model.name
        ways = {
            "/v1/predict": Answering(self.intake, name, "predictions", limits.images, predict, self._seen)
        }
        explain = self._batcher("euinet-explain", together(served.explainer.explain), limits.explained)
        ways["/v1/explain"] = Answering(self.intake, name, "explanations", limits.explained, explain, _unseen)
        for path, way in ways.items():
            told = describe(path, limits, served.facts["width"])
            api.add_api_route(path, _endpoint(way), methods=["POST"], **told)
            hot["POST", path] = _hot(way)

    def _batcher(self, name: str, work: Any, most: int) -> Batcher[Pixels, Sequence[Any]]:
        batcher: Batcher[Pixels, Sequence[Any]] = Batcher(
            name,
            work,
            most=most,
            wait=self.limits.batch_wait,
            coming=lambda: self.intake.images.inside,
            observe=self.meters.batch.observe,
        )
        self._batchers.append(batcher)
        return batcher

    def _seen(self, reads: Sequence[Read], rows: Sequence[Row]) -> None:
        """Count rows, and let the inbox take note of each answered image."""
        self.meters.rows(rows)
        if self.served.inbox is not None:
            for read, row in zip(reads, rows, strict=True):
                if read.pixels is not None and "error" not in row:
                    self.served.inbox.offer(read.pixels, row, read.path)

    def _add_facts(self, api: FastAPI) -> None:
        served = self.served
        facts = as_json(served.facts).body
        record = None if served.record is None else as_json(served.record).body

        def plain(body: bytes | memoryview) -> Response:
            return Response(bytes(body), media_type="application/json")

        async def model() -> Response:
            return plain(facts)

        async def test_record() -> Response:
            if record is None:
                raise Refused(
                    404, "This model has no test record: `euinet evaluate MODEL --data … --record` makes one."
                )
            return plain(record)

        async def healthz() -> Response:
            return as_json({"status": "stopping"}, 503) if self.stopping else as_json({"status": "ready"})

        async def metrics() -> Response:
            return Response(self.meters.text(), media_type=CONTENT_TYPE)

        for path, endpoint in {
            "/v1/model": model,
            "/v1/record": test_record,
            "/healthz": healthz,
            "/metrics": metrics,
        }.items():
            api.add_api_route(path, endpoint, methods=["GET"], **describe(path, self.limits))

    def _add_pages(self, api: FastAPI, token_needed: bool) -> None:
        """Add the page that shows images, where the model reads them, and the one that describes the API."""
        docs = Pages(
            {
                "docs": StaticFile.of(docs_page(api.openapi()), "text/html; charset=utf-8"),
                "docs.css": StaticFile.of(STYLE, "text/css; charset=utf-8"),
            }
        )
        places = [(docs, path) for path in docs.paths]
        if self.served.model.card.reads_images:
            front = front_pages(token_needed)
            places += [(front, path) for path in ("", *front.paths)]
        for pages, path in places:
            api.router.routes.append(Route(f"/{path}", pages.endpoint(path), methods=["GET"]))

    def _add_gauges(self) -> None:
        gauge, intake = self.meters.gauge, self.intake
        gauge("euinet_images_inside", "Images read and not yet answered.", lambda: intake.images.inside)
        gauge("euinet_upload_bytes", "Bytes of uploads in memory.", lambda: intake.bytes.inside)
        waiting = self._batchers[0]
        gauge("euinet_queue_requests", "Requests that wait for a batch.", lambda: waiting.waiting)


def _endpoint(way: Answering) -> Any:
    async def endpoint(request: Request) -> Response:
        return await way(request)

    return endpoint


def _hot(way: Answering) -> Handler:
    async def handler(scope: Scope, receive: Receive, send: Send) -> None:
        response = await way(Request(scope, receive))
        await response(scope, receive, send)

    return handler


def _unseen(reads: Sequence[Read], rows: Sequence[Row]) -> None:
    """Explanations are of images that somebody looks at: they are no traffic to be counted."""
