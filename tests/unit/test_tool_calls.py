"""Reading calls back: nothing is lost, nothing that was not offered is called, pieces give the same as the whole."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_nemo.lm.tool_calls import END, START, CallArguments, CallStart, StreamParser, Text, parse

TOOLS = [{"type": "function", "function": {"name": "f"}}, {"name": "g"}]
F = START + '{"name": "f", "arguments": {"a": "x}y", "b": [1, {"c": null}]}}' + END
UNKNOWN = START + '{"name": "unknown", "arguments": {}}' + END
G = START + '{"arguments": {}, "name": "g"}' + END


def streamed(text: str, size: int) -> tuple[str, list[dict]]:
    parser, deltas = StreamParser(TOOLS), []
    for start in range(0, len(text), size):
        deltas += parser.feed(text[start : start + size])
    content, calls = "", []
    for delta in deltas + parser.finish():
        match delta:
            case Text(text=piece):
                content += piece
            case CallStart(index=index, name=name):
                assert index == len(calls)
                calls.append({"name": name, "arguments": ""})
            case CallArguments(index=index, fragment=fragment):
                calls[index]["arguments"] += fragment
    return content, calls


@pytest.mark.parametrize(
    ("text", "content", "names"),
    [
        (F, None, ["f"]),
        (F + "\n" + G, None, ["f", "g"]),
        ("Let me see. " + F, "Let me see.", ["f"]),
        (G + " done", "done", ["g"]),
        (F.removesuffix(END), None, ["f"]),
        (START + '{"name": "f", "parameters": {"a": 1}}' + END, None, ["f"]),
        (START + '{"name": "f"}' + END, None, ["f"]),
        ("plain text", "plain text", []),
        ('{"name": "f", "arguments": {}}', '{"name": "f", "arguments": {}}', []),
        (UNKNOWN, UNKNOWN, []),
        (START + '{"name": "f", "arguments": "no"}' + END, START + '{"name": "f", "arguments": "no"}' + END, []),
        (START + '{"name": "f", "arguments": {"a', START + '{"name": "f", "arguments": {"a', []),
        (START, START, []),
        ("", None, []),
    ],
)
def test_calls_and_content_are_told_apart(text: str, content: str | None, names: list[str]) -> None:
    found, calls = parse(text, TOOLS)
    assert found == content
    assert [call["name"] for call in calls] == names
    assert all(isinstance(json.loads(call["arguments"]), dict) for call in calls)


def test_arguments_keep_the_text_that_the_model_wrote() -> None:
    text = START + '{"name": "f", "arguments": {"a": 1.50, "b": 1e3}}' + END
    assert parse(text, TOOLS)[1][0]["arguments"] == '{"a": 1.50, "b": 1e3}'


def test_deep_nesting_is_content_and_no_error() -> None:
    text = START + '{"name": "f", "arguments": {"a": ' + "[" * 100_000
    assert parse(text, TOOLS) == (text, [])


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("text", [F, F + "\n" + G, "Let me see. " + F, G + F, "1 < 2 <tool", START + "{oops", "plain"])
def test_pieces_of_any_size_give_what_the_whole_gives(text: str, size: int) -> None:
    content, calls = parse(text, TOOLS)
    found, found_calls = streamed(text, size)
    assert found_calls == calls
    assert found.strip() == (content or "").strip()


def test_arguments_arrive_while_they_are_written() -> None:
    parser = StreamParser(TOOLS)
    deltas = parser.feed(START + '{"name": "f", "arguments": {"city": "Ber')
    assert deltas == [CallStart(0, "f"), CallArguments(0, '{"city": "Ber')]


@given(st.text(alphabet='<>tool_ca/{}[]":,fname argus0\\', max_size=60), st.integers(1, 9))
def test_no_text_makes_the_parsers_fail_or_lose_letters(text: str, size: int) -> None:
    content, calls = parse(text, TOOLS)
    if not calls:
        assert (content or "") == text
    streamed(text, size)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), json_values, max_size=4), st.integers(1, 20))
def test_any_arguments_survive_writing_and_reading(arguments: dict, size: int) -> None:
    text = START + json.dumps({"name": "f", "arguments": arguments}, ensure_ascii=False) + END
    content, calls = parse(text, TOOLS)
    assert content is None and json.loads(calls[0]["arguments"]) == arguments
    assert streamed(text, size) == ("", calls)
