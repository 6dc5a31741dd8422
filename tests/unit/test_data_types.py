"""Type texts, as xLAM and BFCL write them, become JSON Schema."""

import pytest
from jsonschema import Draft202012Validator

from helpers.data.types import any_item, parse_type

NUMBER, INTEGER, TEXT = {"type": "number"}, {"type": "integer"}, {"type": "string"}


def array(items: dict, **more: int) -> dict:
    return {"type": "array", "items": items} | more


def mapping(values: dict | bool) -> dict:
    return {"type": "object", "properties": {}, "additionalProperties": values}


TABLE = {
    "str": (TEXT, False),
    "int": (INTEGER, False),
    "float": (NUMBER, False),
    "bool": ({"type": "boolean"}, False),
    "string": (TEXT, False),
    "int, optional": (INTEGER, True),
    "str, Optional": (TEXT, True),
    "integer (optional)": (INTEGER, True),
    "Optional[int]": (INTEGER, True),
    "Optional[List[str]]": (array(TEXT), True),
    "List[str]": (array(TEXT), False),
    "list[int]": (array(INTEGER), False),
    "typing.List[int]": (array(INTEGER), False),
    "List[Union[int, float]]": (array(NUMBER), False),
    "List[Union[int, str]]": (array({"anyOf": [INTEGER, TEXT]}), False),
    "List[List[int]]": (array(array(INTEGER)), False),
    "List[Tuple[float, float]]": (array(array(NUMBER, minItems=2, maxItems=2)), False),
    "List[Dict[str, Union[int, str]]]": (array(mapping({"anyOf": [INTEGER, TEXT]})), False),
    "List[Any]": (array(any_item()), False),
    "Dict[str, Any]": (mapping(True), False),
    "Dict[str, int]": (mapping(INTEGER), False),
    "Dict[str, List[float]], optional": (mapping(array(NUMBER)), True),
    "Tuple[float, float]": (array(NUMBER, minItems=2, maxItems=2), False),
    "Tuple[int, ...]": (array(INTEGER), False),
    "Tuple[int, str, str]": (array({"anyOf": [INTEGER, TEXT]}, minItems=3, maxItems=3), False),
    "Set[int]": (array(INTEGER), False),
    "Callable[[float], float]": (TEXT, False),
    "Union[int, float]": (NUMBER, False),
    "Union[str, int]": (TEXT, False),
    "Union[int, None]": (INTEGER, True),
    "int | None": (INTEGER, True),
    "int or float": (NUMBER, False),
    "list": (array(any_item()), False),
    "dict": (mapping(True), False),
    "tuple": (array(any_item()), False),
    "any": (TEXT, False),
    "list of strings": (array(TEXT), False),
    "int[]": (array(INTEGER), False),
    "array<number>": (array(NUMBER), False),
    "Literal['a', 'b']": ({"type": "string", "enum": ["a", "b"]}, False),
    "Literal[1, 2]": ({"type": "integer", "enum": [1, 2]}, False),
    "datetime.date": (TEXT, False),
    "np.ndarray": (TEXT, False),
    "Frobnicator": (TEXT, False),
    "": (TEXT, False),
    "List[": (TEXT, False),
    "]]]],,,": (TEXT, False),
}


@pytest.mark.parametrize("text", TABLE, ids=lambda text: text or "empty")
def test_a_type_text_becomes_the_schema_it_means(text: str) -> None:
    parsed = parse_type(text)
    assert (parsed.schema, parsed.optional) == TABLE[text]
    Draft202012Validator.check_schema(parsed.schema)


@pytest.mark.parametrize(
    ("text", "default"),
    [
        ("str, default 'x'", "x"),
        ("str, default='a, b'", "a, b"),
        ("int, default 10", 10),
        ("bool, defaults to True", True),
        ("float, optional, default: 0.5", 0.5),
        ("List[int], default [1, 2]", [1, 2]),
        ("str, default is celsius", "celsius"),
        ("int, optional", None),
    ],
)
def test_a_default_inside_the_type_is_found_and_makes_it_optional(text: str, default: object) -> None:
    parsed = parse_type(text)
    assert parsed.default == default
    assert parsed.optional


def test_a_type_text_of_any_length_is_answered_at_once() -> None:
    assert parse_type("List[" * 100_000).schema == TEXT
