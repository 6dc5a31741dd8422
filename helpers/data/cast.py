"""Values of the wrong type that can be cast without loss: "5" for an integer, 5 for text, a JSON list written as text.

Nothing is rounded, guessed or translated: "5.5" is no integer, "yes" no truth value, and a word that misses its enum
stays as it is. Values that fit are returned unchanged.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection
from typing import Any

_INTEGER = re.compile(r"[+-]?\d{1,18}")
_NUMBER = re.compile(r"[+-]?(\d{1,15}(\.\d{0,15})?|\.\d{1,15})([eE][+-]?\d{1,2})?")

_LONGEST_INTEGER = 1024  # bits; longer ones become infinite in readers that keep numbers as floats


class CannotCast(ValueError):
    """The value has another type, and casting it would lose or invent something."""


def is_number(value: Any) -> bool:
    """A finite JSON number; True and False are none."""
    if isinstance(value, float):
        return math.isfinite(value)
    return isinstance(value, int) and not isinstance(value, bool)


def is_json(value: Any) -> bool:
    """Whether `value` can be written as JSON text: no NaN, no infinity, text that is Unicode, keys that are text."""
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, str):
        return value.isascii() or not any("\ud800" <= sign <= "\udfff" for sign in value)
    if isinstance(value, list):
        return all(map(is_json, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and is_json(key) and is_json(member) for key, member in value.items())
    return value is None or (isinstance(value, int) and value.bit_length() < _LONGEST_INTEGER)


def differs(one: Any, other: Any) -> bool:
    """Whether two JSON values differ in value or type (Python's 1 == 1.0 == True does not count as equal)."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() != other.keys() or any(differs(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) != len(other) or any(map(differs, one, other))
    return type(one) is not type(other) or one != other


def cast(value: Any, schema: dict[str, Any]) -> Any:
    """`value` in the type that `schema` asks for.

    Raises CannotCast. Checks types only; enums and bounds are the validator's.
    """
    if "anyOf" in schema:
        return _cast_any(value, schema["anyOf"])
    kind = schema.get("type")
    if kind == "string":
        return _text(value, schema.get("enum", ()))
    if kind == "integer":
        return _integer(value)
    if kind == "number":
        return _number(value)
    if kind == "boolean":
        return _boolean(value)
    if kind == "array":
        return [cast(item, schema.get("items", {})) for item in _decoded(value, list)]
    if kind == "object":
        return _object(_decoded(value, dict), schema)
    return value


def _cast_any(value: Any, alternatives: list[dict[str, Any]]) -> Any:
    """The first alternative that takes the value as it is, else the first it can be cast to."""
    casts = []
    for schema in alternatives:
        try:
            casts.append(cast(value, schema))
        except CannotCast:
            continue
        if not differs(casts[-1], value):
            return casts[-1]
    if not casts:
        raise CannotCast("fits none of the allowed types")
    return casts[0]


def _text(value: Any, words: Collection[str]) -> str:
    """Text as it is; a number or truth value as JSON writes it, or as Python does if `words` have it that way."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or is_number(value):
        return str(value) if str(value) in words else json.dumps(value)
    raise CannotCast(f"a {_name(value)} where text belongs")


def _integer(value: Any) -> int | float:
    if is_number(value) and (isinstance(value, int) or value.is_integer()):
        return value
    if isinstance(value, str) and _INTEGER.fullmatch(value.strip()):
        return int(value)
    raise CannotCast(f"a {_name(value)} where an integer belongs")


def _number(value: Any) -> int | float:
    if is_number(value):
        return value
    if isinstance(value, str) and _INTEGER.fullmatch(value.strip()):
        return int(value)
    if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
        return float(value)
    raise CannotCast(f"a {_name(value)} where a number belongs")


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().lower() in ("true", "false"):
        return value.strip().lower() == "true"
    raise CannotCast(f"a {_name(value)} where a truth value belongs")


def _object(value: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    members, more = schema.get("properties", {}), schema.get("additionalProperties")
    rest = more if isinstance(more, dict) else {}
    return {key: cast(member, members.get(key, rest)) for key, member in value.items()}


def _decoded(value: Any, kind: type) -> Any:
    """A list or object that is there, or that is written as JSON text."""
    if isinstance(value, kind):
        return value
    if isinstance(value, str):
        try:
            decoded = json.loads(value)
        except (ValueError, RecursionError):
            decoded = None
        if isinstance(decoded, kind) and is_json(decoded):
            return decoded
    raise CannotCast(f"a {_name(value)} where a {'list' if kind is list else 'JSON object'} belongs")


def _name(value: Any) -> str:
    if isinstance(value, float) and math.isfinite(value):
        return "fraction"
    names = {str: "text", bool: "truth value", int: "number", float: "NaN", list: "list", dict: "JSON object"}
    return names.get(type(value), "null")
