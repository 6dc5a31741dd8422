"""What holds for any JSON: conversion never crashes, what it keeps is valid, and doing it twice changes nothing."""

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from jsonschema import Draft202012Validator

from helpers import data
from helpers.data import cast
from helpers.data.names import LEGAL, legal_names
from helpers.data.schema import parameter
from helpers.data.types import parse_type

bounded = settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.too_slow], derandomize=True)

words = some.sampled_from(
    [
        "type",
        "properties",
        "default",
        "required",
        "items",
        "enum",
        "city",
        "a.b",
        "",
        "名前",
        "anyOf",
        "description",
        "format",
    ]
)
type_texts = some.sampled_from(
    ["str", "int", "float", "bool", "list", "dict", "any", "tuple", "object", "null", "int, optional", "Optional[str]"]
    + ["List[int]", "Dict[str, float]", "Tuple[int, str]", "Union[int, List[str]]", "str, default 'x'", "date", "[["]
)
scalars = some.none() | some.booleans() | some.integers() | some.floats() | some.text(max_size=8) | type_texts | words
anything = some.recursive(
    scalars, lambda inner: some.lists(inner, max_size=3) | some.dictionaries(words, inner, max_size=4), max_leaves=12
)
specs = some.recursive(
    type_texts | anything,
    lambda inner: some.fixed_dictionaries(
        {"type": type_texts},
        optional={
            "default": anything,
            "enum": some.lists(scalars, max_size=4),
            "items": inner,
            "properties": some.dictionaries(words, inner, max_size=3),
            "required": some.lists(words, max_size=3) | some.booleans(),
            "additionalProperties": inner | some.booleans(),
            "anyOf": some.lists(inner, max_size=3),
            "minimum": scalars,
            "maxLength": scalars,
            "pattern": scalars,
            "description": scalars,
        },
    ),
    max_leaves=6,
)
tools = some.fixed_dictionaries({"name": words.filter(bool), "parameters": some.dictionaries(words, specs, max_size=4)})
calls = some.fixed_dictionaries({"name": words, "arguments": some.dictionaries(words, anything, max_size=4)})
text_or_json = some.booleans()
mostly = some.sampled_from([True, True, True, False])


@some.composite
def rows(draw: some.DrawFn) -> dict[str, Any]:
    """xLAM's shape with plausible and implausible contents; the call is mostly of a listed tool."""
    listed = draw(some.lists(tools, min_size=1, max_size=3))
    call = draw(calls)
    if draw(mostly):
        called = draw(some.sampled_from(listed))
        expected = {name: draw(anything) for name in called["parameters"] if draw(mostly)}
        call = {"name": called["name"], "arguments": expected}
    fields = {"answers": [call], "tools": listed}
    fields = {key: json.dumps(value) if draw(text_or_json) else value for key, value in fields.items()}
    return {"id": 1, "query": draw(some.text(min_size=1, max_size=40)), **fields}


def kept(raw: Any) -> data.ConvertedRow | None:
    try:
        return data.convert(raw)
    except data.Dropped as dropped:
        assert dropped.reason
        return None


@bounded
@given(anything)
def test_conversion_of_any_json_ends_in_a_row_or_a_reason(raw: Any) -> None:
    kept(raw)


@bounded
@given(some.fixed_dictionaries({"query": anything, "answers": anything, "tools": anything, "accepted": anything}))
def test_conversion_of_any_fields_ends_in_a_row_or_a_reason(raw: Any) -> None:
    kept(raw)


@bounded
@given(some.fixed_dictionaries({"messages": some.lists(anything, max_size=3), "tools": some.lists(tools, max_size=2)}))
def test_conversion_of_any_messages_ends_in_a_row_or_a_reason(raw: Any) -> None:
    kept(raw)


@settings(bounded, max_examples=150)
@given(rows())
def test_a_kept_or_repaired_row_is_valid_json_and_fits_its_tool(raw: dict[str, Any]) -> None:
    row = kept(raw)
    if row is None:
        return
    assert json.loads(json.dumps(row.training_row(), allow_nan=False)) == row.training_row()
    row.training_row()["messages"][0]["content"].encode("utf-8")
    assert len(set(row.tool_names)) == len(row.tools)
    for tool in row.tools:
        schema = tool["function"]["parameters"]
        assert LEGAL.fullmatch(tool["function"]["name"])
        Draft202012Validator.check_schema(schema)
        assert all(isinstance(spec["type"], str) for spec in schema["properties"].values())
        if tool["function"]["name"] == row.name:
            Draft202012Validator({"additionalProperties": False} | schema).validate(row.arguments)


@settings(bounded, max_examples=150)
@given(rows())
def test_converting_twice_changes_nothing(raw: dict[str, Any]) -> None:
    once = kept(raw)
    if once is not None:
        again = data.convert(once.training_row())
        assert again.training_row() == once.training_row()
        assert again.repairs == ()


@settings(bounded, max_examples=150)
@given(words, specs)
def test_any_description_of_a_parameter_becomes_a_valid_schema_once_and_for_all(name: str, spec: Any) -> None:
    once = parameter(name, spec).schema
    Draft202012Validator.check_schema(once)
    again = parameter(name, once)
    assert not cast.differs(again.schema, once)
    assert not again.repairs


@bounded
@given(some.text(alphabet="ListDctOpionaUrsf[](),'\"| .=5", max_size=40))
def test_any_type_text_becomes_a_valid_schema(text: str) -> None:
    Draft202012Validator.check_schema(parse_type(text).schema)


@bounded
@given(anything, specs)
def test_casting_twice_changes_nothing(value: Any, spec: Any) -> None:
    schema = parameter("x", spec).schema
    try:
        once = cast.cast(value, schema)
    except cast.CannotCast:
        return
    assert not cast.differs(cast.cast(once, schema), once) or not cast.is_json(once)


@bounded
@given(some.lists(some.text(max_size=80), unique=True, max_size=8))
def test_any_names_become_legal_and_distinct(names: list[str]) -> None:
    legal = legal_names(names)
    assert len(set(legal.values())) == len(names)
    assert all(LEGAL.fullmatch(name) for name in legal.values())
