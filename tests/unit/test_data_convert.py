"""Rows in xLAM's style, one peculiarity each: what becomes of them."""

import json
import math
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from helpers import data
from helpers.data import jsonl
from helpers.data.names import legal_name, legal_names

FIXTURE = Path(__file__).resolve().parents[1] / "fixtures" / "xlam_rows.jsonl"
RAW = {row["id"]: row for row in jsonl.read(FIXTURE)}

NAME, CAST, DEFAULT_CAST = "tool name made legal", "argument cast to its type", "default cast to its type"
DEFAULT_REMOVED, REDACTED = "default of the wrong type removed", "credential-like default redacted"
REPAIRED = {
    "int-optional": {DEFAULT_CAST},
    "default-castable": {DEFAULT_CAST},
    "default-wrong-type": {DEFAULT_REMOVED},
    "nan-default": {DEFAULT_REMOVED},
    "dots-in-names": {NAME},
    "spaces-in-names": {NAME},
    "long-name": {NAME},
    "colliding-names": {NAME},
    "non-english-name": {NAME},
    "non-english": {NAME},
    "listed-twice": {"tool listed twice"},
    "listed-twice-differently": {"tool listed twice, the first definition kept"},
    "castable-argument": {CAST},
    "castable-in-list": {CAST},
    "list-as-text": {CAST},
    "null-argument": {"null argument left out"},
    "credential-default": {REDACTED},
    "credential-in-answer": {REDACTED, "credential in the answer left out"},
}
DROPPED = {
    "not-listed": "call of a tool that is not listed",
    "missing-argument": "an argument is missing",
    "extra-argument": "an argument that the tool does not have",
    "lossy-argument": "an argument of the wrong type",
    "word-for-number": "an argument of the wrong type",
    "two-calls": "more than one tool call",
    "no-call": "no tool call",
    "no-tools": "no tools",
    "broken-answers": "not readable as JSON",
    "nan": "a number or text that is not JSON",
    "very-long": "too long",
    "nine-parameters": "a tool with too many parameters",
    "nine-parameters-unused": "a tool with too many parameters",
}
USABLE = sorted(RAW.keys() - DROPPED.keys())


def converted(name: str) -> data.ConvertedRow:
    return data.convert(RAW[name], limit_properties=8)


def parameters(name: str, tool: int = 0) -> dict:
    return converted(name).tools[tool]["function"]["parameters"]


def test_the_fixture_has_rows_for_every_peculiarity() -> None:
    assert len(RAW) >= 50
    assert REPAIRED.keys() | DROPPED.keys() <= RAW.keys()


@pytest.mark.parametrize("name", USABLE)
def test_a_usable_row_is_repaired_as_stated_and_fits_its_tool(name: str) -> None:
    row = converted(name)
    assert set(row.repairs) == REPAIRED.get(name, set())
    (tool,) = [tool["function"] for tool in row.tools if tool["function"]["name"] == row.name]
    Draft202012Validator.check_schema(tool["parameters"])
    Draft202012Validator(tool["parameters"] | {"additionalProperties": False}).validate(row.arguments)


@pytest.mark.parametrize("name", DROPPED)
def test_an_unusable_row_says_why(name: str) -> None:
    with pytest.raises(data.Dropped) as dropped:
        converted(name)
    assert dropped.value.reason == DROPPED[name]
    assert dropped.value.detail


@pytest.mark.parametrize("name", USABLE)
def test_converting_a_converted_row_changes_nothing(name: str) -> None:
    once = converted(name)
    for shape in (once.training_row(), once.evaluation_row()):
        again = data.convert(shape | {"id": once.id}, limit_properties=8)
        assert again.training_row() == once.training_row()
        assert again.repairs == ()


@pytest.mark.parametrize("name", USABLE)
def test_decoded_fields_and_json_text_mean_the_same(name: str) -> None:
    raw = RAW[name]
    opened = raw | {key: json.loads(raw[key]) for key in ("answers", "tools") if isinstance(raw[key], str)}
    closed = raw | {key: json.dumps(opened[key]) for key in ("answers", "tools")}
    assert data.convert(opened, limit_properties=8) == data.convert(closed, limit_properties=8) == converted(name)


def test_a_parameter_may_be_named_like_a_keyword_of_json_schema() -> None:
    assert parameters("type-named-type")["properties"]["type"]["type"] == "string"
    assert parameters("type-named-properties")["required"] == ["properties", "id"]
    assert parameters("type-named-default")["properties"]["default"]["type"] == "string"
    assert set(parameters("type-and-properties-named")["properties"]) == {"type", "properties"}


def test_required_is_what_is_not_optional_and_has_no_default() -> None:
    assert parameters("optional-int")["required"] == ["league"]
    assert parameters("default-in-type")["required"] == ["amount", "target"]
    assert parameters("default-sample")["required"] == []
    assert parameters("default-empty")["required"] == []
    assert parameters("default-empty-required")["required"] == ["icao"]
    assert parameters("default-none")["required"] == ["station"]
    assert parameters("default-wrong-type")["required"] == []


def test_a_default_is_of_its_type_and_never_empty() -> None:
    assert parameters("int-optional")["properties"]["amount"]["default"] == 2
    assert parameters("default-castable")["properties"]["exact"]["default"] is False
    assert parameters("default-in-type")["properties"]["source"]["default"] == "USD"
    for name in ("default-empty", "default-none", "default-wrong-type", "nan-default", "default-empty-required"):
        assert not any("default" in spec for spec in parameters(name)["properties"].values())


