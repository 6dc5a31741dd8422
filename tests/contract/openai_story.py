"""What users do with the openai client, as a plain script for any major version: `python openai_story.py NIM_URL`.

Every function of CHECKS takes a client and asserts what it gives back; replies hold what the client's own types declare
(see `as_declared`, for the client itself never complains). The last line printed is the client's version.
"""

import json
import sys
from collections.abc import Callable

import openai
from openai.lib.streaming.chat import ChatCompletionStreamState

BASE = "huggingfacetb/smollm2-135m-instruct"
EMBEDDING = "sentence-transformers/all-minilm-l6-v2"
CAPITAL = [{"role": "user", "content": "What is the capital of France?"}]
SCHEMA = {"type": "object", "properties": {"country": {"type": "string"}}, "required": ["country"]}
TOOL = {"type": "function", "function": {"name": "get_capital", "parameters": SCHEMA}}
OTHER = {"type": "function", "function": {"name": "get_time", "parameters": {"type": "object", "properties": {}}}}
NAMED = {"type": "function", "function": {"name": "get_time"}}


def refuses(kind: type[Exception], *words: str, **body) -> Callable[[openai.OpenAI], None]:
    """A chat with these fields raises this error, whose text and `body` have these words."""

    def check(client: openai.OpenAI) -> None:
        try:
            chat(client, **body)
        except kind as error:
            assert all(word in error.message and word in error.body["message"] for word in words), error.message
            return
        raise AssertionError(f"{kind.__name__} expected")

    return check


def as_declared(raw):
    """The parsed reply of a `with_raw_response` call, after checking it: all fields there, all values of their type."""
    parsed = raw.parse()
    type(parsed).model_validate_json(raw.http_response.text, strict=True)
    return parsed


def chunks_as_declared(stream):
    """The chunks of a stream, each checked in the same way."""
    for chunk in stream:
        type(chunk).model_validate_json(chunk.to_json(), strict=True)
        yield chunk


def chat(client: openai.OpenAI, **body):
    body = {"model": BASE, "messages": CAPITAL, "temperature": 0, "max_tokens": 40} | body
    if body.get("stream"):
        return chunks_as_declared(client.chat.completions.create(**body))
    return as_declared(client.chat.completions.with_raw_response.create(**body))


def calls(message) -> list[tuple[str, str]]:
    return [(call.function.name, call.function.arguments) for call in message.tool_calls or ()]


def models_are_listed(client: openai.OpenAI) -> None:
    assert BASE in [model.id for model in as_declared(client.models.with_raw_response.list())]
    card = as_declared(client.models.with_raw_response.retrieve(BASE))
    assert (card.owned_by, card.root) == ("system", BASE)


def a_chat_answers_with_usage(client: openai.OpenAI) -> None:
    answer = chat(client)
    assert "Paris" in answer.choices[0].message.content
    assert answer.choices[0].message.tool_calls is None and answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert answer.model == BASE and answer.object == "chat.completion"


def tool_choice_required_calls_an_offered_tool(client: openai.OpenAI) -> None:
    choice = chat(client, tools=[TOOL], tool_choice="required", max_tokens=80).choices[0]
    ((name, arguments),) = calls(choice.message)
    assert name == "get_capital" and "country" in json.loads(arguments)
    assert choice.finish_reason == "tool_calls" and choice.message.content is None


def tool_choice_named_calls_that_tool(client: openai.OpenAI) -> None:
    choice = chat(client, tools=[TOOL, OTHER], tool_choice=NAMED).choices[0]
    assert calls(choice.message) == [("get_time", "{}")]
    assert choice.finish_reason in ("tool_calls", "stop")


def tool_choice_none_answers_with_text(client: openai.OpenAI) -> None:
    message = chat(client, tools=[TOOL], tool_choice="none").choices[0].message
    assert not message.tool_calls and message.content


def tool_choice_auto_leaves_it_to_the_model(client: openai.OpenAI) -> None:
    for choice in (chat(client, tools=[TOOL], tool_choice="auto").choices[0], chat(client, tools=[TOOL]).choices[0]):
        assert bool(choice.message.content) != bool(choice.message.tool_calls)
        assert (choice.finish_reason == "tool_calls") == bool(choice.message.tool_calls)


