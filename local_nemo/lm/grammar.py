"""Guided decoding: what may be written in an answer, from tools, response_format or NIM's guided_* extensions.

`tool_choice` "required" or a named function: the answer is exactly one call that satisfies its schema. "auto": text is
free, but once `<tool_call>` is written only an offered tool and arguments of its schema can follow. Grammars are made
here, from schemas that were read and bounded first, never from a client's text: a bad grammar would end a whole batch.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

from .ebnf import Grammar
from .ebnf_rest import Open, rest_after
from .errors import GrammarRefused, InvalidRequest
from .patterns import regex_to_regular
from .regular import Either, Named, Sequence, Word
from .regular_rules import literal
from .schema import MAX_SECONDS, read_schema
from .shapes import Map, Object, Shape, text_limits
from .tool_calls import END, START

if TYPE_CHECKING:
    from openvino_genai import StructuredOutputConfig

    from .chat import ChatRequest, CompletionRequest

MAX_GRAMMAR = 400_000  # characters of all grammars of one request
MAX_CHOICES = 1000
LONGEST_TEXT = 2000  # characters of a string without maxLength
NO_PARAMETERS = {"type": "object", "properties": {}}


@dataclass(frozen=True)
class Call:
    """A tool: what is written before its arguments, their shape, and the grammar of that shape."""

    begin: str
    shape: Shape
    grammar: str
    seconds: float  # that preparing it may take


@dataclass(frozen=True)
class Guide:
    """What guides one answer: `whole` is a grammar for all of it, `calls` are tools that may be begun in free text."""

    whole: str | None = None
    calls: tuple[Call, ...] = ()
    shape: Shape | None = None  # of the whole text, where that is JSON
    single: bool = True  # the answer ends after the first call

    def config(self) -> StructuredOutputConfig:
        """The engine's configuration."""
        from openvino_genai import StructuredOutputConfig as Config

        if self.whole is not None:
            return Config(grammar=self.whole)
        tags = [Config.Tag(call.begin, Config.EBNF(call.grammar), "}" + END) for call in self.calls]
        return Config(compound_grammar=Config.TriggeredTags([START], tags, stop_after_first=self.single))

    @property
    def has_json(self) -> bool:
        """Whether the answer may hold JSON whose strings are to be watched."""
        return self.shape is not None or bool(self.calls)

    @cached_property
    def limits(self) -> frozenset[int]:
        """Lengths beyond which some string in the answer must not grow."""
        shapes = [self.shape] if self.shape is not None else [call.shape for call in self.calls]
        return frozenset({LONGEST_TEXT}.union(*(text_limits(shape) for shape in shapes)))

    def json_begins(self, text: str) -> int | None:
        """Where the (last) JSON value in this text begins, if it has begun."""
        found = self._part(text)
        return found[0] if found else None

    def after(self, text: str) -> Guide | None:
        """What guides the answer once the string that `text` ends in is closed; None if it may not be closed."""
        found = self._open(text)
        return found[1] if found and found[0].text.longest is None else None

    def after_limit(self, text: str, length: int) -> Guide | None:
        """The same, if `length` is as long as the string that `text` ends in may become."""
        found = self._open(text)
        if found is None:
            return None
        longest = LONGEST_TEXT if found[0].text.longest is None else found[0].text.longest
        return found[1] if length >= longest else None

    def _open(self, text: str) -> tuple[Open, Guide] | None:
        part = self._part(text)
        if part is None:
            return None
        begin, shape, end = part
        grammar = Grammar()
        found = rest_after(shape, text[begin:], grammar)
        if found is None:
            return None
        return found, Guide(whole=grammar.text(" ".join([*found.rest, literal(end)] if end else found.rest or ['""'])))

    def _part(self, text: str) -> tuple[int, Shape, str] | None:
        """Where JSON begins in the text, its shape, and what follows it."""
        if self.shape is not None:
            return 0, self.shape, ""
        start = text.rfind(START)
        for call in self.calls if start >= 0 else ():
            if text.startswith(call.begin, start):
                return start + len(call.begin), call.shape, "}" + END
        return None


def guide_for(request: ChatRequest | CompletionRequest) -> Guide | None:
    """The guide that a request asks for, or None. Raises GrammarRefused or InvalidRequest."""
    tools = getattr(request, "tools", None) or []
    choice = getattr(request, "choice", "none")
    formats = _format_schema(getattr(request, "response_format", None))
    if request.guided and formats is not None:
        raise InvalidRequest("response_format and nvext both guide the answer; give one of them.", "nvext")
    if choice != "none":
        if choice != "auto" and (request.guided or formats is not None):
            raise InvalidRequest(
                "A forced tool call leaves no room for a guided answer; use tool_choice auto.", "nvext"
            )
        if not request.guided and formats is None:
            return _tool_guide(tools, choice, getattr(request, "parallel_tool_calls", False))
    if formats is not None:
        return _json_guide(_key(formats), "response_format")
    return _guided(request.guided) if request.guided else None


