"""What an error's JSON looks like: the clients of each API on this server look for the reason in a place of their own.

NeMo's services: `{"detail": text}`, or FastAPI's list where fields of a request are invalid. Hub clients also read
`error`. NIM: the same `detail` and OpenAI's `{"error": {"message", "type", "param", "code"}}`, whose four facts stand
at the top as well, as in older releases. Errors of every layer get their shape here, so no path has two.
"""

from collections.abc import Mapping
from typing import Any

from fastapi.responses import JSONResponse

HUB, NIM = "/v1/hf/", "/nim/"
MENTIONED = 5  # invalid fields named in one message
TYPES = {
    400: "BadRequestError",
    403: "PermissionDeniedError",
    404: "NotFoundError",
    405: "MethodNotAllowedError",
    413: "RequestTooLargeError",
    415: "UnsupportedMediaTypeError",
    422: "UnprocessableEntityError",
    429: "TooManyRequestsError",
    503: "ServiceUnavailableError",
    507: "InsufficientStorageError",
}


def error_body(path: str, status: int, detail: Any, param: str | None = None) -> dict[str, Any]:
    """The body for clients of this path. `detail`: text or FastAPI's list; `param`: the field that is to blame."""
    if not path.startswith((HUB, NIM)):
        return {"detail": detail}
    message, field = (detail, None) if isinstance(detail, str) else _told(detail)
    if path.startswith(HUB):
        return {"detail": detail, "error": message}
    kind = TYPES.get(status, "InternalServerError")
    facts: dict[str, Any] = {"message": message, "type": kind, "param": param or field, "code": status}
    return {"object": "error", **facts, "error": facts, "detail": detail}


def error_response(
    path: str, status: int, detail: Any, *, param: str | None = None, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """The same as an answer."""
    return JSONResponse(error_body(path, status, detail, param), status, headers)


def _told(invalid: list[Mapping[str, Any]]) -> tuple[str, str | None]:
    """FastAPI's list of invalid fields as one sentence, and the first field."""
    fields = [".".join(map(str, one["loc"][1:])) for one in invalid]
    told = [f"{field or 'the ' + one['loc'][0]}: {one['msg']}" for field, one in zip(fields, invalid, strict=True)]
    more = len(told) - MENTIONED
    return "; ".join(told[:MENTIONED]) + (f"; and {more} more" if more > 0 else ""), fields[0] or None
