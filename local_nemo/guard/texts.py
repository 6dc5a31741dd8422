"""Which text of a conversation a rail judges, and how a long one is cut into pieces that fit its prompt.

Input rails judge the last user message, output rails the last assistant message (its tool calls included). Nothing is
dropped on the way: content that can't be read as text makes the check impossible instead of easier.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

EMPTY = "(empty message)"  # shown to the safety model in place of nothing, so that the rail runs
OVERLAP = 300  # characters that neighbouring pieces share, so that no sentence is cut apart in both
MAX_TEXT = 200_000  # characters; a longer text is not checked, and so not let through


class Uncheckable(ValueError):
    """A conversation that rails for text can't judge; the text says why."""


def last_user_text(messages: Sequence[Mapping[str, Any]]) -> str | None:
    """The text of the last user message, or None without one. Raises `Uncheckable`."""
    for message in reversed(messages):
        if message.get("role") == "user":
            return _text(message)
    return None


def last_assistant_text(messages: Sequence[Mapping[str, Any]]) -> str | None:
    """The text and tool calls of the last assistant message, or None without one. Raises `Uncheckable`."""
    for message in reversed(messages):
        if message.get("role") == "assistant":
            calls = message.get("tool_calls") or ([message["function_call"]] if message.get("function_call") else [])
            called = "".join("\n" + json.dumps(call.get("function", call), ensure_ascii=False) for call in calls)
            return (_text(message, empty="" if called else EMPTY) + called).strip()
    return None


def pieces(text: str, room: int) -> list[str]:
    """Cut a text into overlapping pieces of at most `room` characters, at spaces where there are any."""
    cut: list[str] = []
    while len(text) > room:
        end = text.rfind(" ", room // 2, room)
        end = end if end > 0 else room
        cut.append(text[:end])
        text = text[max(end - min(OVERLAP, room // 4), 1) :]
    return [*cut, text]


def _text(message: Mapping[str, Any], empty: str = EMPTY) -> str:
    role, content = message.get("role"), message.get("content")
    if isinstance(content, list):
        if strange := sorted({str(part.get("type")) for part in content} - {"text", "refusal"}):
            raise Uncheckable(f"the {role} message holds {', '.join(strange)}; these rails judge text only")
        content = "\n".join(str(part.get(part["type"], "")) for part in content)
    text = str(content) if content is not None else ""
    if len(text) > MAX_TEXT:
        raise Uncheckable(f"the {role} message has {len(text)} characters; at most {MAX_TEXT} are checked")
    return text if text.strip() else empty
