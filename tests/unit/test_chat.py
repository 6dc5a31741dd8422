"""What a chat request means before and after the model: checks, room for the answer, reading it."""

import asyncio
import threading

import pytest

from local_nemo.lm.chat import ChatRequest, CompletionRequest, completion, prepare_chat, prepare_text
from local_nemo.lm.errors import ContextOverflow, InvalidRequest
from local_nemo.lm.generation import Completion, Generation
from local_nemo.lm.sampling import Sampling

MESSAGES = [{"role": "user", "content": "What is the weather?"}]
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
NAMED = {"type": "function", "function": {"name": "g"}}


class LetterTokenizer:
    """One token for each character."""

    bos_token_id, eos_token_id = 1, 2

    def __len__(self):
        return 1000

    def encode(self, text, add_special_tokens=False):
        return [ord(character) % 1000 for character in text]

    def apply_chat_template(self, messages, *, tokenize=False, add_generation_prompt=True):
        return "".join(message["content"] for message in messages)


def prepared(limit: int = 2000, **fields):
    return prepare_chat(ChatRequest("m", MESSAGES, **fields), LetterTokenizer(), limit)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"tool_choice": "required"}, "only valid with tools"),
        ({"tool_choice": NAMED}, "only valid with tools"),
        ({"tools": [TOOL], "tool_choice": NAMED}, "names 'g'; the tools are f"),
        ({"tools": [TOOL, TOOL]}, "no two tools"),
        ({"tools": [TOOL], "tool_choice": "maybe"}, "none, auto, required"),
    ],
)
def test_tools_and_tool_choice_must_fit(fields, words):
    with pytest.raises(InvalidRequest, match=words):
        prepared(**fields)


def test_a_prompt_that_fills_the_context_is_refused_with_the_numbers():
    with pytest.raises(ContextOverflow) as caught:
        prepared(limit=30, sampling=Sampling(max_tokens=20))
    assert (caught.value.prompt_tokens, caught.value.max_tokens, caught.value.limit) == (20, 20, 30)
    assert "30 tokens" in str(caught.value) and "20 in the messages" in str(caught.value)


def test_without_max_tokens_the_context_bounds_the_answer():
    assert prepared(limit=100).max_tokens == 80
    assert prepared(limit=100_000).max_tokens == 1024


def test_a_call_is_read_and_named_as_the_reason():
    parts = prepared(tools=[TOOL])
    read = completion(parts, '<tool_call>{"name": "f", "arguments": {}}</tool_call>', "stop", 9)
    assert read.finish_reason == "tool_calls" and read.content is None
    assert read.tool_calls == ({"name": "f", "arguments": "{}"},)


def test_with_tool_choice_none_a_call_is_only_text():
    text = '<tool_call>{"name": "f", "arguments": {}}</tool_call>'
    read = completion(prepared(tools=[TOOL], tool_choice="none"), text, "stop", 9)
    assert read.content == text and not read.tool_calls and read.finish_reason == "stop"


def test_token_ids_are_checked():
    with pytest.raises(InvalidRequest, match="outside 0..999"):
        prepare_text(CompletionRequest("m", [5, 1000]), LetterTokenizer(), 100)


@pytest.mark.parametrize(
    ("asked", "sampled"),
    [
        ({}, True),
        ({"temperature": 1e-60}, False),
        ({"top_p": 0}, False),
        ({"top_p": 1e-60}, False),
        ({"top_p": 0.01}, True),
    ],
)
def test_numbers_too_small_for_the_engine_mean_greedy(asked: dict, sampled: bool) -> None:
    config = Sampling(**asked).config(max_tokens=1, end_tokens=frozenset({2}), seed=1)
    assert config.do_sample is sampled
    config.validate()  # else the engine raises in the middle of the request


@pytest.mark.parametrize(
    "wrong", [{"temperature": -1}, {"temperature": float("nan")}, {"top_p": 1.5}, {"max_tokens": 0}, {"stop": ("",)}]
)
def test_sampling_out_of_range_is_refused(wrong):
    with pytest.raises(InvalidRequest):
        Sampling(**wrong)


def finished(text: str, reason: str) -> Completion:
    return Completion(text, (), reason, 1, len(text))


def test_pieces_reach_every_reader_also_a_late_one():
    generation = Generation(finished, cancel=lambda: None)
    generation.add("a")
    early: list[str] = []
    reader = threading.Thread(target=lambda: early.extend(generation))
    reader.start()
    generation.add("b")
    generation.end("stop")
    reader.join(5)
    assert early == list(generation) == ["a", "b"]
    assert generation.result(1).content == "ab"


def test_an_error_reaches_threads_and_tasks():
    generation = Generation(finished, cancel=lambda: None)
    generation.fail(InvalidRequest("no"))

    async def read() -> list[str]:
        return [piece async for piece in generation]

    with pytest.raises(InvalidRequest):
        asyncio.run(read())
    with pytest.raises(InvalidRequest):
        list(generation)


def test_a_finished_generation_cannot_be_cancelled():
    cancelled: list[bool] = []
    generation = Generation(finished, cancel=lambda: cancelled.append(True))
    generation.cancel()
    generation.end("stop")
    generation.cancel()
    assert cancelled == [True]
