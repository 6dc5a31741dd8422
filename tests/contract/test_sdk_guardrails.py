"""The official SDK, unchanged, on Guardrails: configs, checks, chats, completions and models, every reply judged.

The service and its library are the real ones; the models are scripted, so that every verdict can be had.
"""

from collections.abc import Callable, Iterator
from types import SimpleNamespace

import nemo_microservices
import pytest
from nemo_microservices import NeMoMicroservices

from local_nemo.guard import Guard
from tests import guard_engine
from tests.contract.sdk_judge import judged
from tests.guard_engine import (
    LIBRARY_WARNINGS,
    OUTPUT_RAIL,
    RAIL,
    SAFETY,
    SAYS_SAFE,
    SAYS_UNSAFE,
    ScriptedEngine,
    guard_service,
)

MODEL = "ns/main"
MESSAGES = [{"role": "user", "content": "How are you?"}]
CHOSEN = {"config_id": "ns/toolcalling"}
STREAM_PARTS = ["fine\n", "thanks"]

pytestmark = LIBRARY_WARNINGS


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """A running Guardrails service with the tutorial's configuration, the SDK, and the engine to script."""
    engine = ScriptedEngine(**{SAFETY: SAYS_SAFE, MODEL: "".join(STREAM_PARTS)})
    service = guard_service(tmp_path_factory.mktemp("guard"), engine, without_safety_model)
    with service as url, NeMoMicroservices(base_url=url) as sdk:
        sdk.guardrail.configs.create(name="toolcalling", namespace="ns", data=guard_engine.data())
        yield SimpleNamespace(sdk=sdk, engine=engine)


def without_safety_model(guard: Guard) -> None:
    """The real one has tests of its own; here its answers are scripted."""
    guard._safety.start = lambda engine: None


@pytest.fixture
def says(here: SimpleNamespace) -> Iterator[Callable[[str], None]]:
    """Scripts the safety model; safe again afterwards."""
    yield lambda text: here.engine.answers.update({SAFETY: text})
    here.engine.answers[SAFETY] = SAYS_SAFE


@pytest.mark.endpoint("CRUD /v1/guardrail/configs")
def test_configs_are_answered_as_declared(here: SimpleNamespace) -> None:
    calls, where = here.sdk.guardrail.configs.with_raw_response, {"namespace": "crud"}
    owned = {"description": "d", "project": "p", "custom_fields": {"a": "b"}, "ownership": {"created_by": "me"}}
    made = judged(calls.create(name="x", **where, data=guard_engine.with_output_rail(), **owned))
    assert made.data.rails.input.flows == [RAIL] and made.data.rails.output.flows == [OUTPUT_RAIL]
    assert (made.data.models[0].mode, made.data.colang_version) == ("chat", "1.0")  # defaults are filled in
    assert judged(calls.retrieve("x", **where)).data.prompts[0].max_length == 16000
    changed = judged(calls.update("x", **where, data=guard_engine.data()))
    assert changed.data.rails.output.flows == [] and changed.description == "d"
    page = judged(calls.list(filter={"namespace": "crud"}, sort="-created_at", page=1, page_size=10))
    assert [one.name for one in page.data] == ["x"]
    factory = {one.name for one in here.sdk.guardrail.configs.list(filter={"namespace": "default"})}
    assert {"default", "self-check", "abc"} <= factory
    with pytest.raises(nemo_microservices.ConflictError):
        here.sdk.guardrail.configs.create(name="x", **where, data=guard_engine.data())
    assert judged(calls.delete("x", **where)).message == "Resource deleted successfully."
    with pytest.raises(nemo_microservices.NotFoundError):
        here.sdk.guardrail.configs.retrieve("x", **where)


@pytest.mark.endpoint("POST /v1/guardrail/checks")
@pytest.mark.parametrize(
    ("answer", "status"), [(SAYS_SAFE, "success"), (SAYS_UNSAFE, "blocked"), ("I don't know.", "unknown")]
)
def test_every_verdict_of_a_check_is_answered_as_declared(here, says, answer: str, status: str) -> None:
    says(answer)
    options = {"log": {"activated_rails": True, "llm_calls": True, "internal_events": True, "colang_history": True}}
    calls = here.sdk.guardrail.with_raw_response
    check = judged(calls.check(model=MODEL, messages=MESSAGES, guardrails=CHOSEN | {"options": options}))
    assert check.status == status and check.rails_status[RAIL].status == status
    assert check.guardrails_data.config_ids == ["ns/toolcalling"]
    assert check.guardrails_data.log.stats.llm_calls_count >= 1
    assert [rail.name for rail in check.guardrails_data.log.activated_rails] == [RAIL]
    plain = judged(calls.check(model=MODEL, messages=MESSAGES, guardrails=CHOSEN))
    assert plain.guardrails_data.log.activated_rails == []


@pytest.mark.parametrize("how", ["config_ids", "config", "config by id"])
def test_a_configuration_is_chosen_in_every_documented_way(here: SimpleNamespace, how: str) -> None:
    given = {
        "config_ids": {"config_ids": ["ns/toolcalling"]},
        "config": {"config": guard_engine.data()},
        "config by id": {"config": "ns/toolcalling"},
    }[how]
    check = here.sdk.guardrail.check(model=MODEL, messages=MESSAGES, guardrails=given)
    assert check.status == "success"


