"""The inbox over HTTP: look, label, undo, delete, export. Images go out as PNG and as nothing else."""

import base64
import binascii
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from typing import IO, Annotated, Any

import numpy as np
from fastapi import APIRouter, Path, Query
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from euinet.errors import EuiNetError, StorageError, UsageError
from euinet.inbox import Inbox
from euinet.inbox.labels import Changed
from euinet.inbox.store import Source, Status
from euinet.serve.api.inbox_schemas import (
    MOST_KEYS,
    ChangedImages,
    Drawing,
    DriftReport,
    Groups,
    ItemRow,
    Items,
    Key,
    LabelGroup,
    LabelSome,
    SomeImages,
    Summary,
    Undone,
    WholeGroup,
)
from euinet.serve.api.schemas import Problem
from euinet.serve.http.bodies import feed
from euinet.serve.http.gate import Gate, Held
from euinet.serve.http.limits import MEGABYTE, Refused

MOST_BODY = 3 * MEGABYTE  # a drawing of 700 × 700 in colour as base64, or five thousand keys
BODY_SECONDS = 30.0
_PIECE = 65_536
_IMAGE_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; sandbox",
}
_Responses = dict[int | str, dict[str, Any]]
_PNG: _Responses = {200: {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}}}
_ZIP: _Responses = {200: {"content": {"application/zip": {"schema": {"type": "string", "format": "binary"}}}}}
_KeyPath = Annotated[Key, Path(description="Of an image in the inbox.")]


def make_inbox_router(inbox: Inbox) -> APIRouter:
    """Return the routes below /v1/inbox. They raise Refused, whose answer is {"error": one sentence}."""
    codes = (400, 403, 404, 408, 409, 413, 422, 503)
    refusals: _Responses = {code: {"model": Problem} for code in codes}
    router = APIRouter(prefix="/v1/inbox", tags=["inbox"], route_class=_route_class(), responses=refusals)
    _add_looking(router, inbox)
    _add_changing(router, inbox)
    return router


def _add_looking(router: APIRouter, inbox: Inbox) -> None:
    @router.get("", response_model=Summary, summary="How much is in the inbox")
    def summary() -> dict[str, Any]:
        return inbox.summary()

    @router.get("/items", response_model=Items, summary="The newest images, page by page")
    def items(
        status: Annotated[Status | None, Query()] = None,
        label: Annotated[str | None, Query(max_length=200)] = None,
        group: Annotated[int | None, Query(ge=0, le=2**53)] = None,
        source: Annotated[Source | None, Query()] = None,
        offset: Annotated[int, Query(ge=0, le=2**31)] = 0,
        limit: Annotated[int, Query(ge=1, le=500)] = 100,
    ) -> dict[str, Any]:
        found, total = inbox.items(
            status=status, label=label, group=group, source=source, offset=offset, limit=limit
        )
        return {"items": [item.to_plain() for item in found], "total": total, "offset": offset}

    @router.get("/groups", response_model=Groups, summary="New images, alike ones together")
    def groups() -> dict[str, Any]:
        return {"groups": [group.to_plain() for group in inbox.groups()]}

    @router.get("/items/{key}", response_model=ItemRow, summary="One image's entry")
    def item(key: _KeyPath) -> dict[str, Any]:
        found = inbox.item(key)
        if found is None:
            raise _not_there(key)
        return found.to_plain()

    @router.get("/items/{key}/image", response_class=Response, responses=_PNG, summary="One image")
    def image(key: _KeyPath) -> Response:
        png = inbox.png(key)
        if png is None:
            raise _not_there(key)
        disposition = {"Content-Disposition": f'attachment; filename="{key}.png"'}
        return Response(png, media_type="image/png", headers=_IMAGE_HEADERS | disposition)

    @router.get("/drift", response_model=DriftReport, summary="p-values over time, and the alarm")
    def drift() -> dict[str, Any]:
        return inbox.drift()

    @router.get("/export.zip", response_class=Response, responses=_ZIP, summary="Labelled images, to train")
    def export() -> Response:
        file = tempfile.TemporaryFile()  # noqa: SIM115 (closed when it is sent)
        try:
            inbox.export_zip(file)
        except BaseException as error:
            file.close()
            if isinstance(error, UsageError):  # there is nothing yet: not the request's fault
                raise Refused(409, str(error)) from error
            raise
        size = file.tell()
        file.seek(0)
        headers = {
            "Content-Disposition": 'attachment; filename="inbox.zip"',
            "X-Content-Type-Options": "nosniff",
            "Content-Length": str(size),
        }
        return StreamingResponse(_pieces(file), media_type="application/zip", headers=headers)