def a_conversation_goes_on_after_a_tools_result(client: openai.OpenAI) -> None:
    first = chat(client, tools=[TOOL], tool_choice="required", max_tokens=80).choices[0].message
    result = {"role": "tool", "tool_call_id": first.tool_calls[0].id, "content": '{"capital": "Paris"}'}
    history = [{"role": "system", "content": "Be brief."}, *CAPITAL, first.model_dump(exclude_none=True), result]
    assert chat(client, messages=history, tools=[TOOL], tool_choice="none").choices[0].message.content
    with_null = [*CAPITAL, {**first.model_dump(), "content": None}, result, {"role": "user", "content": "And Italy's?"}]
    again = chat(client, messages=with_null, tools=[TOOL], tool_choice="required", max_tokens=80)
    assert calls(again.choices[0].message)


def streams_assemble_to_the_whole_answer(client: openai.OpenAI) -> None:
    for choice, tools in (("none", [TOOL]), ("required", [TOOL]), (NAMED, [TOOL, OTHER])):
        body = {"tools": tools, "tool_choice": choice, "max_tokens": 60}
        whole = chat(client, **body)
        state = ChatCompletionStreamState()
        deltas = 0
        for chunk in chat(client, **body, stream=True, stream_options={"include_usage": True}):
            deltas += len(chunk.choices)
            state.handle_chunk(chunk)
        streamed = state.get_final_completion()
        one, other = streamed.choices[0], whole.choices[0]
        assert (one.message.content or None) == (other.message.content or None)
        assert calls(one.message) == calls(other.message)
        assert one.finish_reason == other.finish_reason and streamed.usage == whole.usage
        assert deltas > 2, "an answer comes in pieces"


def stop_and_max_tokens_end_an_answer(client: openai.OpenAI) -> None:
    for stop in ("Paris", ["Berlin", "Paris"]):
        choice = chat(client, stop=stop).choices[0]
        assert "Paris" not in choice.message.content and choice.finish_reason == "stop"
    cut = chat(client, max_tokens=2)
    assert cut.choices[0].finish_reason == "length" and cut.usage.completion_tokens == 2
    assert chat(client, max_tokens=None, max_completion_tokens=2).usage.completion_tokens == 2


def sampling_follows_temperature_top_p_and_seed(client: openai.OpenAI) -> None:
    def text(**body) -> str:
        poem = [{"role": "user", "content": "Write one line about the sea."}]
        return chat(client, messages=poem, max_tokens=12, **body).choices[0].message.content

    greedy = text()
    assert text(temperature=1.5, top_p=1e-6) == greedy, "top_p near 0 leaves the likeliest token"
    wild = {"temperature": 1.5, "seed": 5}
    assert text(**wild) == text(**wild) != greedy
    assert text(temperature=1.5, seed=6) != text(**wild)


def answers_follow_a_schema(client: openai.OpenAI) -> None:
    asked = {"type": "json_schema", "json_schema": {"name": "capital", "schema": SCHEMA}}
    for body in ({"response_format": asked}, {"extra_body": {"nvext": {"guided_json": SCHEMA}}}):
        choice = chat(client, max_tokens=120, **body).choices[0]
        if choice.finish_reason == "stop":
            assert isinstance(json.loads(choice.message.content)["country"], str)
        assert choice.message.content.lstrip().startswith("{")
    text = chat(client, response_format={"type": "json_object"}).choices[0].message.content
    assert text.lstrip().startswith("{")
    chosen = chat(client, extra_body={"nvext": {"guided_choice": ["Paris", "Rome"]}}).choices[0].message.content
    assert chosen in ("Paris", "Rome")


def logprobs_have_the_clients_type(client: openai.OpenAI) -> None:
    tokens = chat(client, logprobs=True, max_tokens=3).choices[0].logprobs.content
    assert len(tokens) == 3 and all(token.logprob <= 0 and bytes(token.bytes) for token in tokens)


def several_choices_are_answered(client: openai.OpenAI) -> None:
    answer = chat(client, n=2, temperature=1, seed=1, max_tokens=5)
    assert [choice.index for choice in answer.choices] == [0, 1]


