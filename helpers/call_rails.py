"""Rails for tool calls and tool results: the last gate before something happens, and before its outcome is believed.

    rails = CallRails(tools, policy={"pay": {"amount": {"max": 100}}})
    rails.check_call("pay", '{"amount": 5000}')          # Verdict(blocked by policy: pay: amount = 5000 breaks max …)
    rails.check_result(message, calls=assistant_message["tool_calls"])

A call must name an offered tool, carry arguments that are valid for its JSON schema, keep to the policy, and hold no
text that is a command. A result must belong to a call of this conversation and address nobody. Three outcomes as
everywhere: allowed, blocked, unreadable (a tool's schema is broken, so nobody can tell); only allowed lets a call
run. Knows no HTTP and no model.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jsonschema
from jsonschema.validators import Draft202012Validator
from referencing import Registry

from . import injection
from .call_policy import Policy, check_policy, leaves, violation

ALIASES: dict[str, str | None] = {
    "str": "string",
    "int": "integer",
    "float": "number",
    "double": "number",
    "bool": "boolean",
    "dict": "object",
}
ALIASES |= {"list": "array", "tuple": "array", "set": "array", "any": None}  # types as other datasets write them
MAX_ARGUMENTS = 100_000  # characters of JSON


@dataclass(frozen=True)
class Verdict:
    """A decision and who made it; `bool(verdict)` is true only for allowed."""

    outcome: str  # allowed, blocked, unreadable
    rail: str = ""
    reason: str = ""

    def __bool__(self) -> bool:
        return self.outcome == "allowed"

    def __repr__(self) -> str:
        return f"Verdict({self.outcome}" + (f" by {self.rail}: {self.reason})" if self.rail else ")")


ALLOWED = Verdict("allowed")


def blocked(rail: str, reason: str) -> Verdict:
    """The verdict of a rail that says no."""
    return Verdict("blocked", rail, reason)


class CallRails:
    """The rails for one set of tools (in OpenAI's form). Raises `SettingError` for a policy that can't be enforced."""

    def __init__(self, tools: Sequence[Mapping[str, Any]], policy: Policy | None = None) -> None:
        self.schemas = {name: schema for tool in tools for name, schema in [_name_and_schema(tool)]}
        self.policy = policy or {}
        check_policy(self.policy, {name: _arguments_of(schema) for name, schema in self.schemas.items()})

    def check_call(self, name: str, arguments: str | Mapping[str, Any]) -> Verdict:
        """Whether a call may run: allow-list, schema, policy, injection, in this order."""
        if name not in self.schemas:
            return blocked("allow-list", f"{name!r} was not offered; offered: {', '.join(self.schemas) or 'nothing'}")
        try:
            given = _read(arguments)
            fault = _schema_fault(self.schemas[name], given)
        except _NotArguments as error:
            return blocked("schema", f"{name}: {error}")
        except (jsonschema.SchemaError, _BrokenSchema) as error:
            return Verdict("unreadable", "schema", f"the schema of {name} is broken: {str(error).splitlines()[0]}")
        if fault:
            return blocked("schema", f"{name}: {fault}")
        if broken := violation(self.policy, name, given):
            return blocked("policy", broken)
        for value in leaves(given):
            if isinstance(value, str) and (found := injection.in_argument(value)):
                return blocked("injection", f"{name}: {found}")
        return ALLOWED

    def check_result(self, message: Mapping[str, Any], *, calls: Sequence[Mapping[str, Any]]) -> Verdict:
        """Whether a tool's message may go back to the model; `calls` are the assistant's calls still unanswered."""
        known = {call.get("id"): (call.get("function") or {}).get("name") for call in calls}
        identity = message.get("tool_call_id")
        if message.get("role") != "tool" or identity not in known:
            return blocked(
                "linkage", f"the result answers call {identity!r}, which nobody made or which has its answer"
            )
        if message.get("name") not in (None, known[identity]):
            return blocked("linkage", f"the result is from {message['name']!r}, the call was for {known[identity]!r}")
        content = message.get("content")
        if not isinstance(content, str):
            return Verdict("unreadable", "linkage", f"the result is {type(content).__name__}, not text")
        found = injection.in_result(content)
        return blocked("injection", f"{known[identity]}: {found}") if found else ALLOWED


class _NotArguments(ValueError):
    """Not a JSON object."""


class _BrokenSchema(ValueError):
    """A schema that can't be evaluated."""


def _name_and_schema(tool: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    function = tool.get("function", tool)
    return str(function.get("name")), _standard(function.get("parameters") or {"type": "object", "properties": {}})


def _arguments_of(schema: Any) -> list[str]:
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    return list(properties) if isinstance(properties, Mapping) else []


def _standard(schema: Any) -> Any:
    """A schema with the type names of other conventions (float, dict, any) replaced by JSON Schema's."""
    if isinstance(schema, list):
        return [_standard(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    whole = {
        key: {name: _standard(inner) for name, inner in value.items()}
        if key in ("properties", "$defs", "definitions") and isinstance(value, Mapping)
        else value  # values, not schemas
        if key in ("enum", "const", "default", "examples", "required")
        else _standard(value)
        for key, value in schema.items()
    }
    kind = whole.get("type")
    if isinstance(kind, str) and kind.lower() in ALIASES:
        whole["type"] = ALIASES[kind.lower()]
        if whole["type"] is None:
            del whole["type"]
    return whole


def _read(arguments: str | Mapping[str, Any]) -> dict[str, Any]:
    if isinstance(arguments, str):
        if len(arguments) > MAX_ARGUMENTS:
            raise _NotArguments(f"{len(arguments)} characters of arguments, at most {MAX_ARGUMENTS}")
        try:
            arguments = json.loads(arguments, object_pairs_hook=_unique, parse_constant=_no_constant)
        except (ValueError, RecursionError) as error:
            raise _NotArguments(f"the arguments are not JSON: {error}") from None
    if not isinstance(arguments, Mapping):
        raise _NotArguments(f"the arguments are {type(arguments).__name__}, not an object")
    if any(isinstance(value, float) and not math.isfinite(value) for value in leaves(arguments)):
        raise _NotArguments("the arguments hold a number that JSON doesn't know")
    return dict(arguments)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) < len(pairs):
        raise ValueError("an argument is given twice")
    return dict(pairs)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not a JSON value")


def _schema_fault(schema: Mapping[str, Any], given: Mapping[str, Any]) -> str | None:
    """The first way in which arguments don't fit, or None. Arguments that no property declares don't fit."""
    Draft202012Validator.check_schema(schema)
    open_ended = "additionalProperties" in schema or "patternProperties" in schema
    if not open_ended and (unknown := set(given) - set(_arguments_of(schema))):
        return f"unknown argument {', '.join(sorted(unknown))}"
    try:
        # an empty registry: a $ref can't make us fetch anything
        faults = Draft202012Validator(schema, registry=Registry()).iter_errors(given)
        first = next(iter(faults), None)
    except Exception as error:  # a reference to nowhere, a pattern that isn't one: jsonschema raises many kinds
        raise _BrokenSchema(f"{type(error).__name__}: {error}") from error
    if first is None:
        return None
    return f"{'.'.join(map(str, first.absolute_path)) or 'arguments'}: {first.message}"
