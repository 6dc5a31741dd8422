"""One parameter's description, however it is written, as clean JSON Schema.

Takes xLAM's `{"type": "List[int], optional", "description": …, "default": …}`, BFCL's and OpenAI's JSON Schema, or a
bare type text. Keeps only keywords whose value JSON Schema allows there, so that building a validator from the result
never fails; `$ref`, `pattern` and other keywords that need more than the parameter itself are dropped. Normalising
twice changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from helpers.data import cast
from helpers.data.types import any_item, any_of, one_type, parse_type

REDACTED = "<redacted>"
_SECRET_NAME = re.compile(
    r"(api|rapidapi|access|secret|private|auth|subscription)[_-]?(key|token|secret)|password|passwd|credential|bearer|"
    r"(^|_)(token|secret|apikey|pwd)$",
    re.IGNORECASE,
)
_SECRET_VALUE = re.compile(
    r"(sk|pk|rk)[-_](live|test|proj|ant)?[-_]?[A-Za-z0-9_-]{16,}|(hf|ghp|gho|ghs|glpat|xox[abp])[-_][A-Za-z0-9-]{10,}|"
    r"AKIA[0-9A-Z]{12,}|AIza[\w-]{30,}|eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*|(?=\w*\d)(?=\w*[a-z])\w{40,}|"
    r"[0-9a-f]{10,}(msh|jsn)[0-9a-z]+|[0-9a-f]{32,}",
)
_PLACEHOLDER = re.compile(r"(your|my|the|demo|example|test|none|null|default|<|\{|\*|x{3})", re.IGNORECASE)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


KEYWORDS: dict[str, tuple[str, Callable[[Any], bool]]] = {
    "format": ("string", lambda value: isinstance(value, str)),
    "minLength": ("string", _is_count),
    "maxLength": ("string", _is_count),
    "minimum": ("number", lambda value: cast.is_number(value)),
    "maximum": ("number", lambda value: cast.is_number(value)),
    "exclusiveMinimum": ("number", lambda value: cast.is_number(value)),
    "exclusiveMaximum": ("number", lambda value: cast.is_number(value)),
    "multipleOf": ("number", lambda value: cast.is_number(value) and value > 0),
    "minItems": ("array", _is_count),
    "maxItems": ("array", _is_count),
    "uniqueItems": ("array", lambda value: isinstance(value, bool)),
}


class Parameter:
    """A clean schema, whether a call may leave the parameter out, and what had to be repaired."""

    __slots__ = ("optional", "repairs", "schema", "secret")

    def __init__(self, schema: dict[str, Any], optional: bool, repairs: set[str], secret: Any = None) -> None:
        self.schema, self.optional, self.repairs, self.secret = schema, optional, repairs, secret


def parameter(name: str, spec: Any) -> Parameter:
    """The `Parameter` that `spec` describes: a dict with a type, or the type's text alone."""
    spec = spec if isinstance(spec, dict) else {"type": spec}
    schema, optional = _typed(spec)
    repairs: set[str] = set()
    if isinstance(description := spec.get("description"), str):
        schema["description"] = description
    elif isinstance(spec.get("title"), str):
        schema["description"] = spec["title"]
    default, secret = _declared_default(spec), None
    optional = optional or spec.get("required") is False or spec.get("optional") is True or _may_be_left_out(spec)
    if default is not None:
        optional = optional or spec.get("required") is not True
        if _is_secret(name, default):
            secret, default = default, REDACTED
            repairs.add("credential-like default redacted")
        value = _fitting(default, schema)
        if value is not None:
            schema["default"] = value
        if value is None or cast.differs(value, default):
            repairs.add("default cast to its type" if value is not None else "default of the wrong type removed")
    return Parameter(schema, optional, repairs, secret)


def _typed(spec: dict[str, Any]) -> tuple[dict[str, Any], bool]:
    """The schema without description and default, and whether the type itself says that it may be null or left out."""
    alternatives = next(
        (spec[key] for key in ("anyOf", "oneOf") if isinstance(spec.get(key), list) and spec[key]), None
    )
    if alternatives and not isinstance(spec.get("type"), str):
        schemas = [_typed(member if isinstance(member, dict) else {"type": member})[0] for member in alternatives]
        return one_type(schemas), {"type": "null"} in schemas
    word = spec.get("type")
    if isinstance(word, list):
        parsed = [parse_type(member) for member in word if isinstance(member, str)]
        schemas = [member.schema for member in parsed]
        schema, optional = one_type(schemas), {"type": "null"} in schemas
    else:
        known = "object" if isinstance(spec.get("properties"), dict) else "array" if "items" in spec else "string"
        parsed_type = parse_type(word) if isinstance(word, str) and word.strip() else parse_type(known)
        schema, optional = parsed_type.schema, parsed_type.optional
    return _with_details(dict(schema), spec), optional