def _add_changing(router: APIRouter, inbox: Inbox) -> None:
    @router.post("/items", response_model=ItemRow, status_code=201, summary="Keep a drawing")
    def keep(drawing: Drawing) -> dict[str, Any]:
        return inbox.keep(_pixels(drawing), drawing.name).to_plain()

    @router.post("/label", response_model=ChangedImages, summary="Say which class images are of")
    def label(order: LabelSome | LabelGroup) -> dict[str, Any]:
        return _changed(inbox.label(_keys(inbox, order), order.label))

    @router.post("/nuisance", response_model=ChangedImages, summary="Say that nobody need look again")
    def nuisance(order: SomeImages | WholeGroup) -> dict[str, Any]:
        return _changed(inbox.mark_nuisance(_keys(inbox, order)))

    @router.post("/undo", response_model=Undone, summary="Take the last label or nuisance back")
    def undo() -> dict[str, Any]:
        taken_back = inbox.undo()
        return {"images": 0, "what": None} if taken_back is None else _changed(taken_back)

    @router.post("/delete", response_model=ChangedImages, summary="Delete images for good")
    def delete(order: SomeImages | WholeGroup) -> dict[str, Any]:
        count = inbox.delete(_keys(inbox, order))
        return {"images": count, "what": f"deleted {count} image{'' if count == 1 else 's'}"}


def _keys(inbox: Inbox, order: SomeImages | WholeGroup) -> list[str]:
    """Return the keys that are meant. Raises Refused (409) when a group is not the one that was seen."""
    if isinstance(order, SomeImages):
        return order.keys
    keys = inbox.keys_of_group(order.group)
    if order.size is not None and len(keys) != order.size:
        raise Refused(409, f"The group has {len(keys)} images now, not {order.size}: look at it again.")
    if len(keys) > MOST_KEYS:
        raise Refused(422, f"The group has {len(keys)} images, more than {MOST_KEYS}: give keys, in parts.")
    return keys


def _pixels(drawing: Drawing) -> np.ndarray:
    try:
        values = base64.b64decode(drawing.image, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refused(422, "The image is no base64 of uint8 values, channels first.") from error
    if len(values) != int(np.prod(drawing.shape, dtype=np.int64)):
        raise Refused(422, f"There are {len(values)} pixels, which is not the shape {drawing.shape}.")
    return np.frombuffer(values, np.uint8).reshape(drawing.shape)


def _changed(changed: Changed) -> dict[str, Any]:
    return {"images": changed.images, "what": changed.what}


def _not_there(key: str) -> Refused:
    return Refused(404, f"There is no image {key} in the inbox: it was deleted, or has outlived its days.")


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while piece := file.read(_PIECE):
            yield piece


def _route_class() -> type[APIRoute]:
    """Return routes that read bodies under limits, and whose errors are Refused."""
    gate = Gate(8 * MOST_BODY, "uploads")

    class InboxRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            inner = super().get_route_handler()

            async def handle(request: Request) -> Response:
                with Held(gate) as held:
                    body = bytearray()
                    headers = request.scope["headers"]
                    await feed(request.receive, headers, body.extend, held, MOST_BODY, BODY_SECONDS)
                    try:
                        return await inner(Request(request.scope, _replay(bytes(body), request.receive)))
                    except RequestValidationError as error:
                        raise Refused(422, _sentence(error)) from error
                    except UsageError as error:
                        raise Refused(422, str(error)) from error
                    except StorageError as error:
                        raise Refused(503, str(error), {"Retry-After": "30"}) from error
                    except EuiNetError as error:
                        raise Refused(500, str(error)) from error

            return handle

    return InboxRoute


def _replay(body: bytes, receive: Callable[[], Any]) -> Callable[[], Any]:
    """Return a `receive` that gives a body that was read already, and then what else comes."""
    left = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Any:
        return left.pop() if left else await receive()

    return replay


def _sentence(error: RequestValidationError) -> str:
    """Return the first thing that is wrong, in one sentence without what was sent."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first.get("loc", ()))[:120]
    return f"{place or 'The request'}: {str(first.get('msg', 'is not as described'))[:200]}; see /docs."
