"""Errors of the language model as HTTP answers: their status, and the event that ends a broken stream."""

import json

from fastapi import Request
from fastapi.responses import Response

from local_nemo.api.error_bodies import error_body, error_response
from local_nemo.lm.errors import Busy, EngineStopped, InvalidRequest, LanguageModelError, ModelNotServed

STATUSES: tuple[tuple[type[LanguageModelError], int], ...] = (
    (ModelNotServed, 404),
    (InvalidRequest, 400),
    (Busy, 429),
    (EngineStopped, 503),
)


def model_failed(request: Request, error: LanguageModelError) -> Response:
    """The answer for an error that came before anything was sent."""
    headers = {"Retry-After": str(error.retry_after)} if isinstance(error, Busy) else None
    return error_response(request.url.path, _status(error), str(error), param=_param(error), headers=headers)


def error_event(path: str, error: LanguageModelError) -> str:
    """The server-sent event for an error in the middle of a stream; clients raise on it."""
    return f"event: error\ndata: {json.dumps(error_body(path, _status(error), str(error), _param(error)))}\n\n"


def _status(error: LanguageModelError) -> int:
    return next((status for kind, status in STATUSES if isinstance(error, kind)), 500)


def _param(error: LanguageModelError) -> str | None:
    """The field of the request that is to blame, where there is one."""
    return "model" if isinstance(error, ModelNotServed) else getattr(error, "param", None)