def _with_details(schema: dict[str, Any], spec: dict[str, Any]) -> dict[str, Any]:
    """`schema` with what `spec` says beyond the type word: items, properties, enum, bounds."""
    kind = schema.get("type")
    if kind == "array" and isinstance(spec.get("items"), dict | str):
        schema["items"] = item_schema(spec["items"])
    if kind == "object":
        _add_properties(schema, spec)
    for keyword, (owner, allowed) in KEYWORDS.items():
        if keyword in spec and owner == ("number" if kind == "integer" else kind) and allowed(spec[keyword]):
            schema[keyword] = spec[keyword]
    if isinstance(values := spec.get("enum"), list):
        _add_enum(schema, values)
    return schema


def _add_properties(schema: dict[str, Any], spec: dict[str, Any]) -> None:
    """Normalised `properties`, `required` and `additionalProperties` of an object."""
    members = spec.get("properties")
    members = {key: parameter(key, value) for key, value in members.items()} if isinstance(members, dict) else {}
    if members:
        schema["properties"] = {key: member.schema for key, member in members.items()}
        schema.pop("additionalProperties", None)
    required = spec.get("required")
    if isinstance(required, list):
        schema["required"] = list(dict.fromkeys(key for key in required if isinstance(key, str) and key in members))
    more = spec.get("additionalProperties")
    if isinstance(more, bool):
        schema["additionalProperties"] = more
    elif isinstance(more, dict):
        schema["additionalProperties"] = item_schema(more)


def item_schema(spec: dict[str, Any] | str) -> dict[str, Any]:
    """The schema of a list's items or an object's further values; these may be of several types (`anyOf`)."""
    if isinstance(spec, str):
        return any_item() if spec.lower() == "any" else parse_type(spec).schema
    if isinstance(spec.get("anyOf"), list):
        members = [member for member in spec["anyOf"] if isinstance(member, dict)]
        return any_of([_typed(member)[0] for member in members])
    if not spec or str(spec.get("type")).lower() == "any":
        return any_item()
    schema = _typed(spec)[0]
    if isinstance(spec.get("description"), str):
        schema["description"] = spec["description"]
    return schema


def _add_enum(schema: dict[str, Any], values: list[Any]) -> None:
    """The values of `values` that fit the type; those of a list of words belong to its items."""
    if schema.get("type") == "array":
        if "enum" not in schema["items"] and "type" in schema["items"] and all(isinstance(v, str) for v in values):
            schema["items"] = dict(schema["items"])
            _add_enum(schema["items"], values)
        return
    schema.pop("enum", None)
    fitting: list[Any] = []
    for value in values:
        fit = _fitting(value, schema)
        if fit is not None and not any(not cast.differs(fit, other) for other in fitting):
            fitting.append(fit)
    if fitting:
        schema["enum"] = fitting


def _fitting(value: Any, schema: dict[str, Any]) -> Any:
    """`value` in the type of `schema`, None if it cannot be cast without loss or is no JSON."""
    if not cast.is_json(value):
        return None
    try:
        fit = cast.cast(value, schema)
    except cast.CannotCast:
        return None
    return fit if "enum" not in schema or fit in schema["enum"] else None


def _declared_default(spec: dict[str, Any]) -> Any:
    """The default that `spec` declares; xLAM's empty text means that there is none."""
    default = spec.get("default")
    if default is None or default == "":
        default = parse_type(spec["type"]).default if isinstance(spec.get("type"), str) else None
    return default


def _may_be_left_out(spec: dict[str, Any]) -> bool:
    """Python's `= None` is a default like any other."""
    return "default" in spec and spec["default"] is None


def _is_secret(name: str, value: Any) -> bool:
    if not isinstance(value, str) or value == REDACTED or not value.strip():
        return False
    if _SECRET_NAME.search(name):
        return len(value) >= 6 and not _PLACEHOLDER.match(value)
    return _SECRET_VALUE.fullmatch(value) is not None
