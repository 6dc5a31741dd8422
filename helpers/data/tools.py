"""One tool, however its set writes it, as an OpenAI function with clean JSON Schema.

Understands xLAM's flat parameters (`{"city": {"type": "str", …}}`, also when a parameter is *named* `type`,
`properties` or `default`), JSON Schema (BFCL, OpenAI), lists of named parameters, and JSON text of any of them. In
xLAM's form a parameter is required unless it is optional or has a default; in JSON Schema's form `required` says so.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from jsonschema import Draft202012Validator

from helpers.data.cast import is_json
from helpers.data.schema import Parameter, parameter
from helpers.data.types import parse_type


class UnusableTool(ValueError):
    """The text or object describes no tool."""


@dataclass(frozen=True)
class Tool:
    """A tool under its own (perhaps illegal) name, with the repairs that its definition needed."""

    name: str
    description: str
    parameters: dict[str, Any]
    repairs: frozenset[str]
    secrets: dict[str, str] = field(default_factory=dict)

    @cached_property
    def validator(self) -> Draft202012Validator:
        """Checks arguments; made once for a tool. Unknown arguments are refused unless the tool allows them."""
        return Draft202012Validator({"additionalProperties": False} | self.parameters)

    @cached_property
    def definition(self) -> dict[str, Any]:
        """The tool as a chat request offers it."""
        return self.under_name(self.name)

    @cached_property
    def length(self) -> int:
        """Characters of the definition as JSON."""
        return len(json.dumps(self.definition, ensure_ascii=False))

    def under_name(self, name: str) -> dict[str, Any]:
        """The tool as a chat request offers it, under a legal name."""
        function = {"name": name, "description": self.description, "parameters": self.parameters}
        return {"type": "function", "function": function}

    @property
    def size(self) -> int:
        """How many parameters the tool has at its top level."""
        return len(self.parameters["properties"])


def read_tool(raw: Any) -> Tool:
    """The `Tool` that `raw` describes. Raises UnusableTool."""
    function = raw.get("function") if isinstance(raw, dict) and isinstance(raw.get("function"), dict) else raw
    if not isinstance(function, dict) or not isinstance(function.get("name"), str) or not function["name"].strip():
        raise UnusableTool("a tool without a name")
    declared = function.get("parameters")
    if isinstance(declared, str) and declared.strip():
        try:
            declared = json.loads(declared)
        except (ValueError, RecursionError):
            raise UnusableTool("a tool whose parameters are not JSON") from None
    specs, required, more = _parameters(declared)
    members = {key: parameter(key, spec) for key, spec in specs.items()}
    if required is None:
        required = [key for key, member in members.items() if not member.optional]
    description = function.get("description")
    tool = Tool(
        name=function["name"],
        description=description if isinstance(description, str) else "",
        parameters=_object(members, required, more),
        repairs=frozenset().union(*(member.repairs for member in members.values())),
        secrets={key: member.secret for key, member in members.items() if member.secret is not None},
    )
    if not is_json(tool.name) or not is_json(tool.description) or not is_json(tool.parameters):
        raise UnusableTool("a tool with text that is not Unicode")
    return tool


def _object(members: dict[str, Parameter], required: list[str], more: bool) -> dict[str, Any]:
    properties = {key: member.schema for key, member in members.items()}
    schema = {"type": "object", "properties": properties, "required": [key for key in required if key in properties]}
    return schema | {"additionalProperties": True} if more else schema


def _parameters(declared: Any) -> tuple[dict[str, Any], list[str] | None, bool]:
    """The specs by name; the names that JSON Schema's form requires (None: xLAM's form); whether others are allowed."""
    if isinstance(declared, list):
        named = [spec for spec in declared if isinstance(spec, dict) and isinstance(spec.get("name"), str)]
        return {spec["name"]: spec for spec in named}, None, False
    if not isinstance(declared, dict):
        return {}, None, False
    if not is_json_schema(declared):
        return {key: spec for key, spec in declared.items() if isinstance(key, str)}, None, False
    properties = declared.get("properties")
    required = declared.get("required")
    names = [name for name in required if isinstance(name, str)] if isinstance(required, list) else []
    specs = properties if isinstance(properties, dict) else {}
    return (
        {key: spec for key, spec in specs.items() if isinstance(key, str)},
        list(dict.fromkeys(names)),
        (declared.get("additionalProperties") is True),
    )


def is_json_schema(declared: dict[str, Any]) -> bool:
    """Whether `parameters` is JSON Schema, not xLAM's mapping from names to specs (which may use the same words)."""
    word, properties = declared.get("type"), declared.get("properties")
    says_object = isinstance(word, str) and parse_type(word).schema["type"] == "object"
    if says_object:
        return properties is None or isinstance(properties, dict)
    if "type" in declared or not isinstance(properties, dict):
        return False
    return all(isinstance(spec, dict) for spec in properties.values())
