"""The engine on tiny random models: adapters as transformers + peft apply them, guided answers, cancelling."""

import json
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from local_nemo.lm import grammar, runner, sampling
from local_nemo.lm.chat import ChatRequest, CompletionRequest
from local_nemo.lm.engine import Engine
from local_nemo.lm.errors import BaseModelUnavailable, Busy, EngineStopped, InvalidRequest, ModelNotServed
from local_nemo.lm.sampling import Sampling
from local_nemo.lm.served import BadAdapter, ServedModel
from local_nemo.lm.task import Cancelled
from local_nemo.settings import Settings
from tests.faults import GUIDED
from tests.tiny_models import ALL, greedy, tiny_adapter, tiny_model

GREEDY = Sampling(max_tokens=12, temperature=0)
PROMPTS = [[random.Random(seed).randrange(100, 40_000) for _ in range(20)] for seed in range(6)]
ADAPTERS = {
    "all layers": {"rank": 8, "alpha": 16, "seed": 1},
    "a larger rank": {"rank": 24, "alpha": 12, "seed": 2},
    "two modules": {"rank": 4, "alpha": 4, "modules": ["q_proj", "v_proj"], "seed": 3},
    "upper layers": {"rank": 8, "alpha": 32, "modules": ALL, "layers": [2, 3], "seed": 4},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tiny")


@pytest.fixture(scope="module")
def llama(folder: Path) -> Path:
    return tiny_model(folder / "llama", "llama")


@pytest.fixture(scope="module")
def engine(folder: Path, llama: Path) -> Iterator[Engine]:
    settings = Settings(
        state=folder / "state", cache=folder / "cache", base_model=str(llama), base_name="tiny", threads=2
    )
    engine = Engine(settings)
    engine.start()
    assert engine.wait_ready(300)
    yield engine
    engine.stop()


def tokens_of(engine: Engine, model: str) -> list[str]:
    asked = [engine.complete(CompletionRequest(model, prompt, sampling=GREEDY)) for prompt in PROMPTS]
    return [generation.result(60).content for generation in asked]


@pytest.fixture(scope="module")
def decode(engine: Engine):
    tokenizer = engine._base()._tokenizer
    return lambda answers: [tokenizer.decode(answer, skip_special_tokens=True) for answer in answers]


def test_the_base_answers_as_transformers_does(engine, llama, decode):
    assert tokens_of(engine, "tiny") == decode(greedy(llama, None, PROMPTS, 12))


@pytest.mark.parametrize("name", ADAPTERS)
def test_an_adapter_answers_as_peft_does_whatever_its_rank_modules_and_layers(engine, llama, decode, folder, name):
    adapter = tiny_adapter(folder / name, llama, **ADAPTERS[name])
    engine.add_adapter(f"ns/{name}", adapter)
    expected = decode(greedy(llama, adapter, PROMPTS, 12))
    assert tokens_of(engine, f"ns/{name}") == expected
    assert expected != tokens_of(engine, "tiny"), "the adapter changes answers, and the base is not touched by it"


def test_requests_for_several_adapters_at_once_keep_their_own_answers(engine):
    names = ["tiny", *(f"ns/{name}" for name in ADAPTERS)]
    alone = {name: tokens_of(engine, name) for name in names}
    asked = [(name, i) for i in range(len(PROMPTS)) for name in names]
    running = [engine.complete(CompletionRequest(name, PROMPTS[i], sampling=GREEDY)) for name, i in asked]
    for (name, i), generation in zip(asked, running, strict=True):
        assert generation.result(60).content == alone[name][i]


def test_a_request_that_the_library_refuses_is_told_so_and_its_neighbours_are_answered(engine, monkeypatch):
    monkeypatch.setattr(sampling, "GREEDY_TOP_P", -1)  # let one through that is 0 in single precision
    broken = Sampling(max_tokens=12, top_p=1e-60)
    before = tokens_of(engine, "tiny")
    wanted = [broken if index == 2 else GREEDY for index in range(len(PROMPTS))]
    asked = [
        engine.complete(CompletionRequest("tiny", prompt, sampling=one))
        for prompt, one in zip(PROMPTS, wanted, strict=True)
    ]
    with pytest.raises(InvalidRequest, match="top_p must be a positive float"):
        asked[2].result(60)
    assert [one.result(60).content for one in asked[:2] + asked[3:]] == before[:2] + before[3:]


def test_a_removed_adapter_is_gone_and_the_error_lists_what_is_served(engine, llama, folder):
    adapter = tiny_adapter(folder / "gone", llama, rank=2, alpha=2, seed=9)
    engine.add_adapter("ns/gone", adapter)
    engine.remove_adapter("ns/gone")
    with pytest.raises(ModelNotServed, match="Served now: tiny"):
        engine.complete(CompletionRequest("ns/gone", PROMPTS[0]))


def test_an_adapter_of_another_base_is_refused(engine, folder):
    other = tiny_model(folder / "other", "qwen")
    adapter = tiny_adapter(folder / "alien", other, rank=2, alpha=2, seed=9)
    config = json.loads((adapter / "adapter_config.json").read_text())
    (adapter / "adapter_config.json").write_text(json.dumps(config | {"use_dora": True}))
    with pytest.raises(BadAdapter, match="uses use_dora"):
        engine.add_adapter("ns/alien", adapter)


def test_a_second_base_model_loads_answers_and_unloads(engine, folder, decode):
    qwen = tiny_model(folder / "qwen", "qwen", seed=5)
    engine.load_base("ns/qwen", str(qwen))
    assert "ns/qwen" in [card.id for card in engine.models()]
    assert tokens_of(engine, "ns/qwen") == decode(greedy(qwen, None, PROMPTS, 12))
    engine.unload_base("ns/qwen")
    assert "ns/qwen" not in [card.id for card in engine.models()]


def test_a_base_model_that_is_not_there_says_so(engine):
    with pytest.raises(BaseModelUnavailable, match="it is no folder, and this server may not call"):
        engine.load_base("ns/none", "/nowhere/at/all")


def test_the_same_seed_gives_the_same_answer_beside_other_requests(engine):
    sampling = Sampling(max_tokens=12, temperature=1, seed=7)
    alone = engine.complete(CompletionRequest("tiny", PROMPTS[0], sampling=sampling)).result(60).content
    noise = [engine.complete(CompletionRequest("tiny", prompt, sampling=Sampling(max_tokens=30))) for prompt in PROMPTS]
    beside = engine.complete(CompletionRequest("tiny", PROMPTS[0], sampling=sampling)).result(60).content
    other = engine.complete(CompletionRequest("tiny", PROMPTS[0], sampling=sampling.nth(1))).result(60).content
    assert alone == beside != other
    for generation in noise:
        generation.result(60)


def test_a_cancelled_request_ends_at_once_and_frees_its_place(engine):
    generation = engine.complete(
        CompletionRequest("tiny", PROMPTS[0], sampling=Sampling(max_tokens=1900, temperature=0))
    )
    next(iter(generation))
    generation.cancel()
    with pytest.raises(Cancelled):
        generation.result(5)
    assert engine.load_figures()["running"] == 0


def test_beyond_the_queue_a_caller_is_told_to_come_back(engine, monkeypatch):
    monkeypatch.setattr(runner, "MAX_QUEUE", 4)
    long = Sampling(max_tokens=1500, temperature=0)
    running = [engine.complete(CompletionRequest("tiny", PROMPTS[0], sampling=long)) for _ in range(4)]
    with pytest.raises(Busy) as caught:
        engine.complete(CompletionRequest("tiny", PROMPTS[0]))
    assert caught.value.retry_after > 0
    for generation in running:
        generation.cancel()


def test_a_steady_stream_for_one_adapter_does_not_starve_the_others(engine):
    stop = threading.Event()

    def keep_busy() -> None:
        while not stop.is_set():
            engine.complete(
                CompletionRequest("tiny", PROMPTS[1], sampling=Sampling(max_tokens=40, temperature=0))
            ).result(60)

    threads = [threading.Thread(target=keep_busy) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        started = time.monotonic()
        tokens_of(engine, "ns/two modules")
        assert time.monotonic() - started < 20
    finally:
        stop.set()
        for thread in threads:
            thread.join(60)


def test_a_failing_step_fails_its_requests_and_the_engine_goes_on(engine, monkeypatch):
    before = tokens_of(engine, "ns/all layers")
    monkeypatch.setattr(
        grammar.Guide, "config", lambda self: __import__("openvino_genai").StructuredOutputConfig(grammar="root ::= (")
    )
    with pytest.raises(EngineStopped, match="failed on this batch"):
        engine.complete(CompletionRequest("tiny", PROMPTS[0], guided={"guided_choice": ["a"]})).result(60)
    monkeypatch.undo()
    assert tokens_of(engine, "ns/all layers") == before


def test_mounted_models_answer_beside_the_others(engine):
    card = ServedModel("local/echo", "local/echo", None, 0, 100)
    engine.mount(card, lambda messages, request: messages[-1]["content"].upper())
    answer = engine.chat(ChatRequest("local/echo", [{"role": "user", "content": "hi"}])).result(5)
    assert answer.content == "HI" and card in engine.models()


def test_a_mounted_model_that_fails_says_so(engine):
    engine.mount(ServedModel("local/bad", "local/bad", None, 0, 100), lambda messages, request: 1 / 0)
    with pytest.raises(EngineStopped, match="division by zero"):
        engine.chat(ChatRequest("local/bad", [{"role": "user", "content": "hi"}])).result(5)


def random_schema(generator: random.Random, depth: int = 0) -> dict:
    """A schema of the kind that tools have; strings are short so that a random model comes to an end."""
    kinds = ["string", "integer", "number", "boolean", "enum", "const", "any of"]
    kind = generator.choice(kinds + ["object", "array", "map"] * (depth < 3))
    match kind:
        case "object":
            count = generator.randint(0, 9 - 3 * depth)
            names = [f'p{i} é"' if generator.random() < 0.1 else f"p{i}" for i in range(count)]
            properties = {name: random_schema(generator, depth + 1) for name in names}
            return {
                "type": "object",
                "properties": properties,
                "required": [name for name in names if generator.random() < 0.6],
            }
        case "array":
            least = generator.randint(0, 2)
            item = random_schema(generator, depth + 1)
            return {"type": "array", "items": item, "minItems": least, "maxItems": least + generator.randint(0, 2)}
        case "map":
            return {"type": "object", "additionalProperties": random_schema(generator, 3), "maxProperties": 2}
        case "string":
            return generator.choice(
                [
                    {"type": "string", "maxLength": generator.randint(0, 9)},
                    {"type": "string", "pattern": "^[a-c]{1,3}-\\d+$"},
                ]
                + [{"type": ["string", "null"], "minLength": 2, "maxLength": 6}]
            )
        case "integer" | "number":
            low = generator.randint(-2000, 2000)
            bounds = generator.choice([{}, {"minimum": low}, {"maximum": low}, {"minimum": low, "maximum": low + 300}])
            return {"type": kind, **bounds}
        case "enum":
            return {"enum": generator.sample(["a", 'b"c', "d\\e", 1, 2.5, None, True, "naïve 日本"], k=3)}
        case "const":
            return {"const": generator.choice(["x", 5, {"k": [1, "v"]}])}
        case "any of":
            return {"anyOf": [random_schema(generator, 3), {"type": "null"}]}
    return {"type": kind}


@pytest.mark.faults
def test_generated_schemas_give_only_valid_answers(engine, monkeypatch):
    monkeypatch.setattr(grammar, "LONGEST_TEXT", 12)  # of the keys of maps, which no schema bounds
    generator = random.Random(1234)
    schemas = [random_schema(generator) for _ in range(GUIDED.size)]
    sampling = Sampling(max_tokens=1500, temperature=1.0, seed=1)
    for begin in range(0, len(schemas), 100):
        part = schemas[begin : begin + 100]
        asked = [
            engine.complete(CompletionRequest("tiny", PROMPTS[0], guided={"guided_json": schema}, sampling=sampling))
            for schema in part
        ]
        for schema, generation in zip(part, asked, strict=True):
            with GUIDED.trial():
                answer = generation.result(240)
                assert answer.finish_reason == "stop", (schema, answer.content)
                jsonschema.validate(json.loads(answer.content), schema)


def test_a_required_choice_always_gives_a_valid_call_of_an_offered_tool(engine, monkeypatch):
    monkeypatch.setattr(grammar, "LONGEST_TEXT", 12)
    generator = random.Random(99)
    sampling = Sampling(max_tokens=1500, temperature=1.0, seed=3)
    for _ in range(20):
        parameters = [
            {"type": "object", "properties": {"a": random_schema(generator)}, "required": ["a"]} for _ in range(5)
        ]
        tools = [
            {"type": "function", "function": {"name": f"t.{i}", "parameters": one}} for i, one in enumerate(parameters)
        ]
        request = ChatRequest("tiny", [{"role": "user", "content": "go"}], tools, "required", sampling=sampling)
        answer = engine.chat(request).result(120)
        assert answer.finish_reason == "tool_calls", answer
        (call,) = answer.tool_calls
        jsonschema.validate(json.loads(call["arguments"]), parameters[int(call["name"][2:])])


def test_with_auto_only_an_offered_tool_and_valid_arguments_follow_once_a_call_is_begun(engine, monkeypatch):
    monkeypatch.setattr(grammar, "START", "z")  # a random model writes that now and then, and `<tool_call>` never
    tools = {
        "first": {"properties": {"a": {"type": "integer", "minimum": 3, "maximum": 40}}, "required": ["a"]},
        "fist": {"properties": {"b": {"enum": ["on", "off"]}}, "required": ["b"]},
    }
    offered = [{"type": "function", "function": {"name": name, "parameters": one}} for name, one in tools.items()]
    begun = 0
    for seed in range(8):
        sampling = Sampling(max_tokens=300, temperature=1.0, seed=seed)
        request = ChatRequest("tiny", [{"role": "user", "content": "go"}], offered, "auto", sampling=sampling)
        answer = engine.chat(request).result(60)
        _, start, call = answer.content.partition("z")
        if start and answer.finish_reason == "stop":
            begun += 1
            said = json.loads(call.removesuffix("</tool_call>"))
            jsonschema.validate(said["arguments"], tools[said["name"]])
    assert begun >= 3


def test_the_engine_says_so_when_its_base_cannot_be_loaded(folder):
    engine = Engine(
        Settings(state=folder / "s2", cache=folder / "cache", base_model=str(folder / "no"), base_name="no")
    )
    engine.start()
    with pytest.raises(EngineStopped, match="cannot be loaded"):
        engine.wait_ready(60)
    assert not engine.ready
