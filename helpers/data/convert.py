"""One row of tool-calling data as OpenAI messages, tools and one gold call that its tool's schema accepts.

`convert` takes xLAM's shape (`id, query, answers, tools`; the last two as JSON text or decoded; optional `accepted`),
OpenAI chat rows (`messages` + `tools`, the call in the last message or in `tool_calls`), and anything else without
raising anything but `Dropped`. What it had to mend is in `ConvertedRow.repairs`. Converting a converted row changes
nothing.

It keeps rows with exactly one call: the 1B model of the tutorial makes no parallel calls. It does not look at other
rows: duplicates and splits are elsewhere.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from helpers.data import cast
from helpers.data.names import legal_names
from helpers.data.raw import Dropped, decoded, name_and_arguments, question_and_calls, rename_tools
from helpers.data.tools import Tool, UnusableTool, read_tool

# Characters of question, tools and answer as JSON, about 6,000 tokens. Training cuts longer rows and loses the answer.
LONGEST_ROW = 24_000


@dataclass(frozen=True, slots=True)
class ConvertedRow:
    """A question, the tools that are offered, and the one call that answers it."""

    id: str
    messages: list[dict[str, Any]]  # what the model is asked; ends with the user or a tool result
    tools: list[dict[str, Any]]
    name: str  # the called tool
    arguments: dict[str, Any]
    accepted: dict[str, list[Any]] | None = None  # per argument the values that count as right; "" = may be left out
    repairs: tuple[str, ...] = ()

    @property
    def query(self) -> str:
        """What the user said last."""
        return next((m["content"] for m in reversed(self.messages) if m["role"] == "user"), "")

    @property
    def tool_names(self) -> list[str]:
        return [tool["function"]["name"] for tool in self.tools]

    @property
    def tool_calls(self) -> list[dict[str, Any]]:
        """The gold call in OpenAI's shape, arguments as an object (the Evaluator and the Customizer ask for that)."""
        return [{"type": "function", "function": {"name": self.name, "arguments": self.arguments}}]

    def training_row(self) -> dict[str, Any]:
        """The row that NeMo Customizer trains on."""
        answer = {"role": "assistant", "content": "", "tool_calls": self.tool_calls}
        return {"messages": [*self.messages, answer], "tools": self.tools}

    def evaluation_row(self) -> dict[str, Any]:
        """The row that NeMo Evaluator asks and scores."""
        row: dict[str, Any] = {"messages": self.messages, "tools": self.tools, "tool_calls": self.tool_calls}
        if self.accepted is not None:
            row["accepted"] = self.accepted
        return row | {"id": self.id}


class ToolCache:
    """Tools by their raw text, so that one of the same text is read, and its validator made, once."""

    def __init__(self, size: int = 20_000) -> None:
        self._tools: OrderedDict[str, Tool] = OrderedDict()
        self._size = size

    def read(self, raw: Any) -> Tool:
        key = json.dumps(raw, sort_keys=False)
        tool = self._tools.get(key)
        if tool is None:
            tool = self._tools[key] = read_tool(raw)
            if len(self._tools) > self._size:
                self._tools.popitem(last=False)
        return tool


def convert(raw: Any, *, cache: ToolCache | None = None, limit_properties: int | None = None) -> ConvertedRow:
    """`raw` as a `ConvertedRow`. Raises Dropped with one of the reasons of the report.

    `limit_properties` drops rows that offer a tool with more parameters; None keeps them.
    """
    try:
        return _convert(raw, cache or ToolCache(), limit_properties)
    except RecursionError:
        raise Dropped("nested too deeply", "brackets within brackets beyond what can be read") from None


def _convert(raw: Any, cache: ToolCache, limit_properties: int | None) -> ConvertedRow:
    if not isinstance(raw, dict):
        raise Dropped("not a row", f"a {type(raw).__name__}, not an object")
    messages, calls = question_and_calls(raw)
    if not calls:
        raise Dropped("no tool call", "the answer calls nothing")
    if len(calls) > 1:
        raise Dropped("more than one tool call", f"{len(calls)} calls")
    repairs: set[str] = set()
    tools = _tools(raw.get("tools"), cache, repairs)
    called, arguments = name_and_arguments(calls[0])
    tool = tools.get(called)
    if tool is None:
        raise Dropped("call of a tool that is not listed", called)
    if limit_properties is not None and (largest := max(tools.values(), key=lambda t: t.size)).size > limit_properties:
        raise Dropped(
            "a tool with too many parameters", f"{largest.name} has {largest.size}, the limit is {limit_properties}"
        )
    names = legal_names(list(tools))
    if any(name != legal for name, legal in names.items()):
        repairs.add("tool name made legal")
    row = ConvertedRow(
        id=str(raw.get("id", "")),
        messages=rename_tools(messages, names),
        tools=[t.definition if names[t.name] == t.name else t.under_name(names[t.name]) for t in tools.values()],
        name=names[called],
        arguments=_fitting_arguments(tool, arguments, messages[-1]["content"], repairs),
        accepted=_accepted(raw.get("accepted"), tool),
        repairs=tuple(sorted(repairs)),
    )
    _check_size(row, list(tools.values()))
    return row


