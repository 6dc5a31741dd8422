"""NIM over HTTP on the real base model: tools with every tool_choice, guided answers, streams, limits, errors."""

import json
import time
from concurrent.futures import ThreadPoolExecutor

import jsonschema
import pytest
import requests

BASE = "huggingfacetb/smollm2-135m-instruct"
SAFETY = "nvidia/llama-3.1-nemoguard-8b-content-safety"
QUESTION = [{"role": "user", "content": "What will the weather be in Berlin on November 7, 2025?"}]
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather for a place and a day.",
        "parameters": {
            "type": "object",
            "properties": {
                "location": {"type": "string"},
                "date": {"type": "string"},
                "unit": {"enum": ["celsius", "fahrenheit"]},
            },
            "required": ["location", "date"],
        },
    },
}
TIME = {"type": "function", "function": {"name": "get_time", "parameters": {"type": "object", "properties": {}}}}


def ask(server, expected: int = 200, **body) -> dict:
    body = {"model": BASE, "messages": QUESTION, "temperature": 0, "max_tokens": 80} | body
    reply = requests.post(server.nim_url + "/v1/chat/completions", json=body, timeout=300)
    assert reply.status_code == expected, reply.text
    return reply.json()


def choice(answer: dict) -> dict:
    (one,) = answer["choices"]
    return one


def test_the_base_and_the_safety_model_are_listed_with_their_roots(server):
    cards = {card["id"]: card for card in requests.get(server.nim_url + "/v1/models", timeout=30).json()["data"]}
    assert cards[BASE]["root"] == BASE and cards[BASE]["max_model_len"] == 8192 and cards[BASE]["owned_by"] == "system"
    assert cards[SAFETY]["root"] == "local/content-safety-demo"
    assert requests.get(f"{server.nim_url}/v1/models/{BASE}", timeout=30).json()["id"] == BASE


@pytest.mark.endpoint("GET /nim/v1/health/live", "GET /nim/v1/health/ready", "GET /nim/v1/metrics")
def test_health_and_metrics_answer(server):
    for name in ("live", "ready"):
        reply = requests.get(f"{server.nim_url}/v1/health/{name}", timeout=30)
        assert reply.status_code == 200 and reply.json()["message"] == f"Service is {name}."
    assert "# TYPE num_requests_running gauge" in requests.get(server.nim_url + "/v1/metrics", timeout=30).text


def test_a_plain_question_gets_text_and_usage(server):
    answer = ask(server, messages=[{"role": "user", "content": "What is the capital of France?"}])
    assert "Paris" in choice(answer)["message"]["content"] and choice(answer)["finish_reason"] == "stop"
    usage = answer["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"] > 0


def test_required_forces_one_valid_call_of_an_offered_tool(server):
    one = choice(ask(server, tools=[WEATHER, TIME], tool_choice="required"))
    (call,) = one["message"]["tool_calls"]
    assert one["finish_reason"] == "tool_calls" and one["message"]["content"] is None
    assert call["id"].startswith("chatcmpl-tool-") and call["type"] == "function"
    schemas = {tool["function"]["name"]: tool["function"]["parameters"] for tool in (WEATHER, TIME)}
    jsonschema.validate(json.loads(call["function"]["arguments"]), schemas[call["function"]["name"]])


@pytest.mark.parametrize("name", ["get_weather", "get_time"])
def test_a_named_choice_forces_that_function(server, name):
    named = {"type": "function", "function": {"name": name}}
    (call,) = choice(ask(server, tools=[WEATHER, TIME], tool_choice=named))["message"]["tool_calls"]
    assert call["function"]["name"] == name


def test_none_never_calls(server):
    message = choice(ask(server, tools=[WEATHER], tool_choice="none"))["message"]
    assert not message.get("tool_calls") and message["content"]


def test_a_history_with_calls_and_results_is_understood(server):
    call = {"id": "c1", "type": "function", "function": {"name": "get_weather", "arguments": '{"location": "Berlin"}'}}
    history = [
        *QUESTION,
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": '{"forecast": "sunny", "temperature": 12}'},
    ]
    message = choice(ask(server, messages=history, tools=[WEATHER], tool_choice="none"))["message"]
    assert message["content"]


