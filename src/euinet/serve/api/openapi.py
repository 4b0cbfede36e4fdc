"""The OpenAPI document: what each path takes and answers, refusals included; and refusals themselves."""

import re
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException

from euinet.errors import EuiNetError, UsageError
from euinet.serve.answering import as_json
from euinet.serve.api import schemas
from euinet.serve.http.limits import Limits, Refused

_MEANINGS = {
    400: "Broken JSON or a broken form.",
    401: "The token is missing or wrong.",
    403: "Sent by another site's page, or to a name by which the server does not answer.",
    404: "There is none.",
    405: "The path knows no such method.",
    408: "The body did not arrive in time.",
    413: "Too many or too large images.",
    415: "Neither a form nor JSON.",
    422: "Not what this path takes; or no image could be read.",
    500: "The server failed; its log says where.",
    503: "Too much to do, or stopping: try again after the seconds of Retry-After.",
}
_WITH_IMAGES = (400, 403, 408, 413, 415, 503)
_TITLES = {
    "/v1/predict": (
        "Say for each image which class it is, or that it is none of these.",
        schemas.Predictions,
    ),
    "/v1/explain": ("Say for each image its answer and what led to it.", schemas.Explanations),
    "/v1/model": ("Say what the model is and what this server can do.", schemas.ModelFacts),
    "/v1/record": ("Return scores of the model's test images, to choose an operating point by.", None),
    "/healthz": ("Say whether requests are answered.", schemas.Health),
    "/metrics": ("Return counters and histograms in Prometheus's text format.", None),
}
_UNREADABLE = {"/v1/predict": schemas.UnreadablePredictions, "/v1/explain": schemas.UnreadableExplanations}


def describe(path: str, limits: Limits, width: int = 0) -> dict[str, Any]:
    """Return what FastAPI is told of a path; `width`: of the embeddings that are sent, 0 for images."""
    text, model = _TITLES[path]
    name = path.rpartition("/")[2]
    told: dict[str, Any] = {
        "summary": text.partition(",")[0].rstrip(".") + ".",
        "description": text,
        "operation_id": name,
        "responses": {403: _problem(403)},
        "response_model": None,
    }
    if path in _UNREADABLE:
        told["responses"] |= {status: _problem(status) for status in _WITH_IMAGES}
        told["responses"][422] = {"description": _MEANINGS[422], "model": _UNREADABLE[path]}
        most = limits.images if name == "predict" else limits.explained
        body = schemas.embeddings_body(most, width) if width else schemas.images_body(most)
        told["openapi_extra"] = body
    told["responses"][200] = {"description": text}
    if model is not None:
        told["responses"][200]["model"] = model
    elif path == "/metrics":
        text_schema = {"schema": {"type": "string"}}
        told["responses"][200]["content"] = {"text/plain": text_schema}
        told["response_class"] = Response
    else:
        told["responses"][200]["content"] = {"application/json": {"schema": {"type": "object"}}}
        told["responses"][404] = _problem(404)
    if path == "/healthz":
        told["responses"][503] = {"description": "Stopping.", "model": schemas.Health}
    return told


def openapi_of(api: FastAPI, token_needed: bool) -> dict[str, Any]:
    """Return the document, made once; with a token, which paths need it."""
    if api.openapi_schema is None:
        document = get_openapi(
            title=api.title, version=api.version, description=api.description, routes=api.routes
        )
        if token_needed:
            _add_token(document)
        api.openapi_schema = document
    return api.openapi_schema


def add_errors(api: FastAPI) -> None:
    """Answer every error with one sentence as JSON."""

    async def refused(request: Request, error: Exception) -> Response:
        assert isinstance(error, Refused)
        return sentence(error.status, error.sentence, error.headers)

    async def http(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        said = error.detail if isinstance(error.detail, str) else "This cannot be answered."
        if error.status_code == 404 and error.detail == "Not Found":
            said = "There is nothing at this path: GET /docs lists those there are."
        if error.status_code == 405:
            said = "This path does not know the method: GET /docs lists what there is."
        headers = dict(error.headers or {})
        if "Allow" in headers:
            headers["Allow"] = ", ".join(sorted(methods_of(api, request.url.path)) or [headers["Allow"]])
        return sentence(error.status_code, said, headers)

    async def invalid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return sentence(422, f"{where} is not as this path takes it: {first['msg']}.")

    async def own(request: Request, error: Exception) -> Response:
        return sentence(422 if isinstance(error, UsageError) else 503, str(error))

    async def unexpected(request: Request, error: Exception) -> Response:
        return sentence(500, "The server failed at this request; its log says where.")

    api.add_exception_handler(Refused, refused)
    api.add_exception_handler(HTTPException, http)
    api.add_exception_handler(RequestValidationError, invalid)
    api.add_exception_handler(EuiNetError, own)
    api.add_exception_handler(Exception, unexpected)


def methods_of(api: FastAPI, path: str) -> set[str]:
    """Return the methods that a described path knows; the router names those of its first route alone."""
    found: set[str] = set()
    for template, methods in api.openapi()["paths"].items():
        pattern = "[^/]+".join(map(re.escape, re.split(r"\{[^}]*\}", template)))
        if re.fullmatch(pattern, path):
            found |= {method.upper() for method in methods}
    return found


def sentence(status: int, text: str, headers: dict[str, str] | None = None) -> Response:
    """Return one sentence as an answer."""
    response = as_json({"error": text}, status)
    response.headers.update(headers or {})
    return response


def _problem(status: int) -> dict[str, Any]:
    return {"description": _MEANINGS[status], "model": schemas.Problem}


def _add_token(document: dict[str, Any]) -> None:
    document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    problem = {"$ref": "#/components/schemas/Problem"}
    refusal = {"description": _MEANINGS[401], "content": {"application/json": {"schema": problem}}}
    for path, methods in document["paths"].items():
        if path.startswith("/v1/") or path == "/metrics":
            for operation in methods.values():
                operation["security"] = [{"token": []}]
                operation["responses"]["401"] = refusal
