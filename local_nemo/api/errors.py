"""From exceptions to answers; `error_bodies` gives them the shape that the clients of a path expect.

Contract: every error is JSON, says what happened to which object, and never shows a traceback; what was not expected is
logged and answered with 500. A conflict carries `x-should-retry: false`, because the SDK would send it twice more.
A missing repository, revision or file also carries the header by which Hub clients tell them apart.
"""

import errno
import logging
import math
import sqlite3
from collections.abc import Mapping
from typing import Any, Literal

from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from pydantic import BaseModel, Field
from sqlalchemy.exc import DBAPIError
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import ClientDisconnect

from local_nemo.api.error_bodies import error_response
from local_nemo.api.model_errors import model_failed
from local_nemo.lm.errors import LanguageModelError
from local_nemo.store.entities import AlreadyExists, NotFound
from local_nemo.store.files import HashMismatch
from local_nemo.store.names import BadName
from local_nemo.store.query import BadQuery
from local_nemo.store.repos import StaleParent

log = logging.getLogger("local_nemo.api")
HUB_CODES = {"repository": "RepoNotFound", "revision": "RevisionNotFound", "file": "EntryNotFound"}
INSUFFICIENT_STORAGE = 507
# the SDK sends them here without an inference_base_url
INFERENCE = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/classify")
STORAGE_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO, errno.EMFILE)


class ErrorAnswer(BaseModel):
    """What went wrong, as text."""

    detail: str = Field(examples=["dataset 'ns/d' not found"])


class InvalidField(BaseModel):
    loc: list[str | int] = Field(examples=[["body", "files_url"]])
    msg: str = Field(examples=["Field required"])
    type: str = Field(examples=["missing"])


class InvalidAnswer(BaseModel):
    """What is wrong with a request that was understood: where, or as text."""

    detail: list[InvalidField] | str


class OpenAIError(BaseModel):
    """OpenAI's four facts about an error."""

    message: str = Field(examples=["The model `ns/m` does not exist. Served now: huggingfacetb/smollm2-135m-instruct."])
    type: str = Field(examples=["NotFoundError"])
    param: str | None = Field(examples=["model"])
    code: int = Field(examples=[404])


class NimErrorAnswer(OpenAIError):
    """What went wrong, where OpenAI's clients look (`error`), and where those of older releases and of NeMo do."""

    object: Literal["error"]
    error: OpenAIError
    detail: list[InvalidField] | str


DOCUMENTED: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorAnswer, "description": "The request can't be understood"},
    403: {"model": ErrorAnswer, "description": "Not from this machine, or from a page of another site"},
    404: {"model": ErrorAnswer, "description": "No such object"},
    409: {"model": ErrorAnswer, "description": "The name is taken, or the object's state does not allow this"},
    413: {"model": ErrorAnswer, "description": "The body is too large"},
    415: {"model": ErrorAnswer, "description": "The body is compressed"},
    422: {"model": InvalidAnswer, "description": "The request is understood and can't be done as it is"},
    507: {"model": ErrorAnswer, "description": "The disk is full"},
}
NIM_DOCUMENTED: dict[int | str, dict[str, Any]] = {
    **{status: text | {"model": NimErrorAnswer} for status, text in DOCUMENTED.items()},
    429: {"model": NimErrorAnswer, "description": "Too many requests wait; `Retry-After` says when to come back"},
    503: {"model": NimErrorAnswer, "description": "The model is not loaded"},
}


class ApiError(HTTPException):
    """An answer other than success: a status and a text (or list) for `detail`."""

    def __init__(self, status: int, detail: Any, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, detail, dict(headers or {}))


