"""The prompt template: what the model reads and what it is to write."""

import json

from local_nemo.lm import prompt, tool_calls

WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather\nof a day.",
        "parameters": {
            "type": "object",
            "properties": {
                "location": {"type": "string", "description": "City"},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"},
                "hours": {"type": "array", "items": {"type": "integer"}},
            },
            "required": ["location"],
        },
    },
}
ASK = {"role": "user", "content": "Weather in Berlin?"}


def call(name: str, arguments: object) -> dict:
    return {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": name, "arguments": arguments}}]}


def test_types_enum_words_defaults_and_optional_marks_are_all_written() -> None:
    text = prompt.render_tools([WEATHER])
    assert "# get_weather. The weather of a day." in text
    assert "- location: string. City" in text
    assert '- unit?: "celsius" | "fahrenheit" = "celsius"' in text
    assert "- hours?: integer[]" in text


def test_arguments_are_written_in_the_order_of_the_schema_and_unknown_ones_last() -> None:
    answer = prompt.render_answer(call("get_weather", {"more": 1, "unit": "celsius", "location": "Berlin"}), [WEATHER])
    expected = '{"name": "get_weather", "arguments": {"location": "Berlin", "unit": "celsius", "more": 1}}'
    assert answer == tool_calls.START + expected + tool_calls.END


def test_arguments_as_json_text_and_as_an_object_are_the_same_answer() -> None:
    arguments = {"location": "Zürich"}
    as_text = prompt.render_answer(call("get_weather", json.dumps(arguments)), [WEATHER])
    assert as_text == prompt.render_answer(call("get_weather", arguments), [WEATHER])
    assert "Zürich" in as_text


def test_what_is_written_is_read_back_as_the_same_call() -> None:
    arguments = {"location": 'Ber}"</tool_call>lin\n', "hours": [1, 2]}
    content, calls = tool_calls.parse(prompt.render_answer(call("get_weather", arguments), [WEATHER]), [WEATHER])
    assert content is None
    assert [(one["name"], json.loads(one["arguments"])) for one in calls] == [("get_weather", arguments)]


def test_tools_go_into_the_system_message_after_the_callers_own_text() -> None:
    messages = prompt.plain_messages([{"role": "system", "content": "Be brief."}, ASK], [WEATHER])
    assert [message["role"] for message in messages] == ["system", "user"]
    assert messages[0]["content"].startswith("Be brief.\nFunctions:")


def test_choice_none_shows_no_tool_and_a_named_choice_shows_that_tool_alone() -> None:
    other = {"type": "function", "function": {"name": "other"}}
    assert prompt.plain_messages([ASK], [WEATHER, other], "none") == [ASK]
    named = {"type": "function", "function": {"name": "other"}}
    system = prompt.plain_messages([ASK], [WEATHER, other], named)[0]["content"]
    assert "# other" in system and "get_weather" not in system


def test_a_history_with_calls_and_results_becomes_plain_turns() -> None:
    history = [ASK, call("get_weather", {"location": "Berlin"}), {"role": "tool", "content": "12 degrees"}]
    plain = prompt.plain_messages(history, None)
    assert [message["role"] for message in plain] == ["user", "assistant", "user"]
    assert "get_weather" in plain[1]["content"] and "12 degrees" in plain[2]["content"]


def test_odd_schemas_are_written_without_failing() -> None:
    deep: dict = {"type": "string"}
    for _ in range(100):
        deep = {"type": "object", "properties": {"inner": deep}}
    properties = {
        "list": {"type": "array"}, "object": {"type": "object"},
        "either": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "types": {"type": ["string", "null"]}, "none": {}, "odd": None, "deep": deep,
        "many": {"enum": list(range(1000))},
    }  # fmt: skip
    odd = {"function": {"name": "odd", "parameters": {"properties": properties}}}
    text = prompt.render_tools([odd, {"name": "bare"}])
    assert "- either?: string | null" in text and "# bare" in text
    assert len(text) < 2000