def test_a_credential_is_neither_in_the_tools_nor_in_the_answer() -> None:
    for name, secret in (("credential-default", "jsn4d5e6f7a8b9c"), ("credential-in-answer", "tok-93b1f5d8e2a74c60")):
        assert secret in json.dumps(RAW[name])
        assert secret not in json.dumps(converted(name).training_row())


def test_names_change_alike_in_tools_and_call_and_never_collide() -> None:
    for name in ("dots-in-names", "spaces-in-names", "long-name", "colliding-names", "non-english-name"):
        row = converted(name)
        assert row.name in row.tool_names
        assert len(set(row.tool_names)) == len(row.tools) == len(json.loads(RAW[name]["tools"]))
        assert all(legal_name(tool) == tool for tool in row.tool_names)
    assert converted("colliding-names").tool_names[0] == "light_on", "a legal name stays as it is"
    assert parameters("colliding-names", 1)["properties"].keys() == {"room"}
    assert converted("non-english").name == "meteo"


def test_names_that_become_alike_are_told_apart() -> None:
    names = ["a.b", "a b", "a_b", "a/b", "", "é", "e", "x" * 70, "x" * 71]
    legal = legal_names(names)
    assert len(set(legal.values())) == len(names)
    assert all(1 <= len(name) <= 64 for name in legal.values())


def test_values_are_cast_only_without_loss() -> None:
    row = converted("castable-argument")
    assert row.arguments == {"count": 3, "cheese": False, "size": "30"}
    assert converted("castable-in-list").arguments == {"numbers": [1, 2, 3]}
    assert converted("list-as-text").arguments == {"tags": ["sea", "sand"]}


def test_accepted_values_are_kept_in_the_type_of_the_argument() -> None:
    assert converted("accepted").accepted == {
        "city": ["New York", "New York City", "NYC"],
        "unit": ["C", "Celsius", ""],
    }
    raw = RAW["castable-argument"] | {"accepted": json.dumps({"count": ["3", 4], "size": [30, "", {}]})}
    assert data.convert(raw).accepted == {"count": [3, 4], "size": ["30", "", {}]}


def test_arguments_stand_in_the_order_of_the_schema() -> None:
    raw = RAW["accepted"] | {"answers": [{"name": "temperature", "arguments": {"unit": "C", "city": "New York"}}]}
    assert list(data.convert(raw).arguments) == ["city", "unit"]


def test_text_stays_readable_in_any_language() -> None:
    assert converted("non-english").query == "Quel temps fera-t-il à Liège demain ? 🌧"
    assert converted("non-english-name").arguments == {"城市": "北京"}


def test_a_chat_row_goes_through_the_same_checks() -> None:
    weather = {"name": "get.weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
    row = data.convert(
        {
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "user", "content": [{"type": "text", "text": "And in Oslo?"}]},
                {"role": "assistant", "content": None, "tool_calls": [call("get.weather", '{"city": 5}')]},
            ],
            "tools": [{"type": "function", "function": weather}],
        }
    )
    assert row.messages == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "And in Oslo?"}]
    assert (row.name, row.arguments) == ("get_weather", {"city": "5"})
    assert set(row.repairs) == {NAME, CAST}


def test_the_history_of_a_chat_row_is_kept_with_its_tools_renamed() -> None:
    tool = {"name": "f.g", "parameters": {"type": "object", "properties": {}}}
    earlier = {"role": "assistant", "content": "", "tool_calls": [{"id": "call-1"} | call("f.g", "{}")]}
    result = {"role": "tool", "tool_call_id": "call-1", "name": "f.g", "content": "done"}
    messages = [{"role": "user", "content": "go"}, earlier, result, {"role": "user", "content": "again"}]
    row = data.convert({"messages": messages, "tool_calls": [call("f.g", {})], "tools": [tool]})
    assert [message["role"] for message in row.messages] == ["user", "assistant", "tool", "user"]
    assert row.messages[1]["tool_calls"] == [{"id": "call-1"} | call("f_g", {})]
    assert row.messages[2]["name"] == "f_g"
    assert messages[1]["tool_calls"][0]["function"]["name"] == "f.g", "what was given stays as it was"


def call(name: str, arguments: object) -> dict:
    return {"type": "function", "function": {"name": name, "arguments": arguments}}


@pytest.mark.parametrize("raw", [None, 5, "text", [], {}, {"query": ""}, {"messages": []}, {"messages": [5]}, math.nan])
def test_anything_else_is_dropped_with_a_reason(raw: object) -> None:
    with pytest.raises(data.Dropped):
        data.convert(raw)


def test_deep_nesting_is_dropped_not_fatal() -> None:
    deep: list = []
    for _ in range(100_000):
        deep = [deep]
    for value in (deep, "[" * 100_000):
        with pytest.raises(data.Dropped):
            data.convert(
                {"query": "q", "answers": [{"name": "f", "arguments": {"x": value}}], "tools": [{"name": "f"}]}
            )
        with pytest.raises(data.Dropped):
            data.convert({"query": "q", "answers": value, "tools": value})
    while deep:
        deep = deep.pop()
