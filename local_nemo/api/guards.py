"""What stands before every route: who may send a request, and what a body may look like.

`LocalOnlyGuard`: the Host header must name loopback (else a web page could reach us by rebinding its own name) and a
request that a browser sends for a page must come from a page of ours. There is no CORS. `JsonBodyGuard`: bodies are
bounded in size and depth, plain (no compression) and, where JSON, hold nothing that JSON cannot carry back.
File uploads pass through unread; their route bounds and streams them. `StoppingGuard`: whom a stopping server can't
wait for is told so.
"""

import asyncio
import json
import re
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from local_nemo.api.error_bodies import error_response

LOOPBACK = re.compile(r"(localhost|127\.0\.0\.1|\[::1\])(:[0-9]{1,5})?", re.IGNORECASE)
SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
BODY_LIMIT = 32 * 2**20
DEPTH_LIMIT = 100
STREAMED = re.compile(r"/v1/hf/(api/[^/]+/[^/]+/[^/]+/commit/.+|lfs/[0-9a-f]{64})")  # file contents, any size
TOKENS = re.compile(rb'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]', re.DOTALL)


class LocalOnlyGuard:
    """Refuses requests that are not addressed to this machine, or that another site's page sends."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (reason := refusal(scope["method"], Headers(scope=scope))):
            await error_response(scope["path"], 403, reason)(scope, receive, send)
        else:
            if scope["type"] == "http" and len(scope["path"]) > 1:
                scope = {**scope, "path": scope["path"].rstrip("/") or "/"}  # /v1/models/ means /v1/models
            await self.app(scope, receive, send)


class StoppingGuard:
    """Answers 503 to a request that is given up because the server ends; nothing else cancels one as a whole."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self.app(scope, receive, watched)
        except asyncio.CancelledError:
            if scope["type"] == "http" and not started:
                reason = "local_nemo is stopping and has not finished this request; send it again once it runs"
                await error_response(scope["path"], 503, reason)(scope, receive, send)


def refusal(method: str, headers: Headers) -> str | None:
    """Why a request with these headers is refused, or None."""
    host = headers.get("host", "")
    if not LOOPBACK.fullmatch(host):
        return f"refused: Host {host[:100]!r} is not this machine; use localhost, 127.0.0.1 or [::1]"
    origin = headers.get("origin")
    if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
        return f"refused: a page of {origin[:100]!r} may not use local_nemo; its own pages and programs may"
    if method not in SAFE_METHODS and headers.get("sec-fetch-site") in ("cross-site", "same-site"):
        return "refused: a page of another site may not use local_nemo"
    return None


class BadBody(Exception):
    """A body that is refused: the answer's status and what it says."""

    def __init__(self, status: int, detail: Any) -> None:
        self.status, self.detail = status, detail


class JsonBodyGuard:
    """Reads ordinary bodies whole, checks them, and hands them on."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in SAFE_METHODS or STREAMED.fullmatch(scope["path"]):
            return await self.app(scope, receive, send)
        headers = Headers(scope=scope)
        try:
            body, ending = await _read(headers, receive)
            if "json" in headers.get("content-type", "") and "ndjson" not in headers["content-type"]:
                check_json(body)
        except BadBody as error:
            return await error_response(scope["path"], error.status, error.detail)(scope, receive, send)
        queue = [ending] if ending else [{"type": "http.request", "body": body, "more_body": False}]

        async def replay() -> Message:
            return queue.pop() if queue else await receive()

        return await self.app(scope, replay, send)


async def _read(headers: Headers, receive: Receive) -> tuple[bytes, Message | None]:
    """The whole body; the second value is a disconnect that came instead of its end."""
    if headers.get("content-encoding", "identity").lower() not in ("identity", ""):
        raise BadBody(415, "compressed request bodies are not accepted; send the body as it is")
    length = headers.get("content-length", "0")
    if not length.isdigit() or int(length) > BODY_LIMIT:
        raise too_large(BODY_LIMIT)
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return b"", message
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > BODY_LIMIT:
            raise too_large(BODY_LIMIT)
        if not message.get("more_body", False):
            return b"".join(parts), None


def too_large(limit: int) -> BadBody:
    return BadBody(413, f"the request body is larger than the {limit // 2**20} MiB that this endpoint takes")


def check_json(body: bytes) -> None:
    """Raise `BadBody` (422) unless a non-empty body is JSON that can be stored and given back."""
    if not body:
        return
    depth = 0
    for token in TOKENS.finditer(body):
        depth += {b"[": 1, b"{": 1, b"]": -1, b"}": -1}.get(token[0], 0)
        if depth > DEPTH_LIMIT:
            raise _invalid(f"nested deeper than {DEPTH_LIMIT} levels")
    try:
        value = json.loads(body, parse_constant=_no_constant, parse_float=_finite)
        if b"\\u" in body:
            json.dumps(value, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except ValueError as error:  # also UnicodeDecodeError, UnicodeEncodeError, and numbers of thousands of digits
        raise _invalid(str(error)) from error


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError(f"{text[:40]} is out of range")
    return number


def _invalid(reason: str) -> BadBody:
    return BadBody(422, [{"type": "json_invalid", "loc": ["body"], "msg": f"JSON decode error: {reason[:200]}"}])