def test_a_bare_config_id_is_looked_up_in_the_default_namespace(here: SimpleNamespace) -> None:
    here.sdk.guardrail.configs.create(name="bare", data=guard_engine.data())
    chosen = {"config_id": "bare"}  # as in release 25.4
    assert here.sdk.guardrail.check(model=MODEL, messages=MESSAGES, guardrails=chosen).status == "success"


@pytest.mark.endpoint("POST /v1/guardrail/chat/completions")
def test_a_guarded_chat_is_answered_as_declared(here: SimpleNamespace, says) -> None:
    calls = here.sdk.guardrail.chat.completions.with_raw_response
    asked = {"model": MODEL, "messages": MESSAGES, "guardrails": CHOSEN, "temperature": 0.2, "top_p": 1}
    chat = judged(calls.create(**asked))
    assert chat.choices[0].message.content == "fine\nthanks" and chat.choices[0].finish_reason == "stop"
    assert chat.usage.total_tokens == chat.usage.prompt_tokens + chat.usage.completion_tokens
    assert chat.guardrails_data.config_ids == ["ns/toolcalling"]
    says(SAYS_UNSAFE)
    here.engine.asked.clear()
    blocked = judged(calls.create(**asked))
    assert "can't respond" in blocked.choices[0].message.content
    assert MODEL not in [model for model, _ in here.engine.asked]


def test_a_guarded_chat_streams(here: SimpleNamespace) -> None:
    asked = {"model": MODEL, "messages": MESSAGES, "guardrails": CHOSEN}
    chunks = list(here.sdk.guardrail.chat.completions.create(**asked, stream=True))
    assert "".join(chunk.choices[0].delta.content for chunk in chunks) == "fine\nthanks"
    assert chunks[-1].choices[0].finish_reason == "stop"
    for chunk in chunks:
        type(chunk).model_validate_json(chunk.to_json(), strict=True)


@pytest.mark.endpoint("POST /v1/guardrail/completions")
def test_a_guarded_completion_is_answered_as_declared_and_streams(here: SimpleNamespace) -> None:
    asked = {"model": MODEL, "prompt": "How are you?", "guardrails": CHOSEN}
    whole = judged(here.sdk.guardrail.completions.with_raw_response.create(**asked))
    assert whole.choices[0].text == "fine\nthanks"
    chunks = list(here.sdk.guardrail.completions.create(**asked, stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks) == "fine\nthanks"


@pytest.mark.endpoint("GET /v1/guardrail/models")
def test_the_models_are_listed_as_declared(here: SimpleNamespace) -> None:
    found = judged(here.sdk.guardrail.models.with_raw_response.list(extra_headers={"X-Model-Authorization": "key"}))
    assert {MODEL, SAFETY} <= {model.id for model in found.data}


def test_what_is_wrong_raises_the_sdk_s_own_errors(here: SimpleNamespace) -> None:
    asked = {"model": MODEL, "messages": MESSAGES}
    with pytest.raises(nemo_microservices.NotFoundError, match="nobody/none"):
        here.sdk.guardrail.check(**asked, guardrails={"config_id": "nobody/none"})
    with pytest.raises(nemo_microservices.UnprocessableEntityError, match="config_id"):
        here.sdk.guardrail.check(**asked)
    with pytest.raises(nemo_microservices.UnprocessableEntityError, match="models"):
        here.sdk.guardrail.configs.create(name="y", namespace="ns", data={"rails": {}})
    with pytest.raises(nemo_microservices.UnprocessableEntityError, match="needs data"):
        here.sdk.guardrail.configs.create(name="y", namespace="ns")


@pytest.mark.partly(
    "POST /v1/guardrail/chat/completions", status=422, missing="the variables of a `context` are refused"
)
def test_a_context_is_refused_because_no_rail_reads_it(here: SimpleNamespace) -> None:
    chosen = CHOSEN | {"context": {"user_name": "Ada"}}
    with pytest.raises(nemo_microservices.UnprocessableEntityError, match="context"):
        here.sdk.guardrail.chat.completions.create(model=MODEL, messages=MESSAGES, guardrails=chosen)


def test_a_state_is_continued(here: SimpleNamespace) -> None:
    events = [
        {"type": "UtteranceUserActionFinished", "final_transcript": "My name is Ada."},
        {"type": "StartInternalSystemAction", "action_name": "a"},
        {"type": "StartUtteranceBotAction", "script": "Hello Ada."},
    ]
    chosen = CHOSEN | {"state": {"events": events}}
    here.engine.asked.clear()
    here.sdk.guardrail.chat.completions.create(model=MODEL, messages=MESSAGES, guardrails=chosen)
    (messages,) = [messages for model, messages in here.engine.asked if model == MODEL]
    assert [one["content"] for one in messages][-3:] == ["My name is Ada.", "Hello Ada.", "How are you?"]
    assert here.sdk.guardrail.check(model=MODEL, messages=MESSAGES, guardrails=chosen).status == "success"
    for broken in ({"state": {}}, {"events": [{"type": "StartUtteranceBotAction"}]}):
        with pytest.raises(nemo_microservices.UnprocessableEntityError, match="state"):
            here.sdk.guardrail.check(model=MODEL, messages=MESSAGES, guardrails=CHOSEN | {"state": broken})
