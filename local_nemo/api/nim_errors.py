"""Errors of the language model as NIM's HTTP answers: status, body, and the event that ends a broken stream."""

import json
from typing import Any

from fastapi.responses import JSONResponse

from local_nemo.lm.errors import Busy, EngineStopped, InvalidRequest, LanguageModelError, ModelNotServed

KINDS: tuple[tuple[type[LanguageModelError], int, str], ...] = (
    (ModelNotServed, 404, "NotFoundError"),
    (InvalidRequest, 400, "BadRequestError"),
    (Busy, 429, "TooManyRequestsError"),
    (EngineStopped, 503, "ServiceUnavailableError"),
)


def error_response(error: LanguageModelError) -> JSONResponse:
    """The answer for an error that came before anything was sent."""
    status, body = _body(error)
    headers = {"Retry-After": str(error.retry_after)} if isinstance(error, Busy) else None
    return JSONResponse(body, status, headers)


def error_event(error: LanguageModelError) -> str:
    """The server-sent event for an error in the middle of a stream; clients raise on it."""
    return f"event: error\ndata: {json.dumps(_body(error)[1])}\n\n"


def _body(error: LanguageModelError) -> tuple[int, dict[str, Any]]:
    status, kind = next(
        ((status, kind) for type_, status, kind in KINDS if isinstance(error, type_)), (500, "InternalError")
    )
    facts = {"message": str(error), "type": kind, "param": getattr(error, "param", None), "code": status}
    return status, {"object": "error", **facts, "error": facts, "detail": str(error)}