def completions_answer_and_stream(client: openai.OpenAI) -> None:
    body = {"model": BASE, "prompt": "The capital of France is", "max_tokens": 5, "temperature": 0}
    whole = as_declared(client.completions.with_raw_response.create(**body))
    assert whole.usage.completion_tokens == 5 and whole.choices[0].finish_reason == "length"
    chunks = list(
        client.completions.create(**body, stream=True)
    )  # OpenAI's own don't fit: finish_reason null is undeclared
    assert "".join(chunk.choices[0].text for chunk in chunks) == whole.choices[0].text
    assert [chunk.choices[0].finish_reason for chunk in chunks][-2:] == [None, "length"]


def several_prompts_are_each_counted(client: openai.OpenAI) -> None:
    body = {"model": BASE, "max_tokens": 2, "temperature": 0}
    both = as_declared(client.completions.with_raw_response.create(prompt=["One", "The sky is"], n=2, **body))
    alone = [client.completions.create(prompt=text, **body) for text in ("One", "The sky is")]
    assert [choice.index for choice in both.choices] == [0, 1, 2, 3]
    assert both.choices[2].text == both.choices[3].text == alone[1].choices[0].text
    assert both.usage.prompt_tokens == sum(one.usage.prompt_tokens for one in alone)


def texts_are_embedded(client: openai.OpenAI) -> None:
    asked = {"model": EMBEDDING, "input": ["How do I get there?", "What is the way?", "The soup is cold."]}
    answer = as_declared(client.embeddings.with_raw_response.create(**asked, encoding_format="float", dimensions=384))
    way, too, soup = [one.embedding for one in answer.data]
    assert dot(way, too) > dot(way, soup) and abs(dot(way, way) - 1) < 1e-5
    assert [one.index for one in answer.data] == [0, 1, 2] and answer.model == EMBEDDING
    assert answer.usage.total_tokens == answer.usage.prompt_tokens > 9
    decoded = client.embeddings.create(**asked)  # the client asks for base64 unless told otherwise
    assert [one.embedding for one in decoded.data] == [way, too, soup]


def dot(one: list[float], other: list[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


CHECKS: dict[str, Callable[[openai.OpenAI], None]] = {
    check.__name__: check
    for check in (
        models_are_listed,
        a_chat_answers_with_usage,
        tool_choice_required_calls_an_offered_tool,
        tool_choice_named_calls_that_tool,
        tool_choice_none_answers_with_text,
        tool_choice_auto_leaves_it_to_the_model,
        a_conversation_goes_on_after_a_tools_result,
        streams_assemble_to_the_whole_answer,
        stop_and_max_tokens_end_an_answer,
        sampling_follows_temperature_top_p_and_seed,
        answers_follow_a_schema,
        logprobs_have_the_clients_type,
        several_choices_are_answered,
        completions_answer_and_stream,
        several_prompts_are_each_counted,
        texts_are_embedded,
    )
} | {
    "an_unknown_model_is_not_found_and_what_is_served_is_listed": refuses(
        openai.NotFoundError, "does not exist", BASE, model="nobody/knows"
    ),
    "too_many_tokens_are_refused_with_the_numbers": refuses(
        openai.BadRequestError, "maximum context length is 8192", "100000", max_tokens=100_000
    ),
    "too_long_a_prompt_is_refused_with_the_numbers": refuses(
        openai.BadRequestError, "maximum context length is 8192", messages=[{"role": "user", "content": "word " * 9000}]
    ),
    "a_tool_choice_needs_tools": refuses(openai.BadRequestError, "only valid with tools", tool_choice="required"),
    "an_image_is_refused": refuses(
        openai.BadRequestError,
        "'image_url'",
        "read text",
        messages=[
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]}
        ],
    ),
    "messages_must_be_a_list": refuses(openai.UnprocessableEntityError, "messages", messages="not a list"),
}


def main(url: str) -> None:
    with openai.OpenAI(base_url=f"{url}/v1", api_key="ignored", max_retries=0, timeout=120) as client:
        for name, check in CHECKS.items():
            print(name, flush=True)
            check(client)
    print(openai.__version__)


if __name__ == "__main__":
    main(sys.argv[1])
