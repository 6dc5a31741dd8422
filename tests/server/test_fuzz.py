"""Generated requests from the server's own OpenAPI, odd paths and odd bodies: never a 5xx, a hang or a traceback.

The parts of the API that need a model are fuzzed in test_fuzz_models, on a whole server.
"""

import json
import time
from functools import cache
from pathlib import Path
from tempfile import mkdtemp
from urllib.parse import quote

import pytest
import schemathesis
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error, response_schema_conformance, status_code_conformance

from local_nemo.api.app import STORING, create_app
from tests.faults import GENERATED, ODD_BODIES, ODD_PATHS
from tests.odd_input import JSON, PATHS, bounded
from tests.store_app import open_services

pytestmark = pytest.mark.faults
OPERATIONS = 120  # of all services together; each gets its share of the cases
LOOPBACK = {"host": "127.0.0.1:8900"}
SLOWEST_S = 10.0
CHECKS = [not_a_server_error, response_schema_conformance, status_code_conformance]
NDJSON = {"content-type": "application/x-ndjson"}


@cache
def application() -> FastAPI:
    """One application over one store for all cases: what earlier ones stored makes later ones meet conflicts."""
    services = open_services(Path(mkdtemp(prefix="fuzz-")))
    services.files.create_repo("datasets", "ns/data")
    services.files.commit("datasets", "ns/data", add={"a/b.txt": b"text"}, message="first")
    return create_app(services, STORING)


@cache
def http() -> TestClient:
    return TestClient(application(), base_url="http://127.0.0.1:8900", raise_server_exceptions=False)


def answered(answer, began: float) -> None:
    """No server error, no traceback, JSON, and soon."""
    assert answer.status_code < 500, answer.text[:500]
    assert "Traceback" not in answer.text
    assert answer.headers["content-type"].startswith(("application/json", "application/octet-stream", "text/"))
    assert time.monotonic() - began < SLOWEST_S


schema = schemathesis.openapi.from_asgi("/openapi.json", application(), headers=LOOPBACK)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # schemathesis warns of its own
@schema.parametrize()
@bounded(GENERATED.size // OPERATIONS)
def test_generated_requests_get_documented_answers(case: schemathesis.Case) -> None:
    with GENERATED.trial():
        case.call_and_validate(headers=LOOPBACK, checks=CHECKS)


ROUTES = (
    "/v1/hf/datasets/ns/data/resolve/main/{}",
    "/v1/hf/datasets/ns/data/resolve/{}/a/b.txt",
    "/v1/hf/{}/resolve/main/a",
    "/v1/hf/api/datasets/ns/data/tree/main/{}",
    "/v1/hf/api/datasets/{}",
    "/v1/hf/{}",
)


@given(PATHS, st.sampled_from(ROUTES), st.sampled_from(["GET", "HEAD", "POST", "DELETE"]))
@bounded(ODD_PATHS.size)
def test_odd_paths_stay_inside_the_store(path: str, route: str, method: str) -> None:
    began = time.monotonic()
    with ODD_PATHS.trial():
        answer = http().request(method, route.format(quote(path.encode("utf-8", "surrogatepass"), safe="/")))
        answered(answer, began)
        assert b"SQLite" not in answer.content


VALUES = st.fixed_dictionaries(
    {},
    optional={
        "path": PATHS | JSON,
        "content": st.binary(max_size=50).map(lambda raw: raw.hex()) | JSON,
        "encoding": st.sampled_from(["base64", "utf-8", "x"]),
        "summary": st.text(max_size=20) | JSON,
        "parentCommit": st.text(max_size=40) | JSON,
        "oid": st.sampled_from(["0" * 64, "../x"]) | JSON,
        "size": JSON,
    },
)
KEYS = st.sampled_from(["header", "file", "lfsFile", "deletedFile", "deletedFolder", "x"])
LINES = st.fixed_dictionaries({"key": KEYS, "value": VALUES | JSON}).map(lambda line: json.dumps(line).encode())


@given(st.lists(LINES | st.binary(max_size=40), max_size=5).map(b"\n".join))
@bounded(ODD_BODIES.size // 5)
def test_odd_commits_are_answered(body: bytes) -> None:
    began = time.monotonic()
    with ODD_BODIES.trial():
        answered(http().post("/v1/hf/api/datasets/ns/data/commit/main", content=body, headers=NDJSON), began)


@given(JSON, st.sampled_from(["/v1/models", "/v1/datasets", "/v1/deployment/configs", "/v1/hf/api/repos/create"]))
@bounded(ODD_BODIES.size // 5)
def test_odd_json_bodies_are_answered(body: object, path: str) -> None:
    began = time.monotonic()
    with ODD_BODIES.trial():
        answered(http().post(path, content=json.dumps(body), headers={"content-type": "application/json"}), began)


@given(st.text(max_size=60), st.text(max_size=30))
@bounded(ODD_BODIES.size // 5)
def test_odd_queries_are_answered(name: str, value: str) -> None:
    began = time.monotonic()
    with ODD_BODIES.trial():
        for parameter in (name, f"filter[{name}]", f"search[{name}]", "sort", "page"):
            answered(http().get("/v1/models", params={parameter: value}), began)
