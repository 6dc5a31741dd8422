"""Reading tool calls out of the text that the local language model writes.

The format is the one `prompt.render_answer` trains: `<tool_call>{"name": "f", "arguments": {...}}</tool_call>`.
`parse` reads a finished answer, `StreamParser` the same answer piece by piece; both agree on every well-formed call.
Text that is not a call of an offered tool is never lost and never executed: it stays content.
Nothing here checks arguments against the tool's schema; the engine's grammar and the client do that.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from json.decoder import scanstring  # type: ignore[attr-defined]  # exists, but is in no type stub

START = "<tool_call>"
END = "</tool_call>"
ARGUMENT_KEYS = ("arguments", "parameters")

_HEAD = re.compile(r'\s*\{\s*"name"\s*:\s*"((?:[^"\\]|\\.)*)"\s*,\s*"(?:arguments|parameters)"\s*:\s*(?=\{)')
_SPACE = re.compile(r"\s*")
_DECODER = json.JSONDecoder()


@dataclass(frozen=True)
class Text:
    """A piece of the answer's content."""

    text: str


@dataclass(frozen=True)
class CallStart:
    """A call has begun; its arguments follow as `CallArguments` of the same index."""

    index: int
    name: str


@dataclass(frozen=True)
class CallArguments:
    """The next characters of a call's JSON arguments."""

    index: int
    fragment: str


Delta = Text | CallStart | CallArguments


def tool_names(tools: Iterable[dict] | None) -> set[str]:
    """The names that may be called, from OpenAI tools or bare functions."""
    return {name for tool in tools or () if (name := (tool.get("function") or tool).get("name"))}


def parse(text: str, tools: list[dict] | None) -> tuple[str | None, list[dict]]:
    """Split a finished answer into content and calls.

    Returns `(content, calls)`: `calls` is a list of `{"name": str, "arguments": str}` in order, `arguments` being the
    JSON text as the model wrote it; `content` is everything else, or None when nothing but calls was written.
    """
    names, calls, rest, position = tool_names(tools), [], [], 0
    while (start := text.find(START, position)) >= 0:
        call = _read_call(text, start + len(START), names)
        if call is None:
            rest.append(text[position : start + len(START)])
            position = start + len(START)
            continue
        name, arguments, end = call
        calls.append({"name": name, "arguments": arguments})
        rest.append(text[position:start])
        position = end
    rest.append(text[position:])
    content = "".join(rest)
    if calls:
        content = content.strip()
    return content or None, calls


def _read_call(text: str, position: int, names: set[str]) -> tuple[str, str, int] | None:
    """The call whose JSON object starts at `position`: (name, raw arguments, position after the end marker)."""
    try:
        members, end = _read_members(text, position)
    except (ValueError, RecursionError):
        return None
    name = members.get("name", (None, ""))[0]
    arguments = next((members[key] for key in ARGUMENT_KEYS if key in members), ({}, "{}"))
    if name not in names or not isinstance(arguments[0], dict):
        return None
    end = _after_space(text, end)
    if text.startswith(END, end):
        return name, arguments[1], end + len(END)
    return (name, arguments[1], end) if end == len(text) else None


def _read_members(text: str, position: int) -> tuple[dict[str, tuple[object, str]], int]:
    """One JSON object's members as (value, source text). Raises ValueError if there is no complete object."""
    position = _after_space(text, position)
    _expect(text, position, "{")
    members: dict[str, tuple[object, str]] = {}
    position = _after_space(text, position + 1)
    while not text.startswith("}", position):
        if members:
            _expect(text, position, ",")
            position = _after_space(text, position + 1)
        _expect(text, position, '"')
        key, position = scanstring(text, position + 1)
        position = _after_space(text, position)
        _expect(text, position, ":")
        start = _after_space(text, position + 1)
        value, position = _DECODER.raw_decode(text, start)
        members[key] = (value, text[start:position])
        position = _after_space(text, position)
    return members, position + 1


def _after_space(text: str, position: int) -> int:
    space = _SPACE.match(text, position)
    return space.end() if space else position


def _expect(text: str, position: int, character: str) -> None:
    if not text.startswith(character, position):
        raise ValueError(f"expected {character} at character {position}")


