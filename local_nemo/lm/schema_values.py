"""The leaves of a schema: texts with a length or a pattern, and the words of `const` and `enum`."""

from __future__ import annotations

import json
from typing import Any

from .errors import GrammarRefused
from .patterns import regex_to_regular
from .schema_numbers import Impossible, read_count
from .shapes import Text, Words

SHORTEST_TEXT = 20  # longer `minLength` would make the grammar slow
MAX_ENUM = 2000


def read_text(schema: dict, where: str) -> Text:
    """What a schema of type string allows. Raises GrammarRefused, Impossible."""
    shortest, longest = read_count(schema, "minLength", 0, where), read_count(schema, "maxLength", None, where)
    if longest is not None and longest < shortest:
        raise Impossible(f"{where}: minLength is {shortest} and maxLength {longest}")
    if shortest > SHORTEST_TEXT:
        raise GrammarRefused(f"{where} has minLength {shortest}; up to {SHORTEST_TEXT} can guide an answer.")
    pattern = schema.get("pattern")
    if pattern is None:
        return Text(shortest, longest)
    if not isinstance(pattern, str):
        raise GrammarRefused(f"{where} has the pattern {pattern!r}, which is no text.")
    if shortest or longest is not None:
        raise GrammarRefused(f"{where} has a pattern and a length; a grammar can keep one of them.")
    return Text(pattern=regex_to_regular(pattern, whole=False))


def read_words(schema: dict, where: str) -> Words:
    """The values of `const` or `enum` that fit the schema. Raises GrammarRefused, Impossible."""
    values = [schema["const"]] if "const" in schema else read_list(schema, "enum", where)
    if len(values) > MAX_ENUM:
        raise GrammarRefused(f"{where} has {len(values)} enum values; up to {MAX_ENUM} can guide an answer.")
    fitting = [value for value in values if _fits(value, schema)]
    if not fitting:
        raise Impossible(f"{where}: no enum value has the type {schema.get('type')!r}")
    return Words(tuple(dict.fromkeys(json.dumps(value, ensure_ascii=False) for value in fitting)))


def read_list(schema: dict, key: str, where: str) -> list:
    """A keyword's list, which must have entries. Raises GrammarRefused."""
    value = schema[key]
    if not isinstance(value, list) or not value:
        raise GrammarRefused(f"{where}: {key} is {str(value)[:100]!r}; it is a list with at least one entry.")
    return value


def _fits(value: Any, schema: dict) -> bool:
    """Whether an enum value satisfies the schema's other simple constraints."""
    kinds = schema.get("type")
    if "enum" in schema and "const" in schema and value not in schema["enum"]:
        return False
    if kinds is None or schema.get("nullable") is True and value is None:
        return True
    names = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer", float: "number"}
    kind = "null" if value is None else names.get(type(value), "")
    if kind == "float" or kind == "number" and float(value).is_integer():
        kind = "integer"
    kinds = kinds if isinstance(kinds, list) else [kinds]
    return kind in kinds or kind == "integer" and "number" in kinds or "any" in kinds