def install(app: FastAPI) -> None:
    """Register the handlers."""
    app.exception_handler(NotFound)(not_found)
    app.exception_handler(AlreadyExists)(already_exists)
    app.exception_handler(BadQuery)(bad_query)
    app.exception_handler(BadName)(refused)
    app.exception_handler(HashMismatch)(refused)
    app.exception_handler(StaleParent)(stale_parent)
    app.exception_handler(LanguageModelError)(model_failed)
    app.exception_handler(RequestValidationError)(invalid_request)
    app.exception_handler(StarletteHTTPException)(http_error)
    app.exception_handler(ClientDisconnect)(client_left)
    app.exception_handler(OSError)(storage_failed)
    app.exception_handler(DBAPIError)(storage_failed)
    app.exception_handler(Exception)(unexpected)


def not_found(request: Request, error: NotFound) -> Response:
    headers = {"X-Error-Code": HUB_CODES[error.kind]} if error.kind in HUB_CODES else {}
    if commit := getattr(error, "commit", None):
        headers["X-Repo-Commit"] = commit
    return error_response(request.url.path, 404, str(error), headers=headers)


def already_exists(request: Request, error: AlreadyExists) -> Response:
    return error_response(request.url.path, 409, str(error), headers={"x-should-retry": "false"})


def bad_query(request: Request, error: BadQuery) -> Response:
    detail = {"loc": ["query", error.parameter], "msg": str(error), "type": "value_error"}
    return error_response(request.url.path, 422, [detail])


def refused(request: Request, error: ValueError) -> Response:
    return error_response(request.url.path, 400, str(error))


def stale_parent(request: Request, error: StaleParent) -> Response:
    return error_response(request.url.path, 412, str(error))


def invalid_request(request: Request, error: RequestValidationError) -> Response:
    return error_response(request.url.path, 422, [_printable(one) for one in error.errors()])


def http_error(request: Request, error: StarletteHTTPException) -> Response:
    detail = error.detail
    if error.status_code == 404 and detail == "Not Found":
        detail = f"local_nemo has no {request.method} {request.url.path[:200]}; /docs lists what it has"
        if request.url.path in INFERENCE:
            detail += f", and models are asked under /nim: {request.method} /nim{request.url.path}"
    if error.status_code == 405:
        detail = f"{request.url.path[:200]} has no method {request.method}; /docs lists what local_nemo has"
    headers = dict(error.headers or {})
    if error.status_code == 409:
        headers.setdefault("x-should-retry", "false")
    if error.status_code < 200 or error.status_code in (204, 304):
        return Response(status_code=error.status_code, headers=headers)
    return error_response(request.url.path, error.status_code, detail, headers=headers)


def client_left(request: Request, _error: ClientDisconnect) -> Response:
    return error_response(request.url.path, 400, "the client closed the connection before the request was complete")


def storage_failed(request: Request, error: OSError | DBAPIError) -> Response:
    """The disk is full or can't be written: say so; everything stored before is intact."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if not isinstance(cause, sqlite3.OperationalError) and getattr(cause, "errno", None) not in STORAGE_ERRORS:
        return unexpected(request, error)
    log.error("storage failed in %s %s: %s", request.method, request.url.path, cause)
    reason = cause.strerror if isinstance(cause, OSError) else str(cause)
    text = f"local_nemo could not use its storage: {reason}. Nothing was changed; free some space and try again."
    return error_response(request.url.path, INSUFFICIENT_STORAGE, text, headers={"x-should-retry": "false"})


def unexpected(request: Request, error: Exception) -> Response:
    log.error("unexpected error in %s %s", request.method, request.url.path, exc_info=error)
    text = "local_nemo failed to answer this request; server.log in its state folder has the details"
    return error_response(request.url.path, 500, text)


def _printable(value: Any) -> Any:
    """A copy that JSON can carry: pydantic puts inputs and exceptions into its error details."""
    if isinstance(value, Mapping):
        return {str(key): _printable(item) for key, item in value.items() if key not in ("input", "url")}
    if isinstance(value, list | tuple):
        return [_printable(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    return str(value).encode("utf-8", "replace").decode()