def _tools(field: Any, cache: ToolCache, repairs: set[str]) -> dict[str, Tool]:
    """The offered tools by their own names; one listed twice counts once."""
    listed = decoded(field, "tools")
    listed = [listed] if isinstance(listed, dict) else listed
    if not isinstance(listed, list) or not listed:
        raise Dropped("no tools", "the row offers no tool")
    tools: dict[str, Tool] = {}
    for raw in listed:
        try:
            tool = cache.read(raw)
        except (UnusableTool, TypeError) as error:
            raise Dropped("a tool that cannot be read", str(error)) from None
        if tool.name in tools:
            same = tools[tool.name].parameters == tool.parameters
            repairs.add("tool listed twice" if same else "tool listed twice, the first definition kept")
        else:
            tools[tool.name] = tool
            repairs |= tool.repairs
    return tools


def _fitting_arguments(tool: Tool, arguments: dict[str, Any], question: str, repairs: set[str]) -> dict[str, Any]:
    """The arguments in the schema's types and order. Raises Dropped where that would lose or invent something."""
    if not cast.is_json(arguments):
        raise Dropped("a number or text that is not JSON", f"in the arguments of {tool.name}")
    properties, required = tool.parameters["properties"], tool.parameters["required"]
    if missing := [key for key in required if key not in arguments]:
        raise Dropped("an argument is missing", f"{tool.name} needs {missing[0]}")
    fitting = {}
    for key in [*(key for key in properties if key in arguments), *(key for key in arguments if key not in properties)]:
        value = arguments[key]
        if value is None and key not in required:
            repairs.add("null argument left out")
            continue
        if tool.secrets.get(key) == value and key not in required and value.lower() not in question.lower():
            repairs.add("credential in the answer left out")
            continue
        fitting[key] = _cast_argument(tool, key, value, repairs)
    if error := next(tool.validator.iter_errors(fitting), None):
        raise Dropped(_reason(error), f"{tool.name}: {error.message[:200]}")
    return fitting


def _cast_argument(tool: Tool, key: str, value: Any, repairs: set[str]) -> Any:
    schema = tool.parameters["properties"].get(key)
    if schema is None:
        return value
    try:
        fit = cast.cast(value, schema)
    except cast.CannotCast as error:
        raise Dropped("an argument of the wrong type", f"{tool.name}, {key}: {error}") from None
    if cast.differs(fit, value):
        repairs.add("argument cast to its type")
    return fit


def _reason(error: Any) -> str:
    reasons = {
        "additionalProperties": "an argument that the tool does not have",
        "required": "an argument is missing",
        "enum": "an argument that is not among the allowed values",
        "type": "an argument of the wrong type",
        "anyOf": "an argument of the wrong type",
    }
    return reasons.get(error.validator, "an argument outside its bounds")


def _accepted(field: Any, tool: Tool) -> dict[str, list[Any]] | None:
    """Per argument the accepted values, cast like the answer. Values that cannot be cast stay as they are."""
    if field is None:
        return None
    by_argument = decoded(field, "accepted")
    if not isinstance(by_argument, dict) or not cast.is_json(by_argument):
        raise Dropped("accepted values that cannot be read", "`accepted` must be an object of lists")
    properties = tool.parameters["properties"]
    accepted: dict[str, list[Any]] = {}
    for key, values in by_argument.items():
        accepted[key] = []
        for value in values if isinstance(values, list) else [values]:
            try:
                accepted[key].append(value if value == "" else cast.cast(value, properties.get(key, {})))
            except cast.CannotCast:
                accepted[key].append(value)
    return accepted


def _check_size(row: ConvertedRow, tools: list[Tool]) -> None:
    if not cast.is_json(row.messages):
        raise Dropped("a number or text that is not JSON", "in the messages")
    asked = len(json.dumps([row.messages, row.arguments], ensure_ascii=False))
    length = asked + sum(tool.length for tool in tools)
    if length > LONGEST_ROW:
        raise Dropped("too long", f"{length} characters, the limit is {LONGEST_ROW}")
