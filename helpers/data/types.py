"""From the type words of tool-calling data to JSON Schema.

xLAM writes Python-like types as text: `List[Union[int, float]]`, `Optional[str]`, `int, optional`, `str, default 'x'`.
BFCL writes JSON Schema with its own words (`dict`, `float`, `tuple`, `any`). Both come through `parse_type`, which
never fails: a word it does not know means text, as in the published tutorial.

Every schema of a *parameter* has one word under `type` (NeMo Customizer asks for it), so a union of different types
takes the widest member. Items of a list may use `anyOf`. A list always has `items`, an object always says what it may
hold: without them NIM can take half a minute for one call.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

WORDS = {
    "string": "str string text char varchar uuid url uri email path bytes callable function datetime date time "
    "timestamp timedelta any unknown type",
    "integer": "int integer long short byte bigint int32 int64 uint",
    "number": "float double number decimal numeric float32 float64 real",
    "boolean": "bool boolean",
    "array": "list array sequence iterable collection tuple set frozenset arraylist",
    "object": "dict dictionary object mapping map hashmap hashtable json record struct",
    "null": "none null nonetype void",
}
_KIND = {word: kind for kind, words in WORDS.items() for word in words.split()}
_OPEN, _CLOSE = "[(<{", "])>}"
_LONGEST_TYPE = 400


@dataclass(frozen=True)
class ParsedType:
    """A JSON Schema for the values, whether the parameter may be left out, and a default named inside the type."""

    schema: dict[str, Any] = field(hash=False)
    optional: bool = False
    default: Any = None


def any_item() -> dict[str, Any]:
    """The schema of a list's items when nothing is said about them: any text, number or truth value."""
    return {"anyOf": [{"type": "string"}, {"type": "number"}, {"type": "boolean"}]}


def split_outside_brackets(text: str, separator: str) -> list[str]:
    """Parts of `text` between separators that are inside no bracket and no quotes."""
    parts, depth, quote, start = [], 0, "", 0
    for position, sign in enumerate(text):
        if quote:
            quote = "" if sign == quote else quote
        elif sign in "'\"":
            quote = sign
        elif sign in _OPEN:
            depth += 1
        elif sign in _CLOSE:
            depth -= 1
        elif sign == separator and depth <= 0:
            parts.append(text[start:position].strip())
            start = position + 1
    return [*parts, text[start:].strip()]


@lru_cache(maxsize=8192)
def parse_type(text: str) -> ParsedType:
    """What a type text says. Never raises: unknown words, unbalanced brackets and very long texts mean a string."""
    if len(text) > _LONGEST_TYPE:
        return ParsedType({"type": "string"})
    text = re.sub(r"\(\s*optional\s*\)", ", optional", text.strip(), flags=re.IGNORECASE)
    first, *modifiers = split_outside_brackets(text, ",")
    schemas = _members(first)
    optional = any(schema == {"type": "null"} for schema in schemas)
    default = None
    for modifier in modifiers:
        if modifier.lower().rstrip(".") in ("optional", "nullable", "not required"):
            optional = True
        elif found := re.match(r"defaults?\b(?:\s+(?:is|to|value))?\s*[=:]?\s*(.+)$", modifier, re.IGNORECASE):
            optional, default = True, _literal(found[1])
    return ParsedType(one_type(schemas), optional, default)


def one_type(schemas: list[dict[str, Any]]) -> dict[str, Any]:
    """The one schema of a parameter that may be any of `schemas`: numbers join, text is the widest, else the first."""
    distinct = distinct_types(schemas)
    if len(distinct) > 1:
        texts = [schema for schema in distinct if schema.get("type") == "string"]
        return {"type": "string"} if texts else distinct[0]
    return distinct[0] if distinct else {"type": "string"}