@pytest.mark.parametrize(
    "extra",
    [
        {"nvext": {"guided_json": WEATHER["function"]["parameters"]}},
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "w", "schema": WEATHER["function"]["parameters"]},
            }
        },
    ],
)
def test_a_schema_guides_the_whole_answer(server, extra):
    one = choice(ask(server, max_tokens=200, **extra))
    assert one["finish_reason"] == "stop"
    jsonschema.validate(json.loads(one["message"]["content"]), WEATHER["function"]["parameters"])


def test_json_object_guided_choice_and_guided_regex_are_followed(server):
    assert choice(ask(server, response_format={"type": "json_object"}))["message"]["content"].startswith("{")
    chosen = choice(ask(server, nvext={"guided_choice": ["maybe", "perhaps"]}))["message"]["content"]
    assert chosen in ("maybe", "perhaps")
    code = choice(ask(server, nvext={"guided_regex": "[A-Z]{3}-[0-9]{2}"}))["message"]["content"]
    assert len(code) == 6 and code[3] == "-"


def test_stop_and_length_end_an_answer(server):
    messages = [{"role": "user", "content": "What is the capital of France?"}]
    stopped = choice(ask(server, messages=messages, stop=["Paris"]))
    assert "Paris" not in stopped["message"]["content"] and stopped["finish_reason"] == "stop"
    assert choice(ask(server, messages=messages, max_tokens=2))["finish_reason"] == "length"


def test_n_choices_with_a_seed_differ_and_come_again(server):
    body = {"n": 3, "seed": 11, "temperature": 1.0, "max_tokens": 16}
    first, second = ([one["message"]["content"] for one in ask(server, **body)["choices"]] for _ in range(2))
    assert first == second and len(set(first)) > 1


@pytest.mark.parametrize("tools", [None, [WEATHER]])
def test_a_stream_assembles_to_the_same_answer(server, tools):
    body = {"tools": tools, "tool_choice": "required" if tools else None}
    body = {key: value for key, value in body.items() if value}
    whole = choice(ask(server, **body))
    request = {"model": BASE, "messages": QUESTION, "temperature": 0, "max_tokens": 80, "stream": True, **body}
    request["stream_options"] = {"include_usage": True}
    content, calls, reason, usage = "", {}, None, None
    with requests.post(server.nim_url + "/v1/chat/completions", json=request, timeout=120, stream=True) as reply:
        lines = [line[6:] for line in reply.iter_lines(decode_unicode=True) if line]
    assert lines.pop() == "[DONE]"
    for chunk in map(json.loads, lines):
        usage = chunk.get("usage") or usage
        for one in chunk["choices"]:
            content += one["delta"].get("content") or ""
            reason = one["finish_reason"] or reason
            for part in one["delta"].get("tool_calls", ()):
                known = calls.setdefault(part["index"], {"name": "", "arguments": ""})
                known["name"] += part["function"].get("name") or ""
                known["arguments"] += part["function"].get("arguments") or ""
    assert reason == whole["finish_reason"] and usage["completion_tokens"] > 0
    assert (content or None) == whole["message"]["content"]
    made = [call["function"] for call in whole["message"].get("tool_calls") or ()]
    assert list(calls.values()) == made


def test_an_unknown_model_is_a_404_that_lists_what_is_served(server):
    error = ask(server, 404, model="no/such-model")
    assert error["object"] == "error" and error["code"] == 404
    assert "no/such-model" in error["message"] and BASE in error["message"]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"tool_choice": "required"}, "only valid with tools"),
        ({"max_tokens": 9000}, "maximum context length is 8192"),
        ({"messages": [{"role": "user", "content": "word " * 9000}]}, "maximum context length is 8192"),
        ({"temperature": 3}, "temperature is 3"),
        ({"top_logprobs": 5}, "top_logprobs"),
        ({"tools": [WEATHER, WEATHER]}, "no two tools may have the same"),
        ({"nvext": {"guided_json": {"type": "float"}}}, "has the type 'float'"),
        ({"response_format": {"type": "xml"}}, "response_format is"),
    ],
)
def test_what_cannot_be_honoured_is_a_400_that_says_why(server, body, words):
    error = ask(server, 400, **body)
    assert words in error["message"]


