"""Generated and odd requests to the services that need a model: Customizer, Guardrails, NIM, on a whole server.

Chats ask for few tokens, so that what is tested is the request and not the patience.
"""

import json
import time

import pytest
import requests
import schemathesis
from hypothesis import given
from hypothesis import strategies as st
from schemathesis.checks import not_a_server_error, response_schema_conformance, status_code_conformance

from local_nemo.api.app import create_app
from tests import stories
from tests.conftest import RunningServer
from tests.faults import GENERATED, ODD_BODIES, ODD_TOOLS
from tests.odd_input import JSON, bounded, places, replaced
from tests.tiny_server import ROWS

pytestmark = pytest.mark.faults
OPERATIONS = 120  # of all services together; each gets its share of the cases
CHECKS = [not_a_server_error, response_schema_conformance, status_code_conformance]
SLOWEST_S = 60.0  # on a busy machine
BUSY = (429, 503)
REPO = "odd/rows"
TOOL = {
    "type": "function",
    "function": {
        "name": "f",
        "description": "d",
        "strict": False,
        "parameters": {
            "type": "object",
            "properties": {
                "a": {"type": "string", "enum": ["x", "y"], "pattern": "^x"},
                "b": {"type": ["integer", "null"], "minimum": 1},
            },
            "required": ["a"],
            "additionalProperties": False,
            "$defs": {"c": {"anyOf": [{"type": "array", "items": {"$ref": "#/$defs/c"}}]}},
        },
    },
}
CHAT = {
    "model": stories.BASE,
    "messages": [{"role": "user", "content": "x"}],
    "tools": [TOOL],
    "tool_choice": "auto",
    "temperature": 0.5,
    "top_p": 1.0,
    "seed": 1,
    "stop": ["z"],
    "n": 1,
    "logprobs": False,
    "response_format": {"type": "text"},
}
TRAINING = {
    "config": stories.CONFIG,
    "dataset": REPO,
    "output_model": "odd/model",
    "hyperparameters": {
        "training_type": "sft",
        "finetuning_type": "lora",
        "epochs": 1,
        "batch_size": 8,
        "learning_rate": 1e-3,
        "lora": {"adapter_dim": 8, "alpha": 16, "adapter_dropout": 0.0, "target_modules": ["*"]},
        "max_steps": 1,
        "seed": 1,
    },
    "ownership": {"created_by": "x"},
    "integrations": [{"type": "wandb", "wandb": {"project": "p"}}],
}
CHECK = {
    "model": stories.BASE,
    "messages": CHAT["messages"],
    "guardrails": {"config": {"models": [], "rails": {"input": {"flows": ["self check input"]}}}},
    "max_tokens": 2,
}
NUMBERS = st.sampled_from([-1, 0, 1e-320, 1e308, 10**30, -(10**30), 0.1, "1", True, None])
SCHEMAS = st.recursive(
    JSON
    | st.sampled_from([{"type": "string", "pattern": "(a+)+$"}, {"pattern": "(?<=a)b"}, {"$ref": "#"}, {"enum": []}])
    | st.fixed_dictionaries({"type": st.sampled_from(["string", "integer", "number", "boolean", "null", "x"])}),
    lambda inner: st.fixed_dictionaries(
        {"type": st.sampled_from(["object", "array"])},
        optional={
            "properties": st.dictionaries(st.text(max_size=8), inner, max_size=3) | inner,
            "items": inner,
            "anyOf": st.lists(inner, max_size=3) | inner,
            "required": st.lists(st.text(max_size=8), max_size=2) | inner,
            "minItems": NUMBERS,
            "maxItems": NUMBERS,
            "additionalProperties": inner,
        },
    ),
    max_leaves=8,
)
schema = schemathesis.openapi.from_dict(create_app(None, ("customizer", "guardrails", "nim")).openapi())


@pytest.fixture(scope="module")
def server(tiny_server: RunningServer) -> RunningServer:
    stories.upload(tiny_server, REPO, {"training/a.jsonl": ROWS})
    return tiny_server


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # schemathesis warns of its own
@schema.parametrize()
@bounded(GENERATED.size // OPERATIONS)
def test_generated_requests_get_documented_answers(server: RunningServer, case: schemathesis.Case) -> None:
    with GENERATED.trial():
        case.call_and_validate(base_url=server.url, checks=CHECKS, timeout=SLOWEST_S)


def answered(server: RunningServer, path: str, body: object) -> requests.Response:
    """The answer to a body that `requests` itself would refuse to write (NaN); it is no failure of the server."""
    began = time.monotonic()
    answer = requests.post(
        server.url + path, data=json.dumps(body), headers={"Content-Type": "application/json"}, timeout=SLOWEST_S
    )
    assert answer.status_code < 500 or answer.status_code in BUSY, answer.text[:500]
    assert "Traceback" not in answer.text
    assert time.monotonic() - began < SLOWEST_S
    answer.json()
    return answer


PATHS = {"/nim/v1/chat/completions": CHAT, "/v1/customization/jobs": TRAINING, "/v1/guardrail/checks": CHECK}
PLACES = st.sampled_from([(path, place) for path, body in PATHS.items() for place in places(body)])


@given(PLACES, JSON | NUMBERS)
@bounded(ODD_BODIES.size // 5)
def test_odd_values_anywhere_in_a_request_are_answered(server: RunningServer, place: tuple, value: object) -> None:
    path, keys = place
    with ODD_BODIES.trial():
        body = PATHS[path] | ({"max_tokens": 2} if path.startswith("/nim") else {})
        answer = answered(server, path, replaced(body, keys, value))
        if path == "/v1/customization/jobs" and answer.status_code == 200:
            requests.post(f"{server.url}{path}/{answer.json()['id']}/cancel", timeout=60)


@given(SCHEMAS, st.sampled_from(["auto", "required"]))
@bounded(ODD_TOOLS.size)
def test_odd_tool_schemas_are_answered(server: RunningServer, parameters: object, choice: str) -> None:
    tool = replaced(TOOL, ["function", "parameters"], parameters)
    with ODD_TOOLS.trial():
        answered(server, "/nim/v1/chat/completions", CHAT | {"tools": [tool], "tool_choice": choice, "max_tokens": 2})
