"""Generated requests to the Evaluator from its own OpenAPI, and odd JSON where a config, target or job belongs."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import pytest
import schemathesis
from fastapi import FastAPI
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error, response_schema_conformance, status_code_conformance

from local_nemo.api.app import create_app
from tests.evaluator_app import FILE, REPO, Services, build, config, row
from tests.faults import GENERATED, ODD_BODIES
from tests.odd_input import JSON, bounded
from tests.scripted_model import completion

pytestmark = pytest.mark.faults
OPERATIONS = 120  # of all services together; each gets its share of the cases
CHECKS = [not_a_server_error, response_schema_conformance, status_code_conformance]
LOOPBACK = {"host": "127.0.0.1:8900"}


@cache
def services() -> Services:
    made = build(Path(mkdtemp(prefix="fuzz-evaluator-")))
    made.files.create_repo("datasets", REPO)
    made.files.commit("datasets", REPO, add={FILE: json.dumps(row(1)).encode()}, message="rows")
    return made


@cache
def application() -> FastAPI:
    return create_app(services(), ["evaluator"])


@pytest.fixture(scope="module", autouse=True)
def stopped_at_the_end() -> Iterator[None]:
    yield
    services().evaluations.stop()


schema = schemathesis.openapi.from_asgi("/openapi.json", application(), headers=LOOPBACK)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # schemathesis warns of its own
@schema.parametrize()
@bounded(GENERATED.size // OPERATIONS)
def test_generated_requests_get_documented_answers(case: schemathesis.Case) -> None:
    with GENERATED.trial():
        case.call_and_validate(headers=LOOPBACK, checks=CHECKS)


PLACES = st.sampled_from(
    [
        ["config"],
        ["config", "params"],
        ["config", "tasks"],
        ["config", "tasks", "tools"],
        ["config", "tasks", "tools", "params"],
        ["config", "tasks", "tools", "params", "template"],
        ["config", "tasks", "tools", "params", "template", "messages"],
        ["config", "tasks", "tools", "dataset"],
        ["config", "tasks", "tools", "dataset", "files_url"],
        ["config", "tasks", "tools", "metrics"],
        ["config", "tasks", "tools", "metrics", "accuracy", "params"],
        ["config", "tasks", "tools", "metrics", "accuracy", "params", "tool_calls_ground_truth"],
        ["target"],
        ["target", "rows"],
        ["target", "rows", 0],
        ["target", "rows", 0, "response"],
        ["target", "rows", 0, "response", "choices"],
        ["target", "rows", 0, "response", "choices", 0, "message"],
        ["target", "rows", 0, "tool_calls"],
        ["output_files_url"],
    ]
)


@given(PLACES, JSON)
@bounded(ODD_BODIES.size // 5)
def test_odd_values_anywhere_in_an_evaluation_are_answered(place: list, value: object) -> None:
    rows = [row(1, response=completion(calls=[("f", {"i": 1})]))]
    body: dict = json.loads(json.dumps({"config": config(), "target": {"type": "rows", "rows": rows}}))
    inner = body
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    client = TestClient(application(), base_url="http://127.0.0.1:8900", raise_server_exceptions=False)
    with ODD_BODIES.trial():
        answer = client.post(
            "/v1/evaluation/live", content=json.dumps(body), headers={"content-type": "application/json"}
        )
        assert answer.status_code in (200, 404, 422), answer.text
        assert "Traceback" not in answer.text
        json.loads(answer.text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
