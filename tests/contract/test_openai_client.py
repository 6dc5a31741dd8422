"""The unmodified openai client: models, chats, tools, streams with its own accumulation, typed errors."""

import json

import openai
import pytest
from openai.lib.streaming.chat import ChatCompletionStreamState

BASE = "huggingfacetb/smollm2-135m-instruct"
MESSAGES = [{"role": "user", "content": "What is the capital of France?"}]
TOOL = {
    "type": "function",
    "function": {
        "name": "get_capital",
        "parameters": {"type": "object", "properties": {"country": {"type": "string"}}, "required": ["country"]},
    },
}


@pytest.fixture
def client(server):
    with openai.OpenAI(base_url=server.nim_url + "/v1", api_key="ignored", max_retries=0, timeout=120) as client:
        yield client


def test_models_are_listed(client):
    assert BASE in [model.id for model in client.models.list()]
    assert client.models.retrieve(BASE).owned_by == "system"


def test_a_chat_answers_with_usage(client):
    answer = client.chat.completions.create(model=BASE, messages=MESSAGES, temperature=0, max_tokens=20)
    assert "Paris" in answer.choices[0].message.content
    assert answer.choices[0].message.tool_calls is None
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.model == BASE and answer.object == "chat.completion"


def test_a_forced_tool_is_called(client):
    answer = client.chat.completions.create(
        model=BASE, messages=MESSAGES, tools=[TOOL], tool_choice="required", temperature=0, max_tokens=80
    )
    (call,) = answer.choices[0].message.tool_calls
    assert call.function.name == "get_capital" and "country" in json.loads(call.function.arguments)
    assert answer.choices[0].finish_reason == "tool_calls" and answer.choices[0].message.content is None


@pytest.mark.parametrize("tool_choice", ["none", "required", {"type": "function", "function": {"name": "get_capital"}}])
def test_the_clients_own_accumulation_of_a_stream_equals_the_whole_answer(client, tool_choice):
    body = {
        "model": BASE,
        "messages": MESSAGES,
        "tools": [TOOL],
        "tool_choice": tool_choice,
        "temperature": 0,
        "max_tokens": 60,
    }
    whole = client.chat.completions.create(**body)
    state = ChatCompletionStreamState()
    for chunk in client.chat.completions.create(**body, stream=True, stream_options={"include_usage": True}):
        state.handle_chunk(chunk)
    streamed = state.get_final_completion()
    one, other = streamed.choices[0], whole.choices[0]
    assert (one.message.content or None) == (other.message.content or None)
    made = [(call.function.name, call.function.arguments) for call in one.message.tool_calls or ()]
    assert made == [(call.function.name, call.function.arguments) for call in other.message.tool_calls or ()]
    assert one.finish_reason == other.finish_reason and streamed.usage == whole.usage


def test_logprobs_have_the_clients_type(client):
    answer = client.chat.completions.create(model=BASE, messages=MESSAGES, logprobs=True, max_tokens=3, temperature=0)
    tokens = answer.choices[0].logprobs.content
    assert len(tokens) == 3 and all(token.logprob <= 0 and bytes(token.bytes) for token in tokens)


def test_nims_extension_goes_through_extra_body(client):
    extra = {"nvext": {"guided_choice": ["Paris", "Rome"]}}
    answer = client.chat.completions.create(model=BASE, messages=MESSAGES, extra_body=extra, temperature=0)
    assert answer.choices[0].message.content in ("Paris", "Rome")


def test_completions_answer_and_stream(client):
    body = {"model": BASE, "prompt": "The capital of France is", "max_tokens": 5, "temperature": 0}
    whole = client.completions.create(**body).choices[0].text
    assert "".join(chunk.choices[0].text for chunk in client.completions.create(**body, stream=True)) == whole


def test_errors_are_the_clients_typed_ones(client):
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        client.chat.completions.create(model="nobody/knows", messages=MESSAGES)
    with pytest.raises(openai.BadRequestError, match="maximum context length"):
        client.chat.completions.create(model=BASE, messages=MESSAGES, max_tokens=100_000)
    with pytest.raises(openai.BadRequestError, match="only valid with tools"):
        client.chat.completions.create(model=BASE, messages=MESSAGES, tool_choice="required")
    with pytest.raises(openai.UnprocessableEntityError):
        client.chat.completions.create(model=BASE, messages="not a list")
