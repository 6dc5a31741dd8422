"""Which test proves which endpoint: markers that name endpoints, and a check that they tell the truth.

    @pytest.mark.endpoint("POST /v1/datasets", "GET /v1/datasets")      the test has each of them answer with 2xx
    @pytest.mark.endpoint("CRUD /v1/datasets")                          the five that every kind of entity has
    @pytest.mark.partly("POST /v1/x", status=422, missing="what")       the test has that part refused
    @pytest.mark.refused("POST /v1/y", status=404, instead="what")      the test has the endpoint refused

A marked test fails if it did not make a request that its marker names: see `Calls`, which listens to the HTTP clients
in the test's process, and to applications that are wrapped with `Calls.around`. `tests.endpoint_table` reads the
markers from the source.
"""

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest import mock
from urllib.parse import urlsplit

import httpx
import httpx2
import pytest
import requests
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MARKERS = ("endpoint", "partly", "refused")
ENTITY = "/{namespace}/{name}"
WITH_SLASHES = ("{path}", "{revision}", "{tag}", "{model_id}")


@dataclass
class Calls:
    """Requests that were made, as (method, path, status)."""

    made: list[tuple[str, str, int]] = field(default_factory=list)

    @contextmanager
    def listening(self) -> Iterator["Calls"]:
        """Note what requests and httpx send in this process."""
        with ExitStack() as patches:
            for client in (requests.Session, httpx.Client, httpx2.Client):
                patches.enter_context(mock.patch.object(client, "send", self._noting(client.send)))
            yield self

    def _noting(self, send: Callable[..., Any]) -> Callable[..., Any]:
        def noted(client: Any, request: Any, *arguments: Any, **options: Any) -> Any:
            answer = send(client, request, *arguments, **options)
            self.made.append((request.method, urlsplit(str(request.url)).path, answer.status_code))
            return answer

        return noted

    def around(self, app: ASGIApp) -> ASGIApp:
        """An application whose answers are noted: for clients in processes of their own."""

        async def noted(scope: Scope, receive: Receive, send: Send) -> None:
            async def sent(message: Message) -> None:
                if message["type"] == "http.response.start":
                    self.made.append((scope["method"], scope["path"], message["status"]))
                await send(message)

            await app(scope, receive, sent)

        return noted

    def had(self, endpoint: str, status: int | None = None) -> bool:
        """Was the endpoint answered with this status (with 2xx, if None)?"""
        method, template = endpoint.split(" ")
        path = re.compile("/".join(_pattern(part) for part in template.split("/")) + "/?")
        return any(
            verb == method and path.fullmatch(asked) and (got // 100 == 2 if status is None else got == status)
            for verb, asked, got in self.made
        )


@pytest.fixture
def calls() -> Calls:
    """The requests that the test has made so far, if its markers name endpoints."""
    return Calls()


@pytest.fixture(autouse=True)
def markers_tell_the_truth(request: pytest.FixtureRequest, calls: Calls) -> Iterator[None]:
    """A test that is said to prove an endpoint must have asked it and got that status."""
    marked = [(marker, marker.kwargs.get("status")) for kind in MARKERS for marker in request.node.iter_markers(kind)]
    if not marked:
        yield
        return
    with calls.listening():
        yield
    named = [(one, status) for marker, status in marked for argument in marker.args for one in expanded(argument)]
    missed = [endpoint for endpoint, status in named if not calls.had(endpoint, status)]
    assert not missed, f"marked, but not asked or not answered so: {missed}; asked: {calls.made}"


def _pattern(part: str) -> str:
    if part in WITH_SLASHES:
        return ".+"
    return re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(part))


def expanded(endpoint: str) -> list[str]:
    """`CRUD path` as the endpoints that it stands for."""
    method, path = endpoint.split(" ")
    if method != "CRUD":
        return [endpoint]
    one = path + ("/{id}" if path.endswith(("/namespaces", "/results")) else ENTITY)
    return [f"POST {path}", f"GET {path}", f"GET {one}", f"PATCH {one}", f"DELETE {one}"]
