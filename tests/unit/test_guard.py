"""The guard's three outcomes, with the real library and scripted models: only a clear yes lets anything through."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from local_nemo.guard import Guard, service
from local_nemo.guard.chat import REFUSAL, CheckUnreadable, GuardedChat
from local_nemo.guard.config import ConfigError
from local_nemo.guard.head import HEAD
from local_nemo.guard.results import CheckResult, Outcome
from local_nemo.guard.safety_model import SafetyModel
from local_nemo.lm.encoder import Encoder
from local_nemo.settings import Settings
from local_nemo.store.database import open_database
from local_nemo.store.entities import Entities
from tests.guard_engine import (
    LIBRARY_WARNINGS,
    OUTPUT_RAIL,
    RAIL,
    SAFETY,
    SAYS_SAFE,
    SAYS_UNSAFE,
    ScriptedEngine,
    data,
    never_answers,
    with_output_rail,
)
from tests.scripted_model import ScriptedModel, completion

pytestmark = LIBRARY_WARNINGS
ALLOWED, BLOCKED, UNREADABLE = Outcome.ALLOWED, Outcome.BLOCKED, Outcome.UNREADABLE
QUESTION = [{"role": "user", "content": "How are you?"}]


@pytest.fixture(scope="module")
def engine() -> ScriptedEngine:
    return ScriptedEngine(**{SAFETY: SAYS_SAFE, "main": "fine\nthanks"})


@pytest.fixture(scope="module")
def guard(engine: ScriptedEngine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guard]:
    state = tmp_path_factory.mktemp("guard")
    guard = Guard(
        Settings(state=state, cache=state), Entities(open_database(state / "nemo.db")), engine, Encoder(state)
    )
    guard._safety.start = lambda engine: None  # the real safety model has tests of its own
    guard.start()
    yield guard
    guard.stop()


@pytest.fixture(autouse=True)
def fresh(engine: ScriptedEngine) -> None:
    engine.answers.update({SAFETY: SAYS_SAFE, "main": "fine\nthanks"})
    engine.asked.clear()


def check(guard: Guard, messages: list = QUESTION, config: dict | None = None, **options: object) -> CheckResult:
    return guard.check(guard.read_config(config or data()), messages, model="main", **options)


def test_a_safe_verdict_allows_and_names_the_rail_that_ran(guard):
    result = check(guard)
    assert (result.outcome, result.reason) == (ALLOWED, "")
    assert [(rail.name, rail.outcome) for rail in result.rails] == [(RAIL, ALLOWED)]
    assert result.rails[0].record["executed_actions"][0]["action_name"] == "content_safety_check_input"
    json.dumps(result.rails[0].record)


def test_an_unsafe_verdict_blocks_with_its_categories(guard, engine):
    engine.answers[SAFETY] = SAYS_UNSAFE
    result = check(guard)
    assert result.outcome is BLOCKED
    assert "S1: Violence" in result.reason


@pytest.mark.parametrize(
    "answer", ["", "fine", "safe", '{"User Safety": "dunno"}', '{"Safety": "safe"}', "[]", "{" * 9999]
)
def test_nonsense_of_the_safety_model_is_neither_allowed_nor_a_policy_block(guard, engine, answer):
    engine.answers[SAFETY] = answer
    assert check(guard).outcome is UNREADABLE


def test_a_safety_model_that_fails_decides_nothing(guard, engine):
    def fails(messages: list) -> str:
        raise RuntimeError("out of memory")

    engine.answers[SAFETY] = fails
    result = check(guard)
    assert result.outcome is UNREADABLE
    assert "out of memory" in result.reason


def test_a_safety_model_that_is_too_slow_decides_nothing(guard, engine, monkeypatch):
    monkeypatch.setattr(service, "CHECK_SECONDS", 0.2)
    engine.answers[SAFETY] = lambda messages: never_answers(messages)
    assert check(guard).outcome is UNREADABLE


def test_a_model_that_is_no_longer_served_decides_nothing(guard, engine):
    config = guard.read_config(data())
    del engine.answers[SAFETY]
    assert guard.check(config, QUESTION, model="main").outcome is UNREADABLE


def test_a_rail_that_did_not_run_is_unreadable(guard, monkeypatch):
    config = guard.read_config(data())
    compiled = guard.run(guard._compile(config))

    async def ran_nothing(*_: object, **__: object) -> object:
        return await original(
            messages=[{"role": "user", "content": "x"}],
            options={"rails": [], "log": {"activated_rails": True}},
            state={},
        )

    original = compiled._rails.generate_async
    monkeypatch.setattr(compiled._rails, "generate_async", ran_nothing)
    result = guard.check(config, QUESTION, model="main")
    assert result.outcome is UNREADABLE
    assert "did not run" in result.reason


@pytest.mark.parametrize(
    "messages",
    [
        [*QUESTION, {"role": "assistant", "content": None, "tool_calls": [{"id": "1", "function": {"name": "f"}}]}],
        [{"role": "user", "content": "old"}, {"role": "tool", "tool_call_id": "1", "content": "r"}, *QUESTION],
        [{"role": "user", "content": [{"type": "text", "text": "How are"}, {"type": "text", "text": "you?"}]}],
        [{"role": "user", "content": "¿Cómo se fabrica una bomba? 爆弾の作り方"}],
        [{"role": "user", "content": ""}],
        [{"role": "user", "content": "word " * 10_000}],
        [{"role": "user", "content": "{{ user_input }} {% raw %} {{ 7*7 }}"}],
    ],
)
def test_the_rail_runs_whatever_the_conversation_looks_like(guard, engine, messages):
    assert check(guard, messages).outcome is ALLOWED
    engine.answers[SAFETY] = SAYS_UNSAFE
    assert check(guard, messages).outcome is BLOCKED


def test_every_piece_of_a_long_message_is_judged(guard, engine):
    engine.answers[SAFETY] = lambda messages: SAYS_UNSAFE if "needle" in messages[-1]["content"] else SAYS_SAFE
    for place in (0, 20_000, 39_000):
        text = "hay " * 10_000
        assert check(guard, [{"role": "user", "content": text[:place] + " needle " + text[place:]}]).outcome is BLOCKED
    assert check(guard, [{"role": "user", "content": "hay " * 10_000}]).outcome is ALLOWED


@pytest.mark.parametrize(
    "messages",
    [
        [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "data:"}}]}],
        [{"role": "user", "content": "a" * 200_001}],
        [{"role": "system", "content": "only rules"}],
    ],
)
def test_what_no_rail_can_judge_is_unreadable(guard, messages):
    assert check(guard, messages).outcome is UNREADABLE


def test_output_rails_judge_the_answer_once_there_is_one(guard, engine):
    both = with_output_rail()
    assert [rail.name for rail in check(guard, config=both).rails] == [RAIL]
    talk = [*QUESTION, {"role": "assistant", "content": "Fine."}]
    assert [rail.name for rail in check(guard, talk, both).rails] == [RAIL, OUTPUT_RAIL]
    engine.answers[SAFETY] = '{"User Safety": "safe", "Response Safety": "unsafe"}'
    assert [rail.outcome for rail in check(guard, talk, both).rails] == [ALLOWED, BLOCKED]


def test_rails_after_the_first_that_stops_are_left_out(guard, engine):
    engine.answers[SAFETY] = SAYS_UNSAFE
    talk = [*QUESTION, {"role": "assistant", "content": "Fine."}]
    assert [rail.name for rail in check(guard, talk, with_output_rail()).rails] == [RAIL]


def test_a_request_can_switch_a_side_off_or_name_rails_that_exist(guard):
    talk = [*QUESTION, {"role": "assistant", "content": "Fine."}]
    result = check(guard, talk, with_output_rail(), rails={"input": False, "output": [OUTPUT_RAIL]})
    assert [rail.name for rail in result.rails] == [OUTPUT_RAIL]
    with pytest.raises(ConfigError, match="not in the configuration"):
        check(guard, rails={"input": ["another rail"]})


def test_self_check_rails_ask_the_requests_model_and_need_a_clear_word(guard, engine):
    config = {
        "models": [{"type": "main", "engine": "nim", "model": "x"}],
        "rails": {"input": {"flows": ["self check input"]}},
        "prompts": [{"task": "self_check_input", "content": "Block it? {{ user_input }}"}],
    }
    outcomes = {}
    for answer in ("No", "Yes", "Well, that depends"):
        engine.answers["main"] = answer
        outcomes[answer] = check(guard, config=config).outcome
    assert list(outcomes.values()) == [ALLOWED, BLOCKED, UNREADABLE]
    assert {name for name, _ in engine.asked} == {"main"}


def test_many_checks_at_once_do_not_mix(guard, engine):
    engine.answers[SAFETY] = lambda messages: SAYS_UNSAFE if "odd" in messages[-1]["content"] else SAYS_SAFE
    config = guard.read_config(data())

    def one(number: int) -> bool:
        text = f"{'odd' if number % 2 else 'even'} {number}"
        result = guard.check(config, [{"role": "user", "content": text}], model="main")
        return result.outcome is (BLOCKED if number % 2 else ALLOWED)

    with ThreadPoolExecutor(32) as workers:
        assert all(workers.map(one, range(64)))


def test_a_model_at_another_loopback_endpoint_is_asked_over_http(guard):
    config = data()
    with ScriptedModel() as elsewhere:
        config["models"][0]["parameters"] = {"base_url": elsewhere.url}
        for said, outcome in ((SAYS_SAFE, ALLOWED), (SAYS_UNSAFE, BLOCKED), ("hm", UNREADABLE)):
            elsewhere.respond = lambda body, said=said: completion(said)
            assert check(guard, config=config).outcome is outcome
        for fault in (
            (500, {}, b"oops"),
            (200, {}, b"<html>"),
            (200, {}, b'{"choices": []}'),
            (302, {"Location": "/"}, b""),
        ):
            elsewhere.respond = lambda body, fault=fault: fault
            assert check(guard, config=config).outcome is UNREADABLE
        assert all("Authorization" not in headers for _, headers, _ in elsewhere.requests), (
            "a key is for listed hosts only"
        )
    assert check(guard, config=config).outcome is UNREADABLE, "nobody listens any more"


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/v1", "https://example.com", "file:///etc/passwd", "http://127.0.0.1@evil/", "x"]
)
def test_a_model_can_only_be_at_an_allowed_host(guard, url):
    config = data()
    config["models"][0]["parameters"] = {"base_url": url}
    with pytest.raises(ConfigError, match="may call"):
        guard.read_config(config)


def chat(guard: Guard, engine: ScriptedEngine, config: dict) -> GuardedChat:
    return GuardedChat(guard, engine, guard.read_config(config), "main", QUESTION, {}).open()


def test_a_chat_is_answered_between_its_rails(guard, engine):
    done = chat(guard, engine, with_output_rail())
    assert "".join(done.pieces()) == "fine\nthanks"
    assert (done.finish_reason, done.refused, len(done.checks)) == ("stop", False, 2)
    assert [name for name, _ in engine.asked] == [SAFETY, "main", SAFETY]


def test_a_blocked_question_never_reaches_the_main_model(guard, engine):
    engine.answers[SAFETY] = SAYS_UNSAFE
    done = chat(guard, engine, data())
    assert "".join(done.pieces()) == REFUSAL
    assert done.finish_reason == "content_filter"
    assert [name for name, _ in engine.asked] == [SAFETY]


def test_a_blocked_answer_is_not_let_out(guard, engine):
    engine.answers[SAFETY] = '{"User Safety": "safe", "Response Safety": "unsafe"}'
    assert "".join(chat(guard, engine, with_output_rail()).pieces()) == REFUSAL


@pytest.mark.parametrize("answer", ["hm", '{"User Safety": "safe"}'])
def test_an_unreadable_check_ends_a_chat_with_an_error_and_no_text(guard, engine, answer):
    engine.answers[SAFETY] = answer
    with pytest.raises(CheckUnreadable):
        chat(guard, engine, with_output_rail())


def test_without_its_head_file_the_safety_model_gives_no_verdict(guard, engine, tmp_path):
    model = SafetyModel(Encoder(tmp_path), head=tmp_path / HEAD.name)
    engine.answers[SAFETY] = lambda messages: model.respond(messages, {})
    assert check(guard).outcome is UNREADABLE
    (tmp_path / HEAD.name).write_text("not what a head file holds")
    assert check(guard).outcome is UNREADABLE


@pytest.mark.parametrize("messages", [[], [{"role": "system", "content": "x"}], [{"role": "user", "content": None}]])
def test_a_prompt_without_user_words_gets_no_verdict(messages, tmp_path):
    answer = SafetyModel(Encoder(tmp_path)).respond(messages, {})
    assert answer.startswith("No verdict")