class StreamParser:
    """Turns pieces of an answer into deltas as soon as they are certain.

    Arguments of a call are passed on while they are written, once the name is known to be offered. A call in another
    order of keys is held back until its end; what turns out not to be a call comes out as `Text`.
    """

    def __init__(self, tools: list[dict] | None):
        self._names = tool_names(tools)
        self._buffer = ""
        self._index = 0
        self._scanner: _ObjectScanner | None = None  # set while arguments are passed on

    def feed(self, piece: str) -> list[Delta]:
        """The deltas that became certain with this piece."""
        self._buffer += piece
        return self._drain(final=False)

    def finish(self) -> list[Delta]:
        """What is left at the end of the answer. An unfinished call's arguments stay unfinished."""
        return self._drain(final=True)

    def _drain(self, final: bool) -> list[Delta]:
        deltas: list[Delta] = []
        while self._step(deltas, final):
            pass
        return deltas

    def _step(self, deltas: list[Delta], final: bool) -> bool:
        """Move one thing from the buffer to `deltas`; False when more text is needed."""
        if self._scanner:
            return self._pass_arguments(self._scanner, deltas)
        start = self._buffer.find(START)
        if start > 0:
            self._emit_text(deltas, start, before_call=True)
            return True
        if start < 0:
            keep = 0 if final else _held_back(self._buffer)
            self._emit_text(deltas, len(self._buffer) - keep)
            return False
        return self._begin_call(deltas, final)

    def _emit_text(self, deltas: list[Delta], length: int, before_call: bool = False) -> None:
        text, self._buffer = self._buffer[:length], self._buffer[length:]
        separates_calls = (before_call or self._index) and not text.strip()
        if text and not separates_calls:
            deltas.append(Text(text))

    def _begin_call(self, deltas: list[Delta], final: bool) -> bool:
        head = _HEAD.match(self._buffer, len(START))
        if head and (name := json.loads(f'"{head[1]}"', strict=False)) in self._names:
            deltas.append(CallStart(self._index, name))
            self._buffer = self._buffer[head.end() :]
            self._scanner = _ObjectScanner()
            return True
        end = self._buffer.find(END)
        if end < 0 and not final:
            return False
        call = _read_call(self._buffer, len(START), self._names)
        if call is None:
            deltas.append(Text(START))
            self._buffer = self._buffer[len(START) :]
            return bool(self._buffer)
        name, arguments, position = call
        deltas += [CallStart(self._index, name), CallArguments(self._index, arguments)]
        self._buffer = self._buffer[position:]
        self._index += 1
        return True

    def _pass_arguments(self, scanner: _ObjectScanner, deltas: list[Delta]) -> bool:
        if not scanner.closed:
            length = scanner.feed(self._buffer)
            if length:
                deltas.append(CallArguments(self._index, self._buffer[:length]))
            self._buffer = self._buffer[length:]
        if not scanner.closed:
            return False
        tail = re.match(r"\s*\}\s*" + re.escape(END), self._buffer)
        if tail:
            self._buffer = self._buffer[tail.end() :]
        elif (r"}" + END).startswith(re.sub(r"\s", "", self._buffer)):
            return False  # the end marker may still be on its way
        self._scanner = None
        self._index += 1
        return True


class _ObjectScanner:
    """Finds the end of a JSON object that arrives in pieces."""

    def __init__(self) -> None:
        self._depth = 0
        self._in_string = self._escaped = False
        self.closed = False

    def feed(self, text: str) -> int:
        """How many characters of `text` belong to the object."""
        for position, character in enumerate(text):
            if self._in_string:
                if self._escaped:
                    self._escaped = False
                elif character == "\\":
                    self._escaped = True
                elif character == '"':
                    self._in_string = False
            elif character == '"':
                self._in_string = True
            elif character in "{[":
                self._depth += 1
            elif character in "}]":
                self._depth -= 1
                if self._depth == 0:
                    self.closed = True
                    return position + 1
        return len(text)


def _held_back(text: str) -> int:
    """How many last characters may be the beginning of the start marker (or blanks before it)."""
    for length in range(min(len(START) - 1, len(text)), 0, -1):
        if START.startswith(text[-length:]):
            return length
    return 0