def _guided(guided: dict[str, Any]) -> Guide:
    name, value = next(iter(guided.items()))
    if name == "guided_json":
        return _json_guide(_key(_parsed(value)), name)
    if name == "guided_choice":
        return _choice_guide(value)
    if name == "guided_regex" and isinstance(value, str):
        grammar = Grammar()
        return Guide(whole=grammar.text(grammar.regular(regex_to_regular(value, whole=True))))
    raise GrammarRefused(f"{name} is not supported here; use guided_json, guided_choice or guided_regex.", "nvext")


def _choice_guide(choices: Any) -> Guide:
    if not isinstance(choices, list) or not 0 < len(choices) <= MAX_CHOICES or not all(map(_is_text, choices)):
        raise GrammarRefused(f"guided_choice is a list of 1 to {MAX_CHOICES} texts.", "nvext")
    grammar = Grammar()
    return Guide(whole=grammar.text(grammar.texts(choices)))


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value)


def _format_schema(response_format: dict | None) -> Any:
    """The schema that a response_format asks for, or None."""
    response_format = response_format or {}
    kind = response_format.get("type", "text")
    if kind == "text":
        return None
    if kind == "json_object":
        return {"type": "object"}
    if kind == "json_schema":
        named = response_format.get("json_schema")
        if isinstance(named, dict) and "schema" in named:
            return named["schema"]
        raise InvalidRequest("response_format.json_schema needs a schema: {name, schema}.", "response_format")
    raise InvalidRequest(f"response_format is text, json_object or json_schema, not {kind!r}.", "response_format")


def _tool_guide(tools: list[dict], choice: str | dict, parallel: bool) -> Guide:
    chosen = [tool["function"] for tool in tools]
    if isinstance(choice, dict):
        chosen = [function for function in chosen if function["name"] == choice["function"]["name"]]
    calls: tuple[Call, ...] = ()
    for function in chosen:
        calls += (_call(function["name"], _key(function.get("parameters") or NO_PARAMETERS)),)
        if sum(call.seconds for call in calls) > MAX_SECONDS or sum(len(call.grammar) for call in calls) > MAX_GRAMMAR:
            raise GrammarRefused("These tools together are too large to guide an answer: offer fewer of them.", "tools")
    if choice == "auto":
        return Guide(calls=calls, single=not parallel)
    grammar = Grammar()
    end = Word("}" + END)
    options = [Sequence((Word(call.begin), Named(grammar.value(call.shape)), end)) for call in calls]
    return Guide(whole=grammar.text(grammar.regular(Either(tuple(options)))), calls=calls)


@lru_cache(maxsize=512)
def _call(name: str, schema: str) -> Call:
    """One tool's grammar, remembered by name and schema."""
    shape, seconds = _shape(schema, f"tools.{name}.parameters", "tools")
    grammar = Grammar()
    begin = f'{START}{{"name": {json.dumps(name, ensure_ascii=False)}, "arguments": '
    return Call(begin, shape, grammar.text(grammar.value(shape)), seconds)


@lru_cache(maxsize=256)
def _json_guide(schema: str, param: str) -> Guide:
    shape, _ = _shape(schema, param, param)
    grammar = Grammar()
    text = grammar.text(grammar.value(shape))
    if len(text) > MAX_GRAMMAR:
        raise GrammarRefused(f"{param} is too large to guide an answer.", param)
    return Guide(whole=text, shape=shape)


def _shape(schema: str, where: str, param: str) -> tuple[Shape, float]:
    try:
        shape, seconds = read_schema(json.loads(schema), where)
    except GrammarRefused as error:
        raise GrammarRefused(error.reason, param) from error
    if param == "tools" and not isinstance(shape, Map | Object):
        raise GrammarRefused(f"{where} describes no object; arguments of a function are an object.", param)
    return shape, seconds


def _key(schema: Any) -> str:
    """A schema as text, so that it can be remembered; the order of properties counts."""
    try:
        return json.dumps(schema, ensure_ascii=True, allow_nan=False)
    except (ValueError, TypeError, RecursionError) as error:
        raise GrammarRefused(f"The schema is no JSON: {error}") from error


def _parsed(schema: Any) -> Any:
    """NIM takes guided_json as an object or as its JSON text."""
    if not isinstance(schema, str):
        return schema
    try:
        return json.loads(schema)
    except (ValueError, RecursionError) as error:
        raise GrammarRefused(f"guided_json is no JSON: {error}", "nvext") from error
