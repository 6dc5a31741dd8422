"""Schemas are read, bounded and turned into grammars; what cannot guide an answer is refused with a reason, quickly."""

import json
import re
import time

import pytest

from local_nemo.lm.chat import ChatRequest
from local_nemo.lm.ebnf import Grammar
from local_nemo.lm.ebnf_rest import rest_after
from local_nemo.lm.errors import GrammarRefused, InvalidRequest
from local_nemo.lm.grammar import guide_for
from local_nemo.lm.regular_rules import literal
from local_nemo.lm.schema import read_schema
from local_nemo.lm.shapes import Array, Map, Object, Property, Text, Words

SOON_S = 3  # of this thread's computing: a second is meant, the collector of a long test session may take another

MESSAGES = [{"role": "user", "content": "hi"}]


def tool(parameters: dict | None, name: str = "f") -> dict:
    function = {"name": name} if parameters is None else {"name": name, "parameters": parameters}
    return {"type": "function", "function": function}


def guide(**fields):
    return guide_for(ChatRequest("m", MESSAGES, **fields))


def nested(depth: int) -> dict:
    schema: dict = {"type": "string"}
    for _ in range(depth):
        schema = {"type": "object", "properties": {"n": schema}, "required": ["n"]}
    return schema


def test_a_required_property_of_a_known_type_becomes_an_object_shape():
    shape, _ = read_schema({"type": "object", "properties": {"a": {"type": "boolean"}}, "required": ["a"]})
    assert shape == Object((Property("a", Words(("true", "false")), True),))


def test_properties_keep_the_order_of_the_schema():
    shape, _ = read_schema({"type": "object", "properties": {"z": {"type": "null"}, "a": {"type": "null"}}})
    assert [one.name for one in shape.properties] == ["z", "a"]


def test_an_object_without_properties_takes_any_and_an_empty_list_of_properties_takes_none():
    assert isinstance(read_schema({"type": "object"})[0], Map)
    assert read_schema({"type": "object", "properties": {}})[0] == Object(())


def test_an_array_without_items_is_bounded():
    shape, _ = read_schema({"type": "array"})
    assert isinstance(shape, Array) and shape.most == 64


def test_references_and_all_of_are_resolved():
    schema = {
        "$defs": {"word": {"type": "string", "maxLength": 3}},
        "allOf": [{"type": "object", "properties": {"a": {"$ref": "#/$defs/word"}}}, {"required": ["a"]}],
    }
    assert read_schema(schema)[0] == Object((Property("a", Text(0, 3), True),))


def test_a_recursive_schema_ends():
    tree = {
        "type": "object",
        "properties": {"value": {"type": "integer"}, "next": {"$ref": "#"}},
        "required": ["value"],
    }
    assert isinstance(read_schema(tree)[0], Object)


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        ({"type": "float"}, "has the type 'float'"),
        ({"type": "object", "properties": {"a": {"not": {"type": "string"}}}}, "uses 'not'"),
        ({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}, "contains itself without end"),
        ({"type": "integer", "minimum": 5, "maximum": 2}, "no integer lies between"),
        ({"type": "string", "minLength": 5, "maxLength": 2}, "minLength is 5 and maxLength 2"),
        ({"type": "array", "minItems": 5, "maxItems": 2}, "needs 5 items"),
        ({"enum": []}, "at least one entry"),
        ({"type": "string", "enum": [1, 2]}, "no enum value has the type"),
        ({"type": "object", "properties": {}, "required": ["a"], "additionalProperties": False}, "'a' is required"),
        ({"allOf": [{"type": "string"}, {"type": "integer"}]}, "contradict each other in 'type'"),
        ({"type": "object", "properties": [1]}, "properties is an object"),
        ({"$ref": "http://somewhere/else"}, "only parts of the same schema"),
        ({"$ref": "#/$defs/missing"}, "not in the schema"),
        ({"type": "string", "pattern": "(a"}, "no regular expression"),
        ({"type": "string", "pattern": "(?=a)b"}, "cannot guide an answer"),
        ({"type": "object", "minProperties": "many"}, "number of 0 or more"),
        (nested(40), "too large"),
        ({"enum": [str(i) for i in range(3000)]}, "up to 2000"),
        ({"type": "object", "properties": {f"p{i}": {"type": "string"} for i in range(4000)}}, "too large"),
        (["no", "schema"], "a JSON Schema is an object"),
    ],
)
def test_what_cannot_guide_an_answer_is_refused_soon_with_the_reason(schema, reason):
    started = time.thread_time()
    with pytest.raises(GrammarRefused, match=re.escape(reason)):
        read_schema(schema)
    assert time.thread_time() - started < SOON_S


