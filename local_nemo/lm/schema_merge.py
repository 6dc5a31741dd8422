"""Several JSON Schemas that must all hold, as one: what `allOf`, and keywords beside `anyOf` or `$ref`, mean."""

from __future__ import annotations

from typing import Any

from .errors import GrammarRefused

ANNOTATIONS = (
    "title",
    "description",
    "default",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
    "format",
    "$comment",
)
LOWER = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
UPPER = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")


def merged(schemas: list[Any], where: str) -> Any:
    """One schema that is satisfied by what satisfies all. Raises GrammarRefused where that cannot be written."""
    result: dict[str, Any] = {}
    for schema in schemas:
        if schema is True:
            continue
        if schema is False:
            return False
        if not isinstance(schema, dict):
            raise GrammarRefused(f"{where} has {schema!r} where a schema belongs.")
        for key, value in schema.items():
            result[key] = _both(key, result[key], value, where) if key in result else value
    return result


def _both(key: str, one: Any, other: Any, where: str) -> Any:
    if one == other or key in ANNOTATIONS:
        return other
    if key == "properties":
        return one | {name: merged([one[name], part], where) if name in one else part for name, part in other.items()}
    if key == "required":
        return list(dict.fromkeys([*one, *other]))
    if key in ("$defs", "definitions"):
        return one | other
    if key == "enum":
        return [value for value in one if value in other] or _contradiction(key, where)
    if key == "type":
        return _types(one, other) or _contradiction(key, where)
    if key in LOWER:
        return max(one, other)
    if key in UPPER:
        return min(one, other)
    if key == "additionalProperties" and (one is False or other is False):
        return False
    if key in ("items", "additionalProperties"):
        return merged([one, other], where)
    if key == "uniqueItems":
        return one or other
    if key in ("anyOf", "oneOf", "allOf"):
        raise GrammarRefused(f"{where} combines {key} with another {key}; that cannot guide an answer.")
    return _contradiction(key, where)


def _types(one: Any, other: Any) -> list[str]:
    first, second = (kind if isinstance(kind, list) else [kind] for kind in (one, other))
    common = [kind for kind in first if kind in second]
    if "integer" not in common and {"integer", "number"} <= {*first, *second}:
        common.append("integer")
    return common


def _contradiction(key: str, where: str) -> Any:
    raise GrammarRefused(f"Nothing can satisfy {where}: its parts contradict each other in {key!r}.")