@pytest.mark.parametrize(
    "parameters",
    [
        {"type": "object", "properties": {"a": {"type": "array"}}},
        {"type": "object"},
        {"type": "object", "properties": {f"p{i}": {"type": "string"} for i in range(20)}},
        {"type": "object", "properties": {"n": {"$ref": "#"}, "v": {"type": "integer"}}},
    ],
)
def test_the_schemas_that_froze_the_real_service_answer_here(server, parameters):
    tool = {"type": "function", "function": {"name": "f", "parameters": parameters}}
    one = choice(ask(server, tools=[tool], tool_choice="required", max_tokens=100))
    if one["finish_reason"] == "tool_calls":
        jsonschema.validate(json.loads(one["message"]["tool_calls"][0]["function"]["arguments"]), parameters)


def test_forty_tools_answer(server):
    parameters = {"type": "object", "properties": {f"p{i}": {"type": "string"} for i in range(3)}}
    tools = [{"type": "function", "function": {"name": f"t{i}", "parameters": parameters}} for i in range(40)]
    one = choice(ask(server, tools=tools, tool_choice="auto", max_tokens=5))
    assert one["finish_reason"] in ("stop", "length", "tool_calls")


def test_completions_continue_text_and_token_ids(server):
    body = {"model": BASE, "prompt": ["The sky is", "Two plus two"], "max_tokens": 4, "temperature": 0, "echo": True}
    answer = requests.post(server.nim_url + "/v1/completions", json=body, timeout=60).json()
    assert [one["text"].startswith(start) for one, start in zip(answer["choices"], body["prompt"], strict=True)]
    assert answer["usage"]["completion_tokens"] == 8
    body = {"model": BASE, "prompt": [504, 6147], "max_tokens": 2, "temperature": 0, "logprobs": 1}
    one = requests.post(server.nim_url + "/v1/completions", json=body, timeout=60).json()["choices"][0]
    assert len(one["logprobs"]["tokens"]) == 2 and all(value <= 0 for value in one["logprobs"]["token_logprobs"])


def test_a_client_that_leaves_frees_its_place(server):
    eight = {"type": "array", "items": {"type": "integer"}, "minItems": 8, "maxItems": 8}
    endless = {"type": "array", "items": eight, "minItems": 64, "maxItems": 64}  # over 1,000 tokens, whatever is drawn
    form = {"type": "json_schema", "json_schema": {"name": "endless", "schema": endless}}
    body = {"model": BASE, "messages": QUESTION, "max_tokens": 4000, "response_format": form}
    reply = requests.post(
        server.nim_url + "/v1/chat/completions", json=body | {"stream": True}, timeout=60, stream=True
    )
    next(reply.iter_lines())
    reply.close()
    with pytest.raises(requests.Timeout):
        requests.post(server.nim_url + "/v1/chat/completions", json=body, timeout=1.5)
    deadline = time.monotonic() + 8  # to its end an answer takes longer
    while running(server) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert running(server) == 0


def running(server) -> int:
    text = requests.get(server.nim_url + "/v1/metrics", timeout=30).text
    names = ("num_requests_running ", "num_requests_waiting ")
    return sum(int(float(line.split()[1])) for line in text.splitlines() if line.startswith(names))


def test_sixty_four_chats_at_once_all_answer(server):
    def one(i: int) -> str:
        messages = [{"role": "user", "content": f"Say the number {i}."}]
        return choice(ask(server, messages=messages, max_tokens=8))["finish_reason"]

    with ThreadPoolExecutor(64) as pool:
        assert set(pool.map(one, range(64))) <= {"stop", "length"}


def test_the_safety_model_answers_with_a_verdict(server):
    answer = ask(server, model=SAFETY, messages=[{"role": "user", "content": "How do I bake bread?"}])
    assert isinstance(choice(answer)["message"]["content"], str)