def distinct_types(schemas: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """`schemas` without null and repetitions; integer and number together are number."""
    distinct = []
    for schema in schemas:
        if schema.get("type") != "null" and schema not in distinct:
            distinct.append(schema)
    if {"type": "number"} in distinct:
        distinct = [schema for schema in distinct if schema != {"type": "integer"}]
    return distinct


def any_of(schemas: list[dict[str, Any]]) -> dict[str, Any]:
    """A schema that allows each of `schemas`, for places that need no `type`."""
    distinct = distinct_types(schemas)
    if not distinct:
        return any_item()
    return distinct[0] if len(distinct) == 1 else {"anyOf": distinct}


def _members(text: str) -> list[dict[str, Any]]:
    """The schemas of the alternatives in a type text without modifiers."""
    alternatives = [part for piece in split_outside_brackets(text, "|") for part in re.split(r"\s+or\s+", piece)]
    if len(alternatives) > 1 and all(part.count("[") == part.count("]") for part in alternatives):
        return [schema for part in alternatives for schema in _members(part)]
    name, inner = _name_and_inner(text)
    if name == "union":
        return [schema for part in inner for schema in _members(part)]
    if name in ("optional", "nullable"):
        return [*(schema for part in inner or ["str"] for schema in _members(part)), {"type": "null"}]
    if name in ("annotated", "final", "required"):
        return _members(inner[0]) if inner else [{"type": "string"}]
    return [_schema(name, inner)]


def _name_and_inner(text: str) -> tuple[str, list[str]]:
    """`Dict[str, int]` is ("dict", ["str", "int"]); "list of str" and `str[]` are ("list", ["str"])."""
    text = text.strip().strip("'\"").removeprefix("typing.")
    if text.endswith("[]"):
        return "list", [text[:-2]]
    if found := re.match(r"(list|array|set|tuple|sequence)s?\s+of\s+(.+)$", text, re.IGNORECASE):
        return found[1].lower(), [re.sub(r"(?<=[a-z])s$", "", found[2])]
    if found := re.match(r"([\w. ]+?)\s*[\[(<](.*)[\])>]$", text, re.DOTALL):
        inner = [part for part in split_outside_brackets(found[2], ",") if part]
        return found[1].split(".")[-1].lower(), inner
    return text.split(".")[-1].lower(), []


def _schema(name: str, inner: list[str]) -> dict[str, Any]:
    kind = _KIND.get(name) or _KIND.get(name.split(" ")[0], "string")
    if name == "literal":
        return _literal_schema([_literal(part) for part in inner])
    if kind == "array":
        return _array(name, inner)
    if kind == "object":
        values = any_of(_members(inner[1])) if len(inner) == 2 and not _is_any(inner[1]) else True
        return {"type": "object", "properties": {}, "additionalProperties": values}
    return {"type": kind}


def _array(name: str, inner: list[str]) -> dict[str, Any]:
    inner = [part for part in inner if part != "..."] if name == "tuple" else inner[:1]
    items = (
        any_item() if not inner or any(map(_is_any, inner)) else any_of([s for part in inner for s in _members(part)])
    )
    array: dict[str, Any] = {"type": "array", "items": items}
    if name == "tuple" and len(inner) > 1:
        array |= {"minItems": len(inner), "maxItems": len(inner)}
    return array


def _is_any(text: str) -> bool:
    return text.strip().removeprefix("typing.").lower() in ("any", "object", "unknown", "t")


def _literal_schema(values: list[Any]) -> dict[str, Any]:
    kinds = {type(value) for value in values}
    for kind, word in ((str, "string"), (bool, "boolean"), (int, "integer")):
        if kinds == {kind}:
            return {"type": word, "enum": values}
    return {"type": "string"}


def _literal(text: str) -> Any:
    """The value that a piece of text writes: `5`, `'x'`, `True`; a word without quotes is itself."""
    text = text.strip().rstrip(".")
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return {"true": True, "false": False}.get(text.lower(), text)
    return value if isinstance(value, str | int | float | bool | list | dict) else None