def test_an_impossible_optional_property_is_left_out():
    schema = {"type": "object", "properties": {"a": False, "b": {"type": "null"}}}
    assert [one.name for one in read_schema(schema)[0].properties] == ["b"]


def test_forty_tools_with_many_parameters_are_read_soon():
    parameters = {"type": "object", "properties": {f"p{i}": {"type": "string"} for i in range(20)}}
    started = time.thread_time()
    made = guide(tools=[tool(parameters, f"t{i}") for i in range(40)], tool_choice="auto")
    assert len(made.calls) == 40
    assert time.thread_time() - started < SOON_S


def test_tools_that_are_too_large_together_are_refused():
    parameters = {"type": "object", "properties": {f"p{i}": {"type": "string"} for i in range(300)}}
    with pytest.raises(GrammarRefused, match="offer fewer of them"):
        guide(tools=[tool(parameters, f"t{i}") for i in range(40)], tool_choice="auto")


def test_arguments_must_be_an_object():
    with pytest.raises(GrammarRefused, match="describes no object"):
        guide(tools=[tool({"type": "string"})], tool_choice="auto")


def test_a_tool_without_parameters_takes_no_arguments():
    made = guide(tools=[tool(None)], tool_choice="required")
    assert made.calls[0].shape == Object(())


def test_a_named_choice_allows_that_tool_alone():
    named = {"type": "function", "function": {"name": "b"}}
    made = guide(tools=[tool(None, "a"), tool(None, "b")], tool_choice=named)
    assert '\\"b\\"' in made.whole and '\\"a\\"' not in made.whole


def test_nothing_guides_a_plain_answer():
    assert guide() is None
    assert guide(tools=[tool(None)], tool_choice="none") is None
    assert guide(response_format={"type": "text"}) is None


@pytest.mark.parametrize(
    "fields",
    [
        {"response_format": {"type": "yaml"}},
        {"response_format": {"type": "json_schema"}},
        {"guided": {"guided_grammar": "root ::= x"}},
        {"guided": {"guided_choice": []}},
        {"guided": {"guided_json": "{"}},
        {"guided": {"guided_json": {}}, "response_format": {"type": "json_object"}},
        {"guided": {"guided_json": {}}, "tools": [tool(None)], "tool_choice": "required"},
    ],
)
def test_guides_that_cannot_be_followed_are_refused(fields):
    with pytest.raises(InvalidRequest):
        guide(**fields)


def test_a_literal_survives_quotes_backslashes_and_control_characters():
    assert literal('a"b\\c\nd\x01') == '"a\\"b\\\\c\\nd\\u0001"'


def test_what_follows_a_closed_string_is_known():
    inner = Object((Property("t", Text(), True), Property("u", Text(), False)))
    shape = Object((Property("list", Array(inner, 1, 5), True), Property("n", Words(("1",)), True)))
    grammar = Grammar()
    found = rest_after(shape, '{"list": [{"t": "abc', grammar)
    rules = grammar.text(" ".join(found.rest))
    assert found.text == Text()
    assert '"]"' in rules.splitlines()[0], "the array closes as soon as it may"
    assert '\\"n\\": ' in rules


@pytest.mark.parametrize("text", ['{"list": [{"t": "abc"', '{"list": [{"t": 5', "nothing", '{"other": "'])
def test_only_an_open_string_can_be_closed(text):
    shape = Object((Property("list", Array(Object((Property("t", Text(), True),)), 1, 5), True),))
    assert rest_after(shape, text, Grammar()) is None


def test_grammars_of_a_schema_are_made_once():
    parameters = {"type": "object", "properties": {"a": {"enum": [f"w{i}" for i in range(1000)]}}}
    guide(tools=[tool(parameters)], tool_choice="auto")
    started = time.thread_time()
    guide(tools=[tool(json.loads(json.dumps(parameters)))], tool_choice="auto")
    assert time.thread_time() - started < 0.1
