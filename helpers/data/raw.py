"""Reading a raw row: its question and its gold calls, from xLAM's fields or from OpenAI messages.

A row with `messages` is OpenAI's: the calls are those of the last assistant message, or stand beside the messages in
`tool_calls`. Any other row is xLAM's: `query` and `answers`. Fields may be JSON text or decoded. History (earlier calls
and tool results) is kept; the arguments of earlier calls become objects. Whatever cannot be read raises `Dropped`.
"""

from __future__ import annotations

import json
from typing import Any

ROLES = ("system", "user", "assistant", "tool")


class Dropped(Exception):
    """The row cannot be used: `reason` is the same for all such rows, `detail` is about this one."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason, self.detail = reason, detail


def decoded(field: Any, name: str) -> Any:
    """`field`, or what its JSON text says. NaN is read, so that it can be found and named where it stands."""
    if not isinstance(field, str):
        return field
    try:
        return json.loads(field)
    except (ValueError, RecursionError) as error:
        raise Dropped("not readable as JSON", f"{name}: {error}") from None


def question_and_calls(raw: dict[str, Any]) -> tuple[list[dict[str, Any]], list[Any]]:
    """The messages to ask, and the list of gold calls."""
    if "messages" in raw:
        return _from_messages(raw)
    query = raw.get("query")
    if not isinstance(query, str) or not query.strip():
        raise Dropped("not a row", "neither `query` nor `messages`")
    return [{"role": "user", "content": query}], _list(decoded(raw.get("answers"), "answers"))


def name_and_arguments(call: Any) -> tuple[str, dict[str, Any]]:
    """Name and arguments of one call, xLAM's or OpenAI's."""
    call = call["function"] if isinstance(call, dict) and isinstance(call.get("function"), dict) else call
    if not isinstance(call, dict) or not isinstance(call.get("name"), str):
        raise Dropped("a call that cannot be read", "a call without a name")
    arguments = decoded(call.get("arguments", call.get("parameters")), "arguments")
    if not isinstance(arguments, dict | None):
        raise Dropped("a call that cannot be read", f"the arguments of {call['name']} are no object")
    return call["name"], arguments or {}


def rename_tools(messages: list[dict[str, Any]], names: dict[str, str]) -> list[dict[str, Any]]:
    """`messages` with the tools of earlier calls under their new names."""
    for message in messages:
        if "name" in message:
            message["name"] = names.get(message["name"], message["name"])
        for call in message.get("tool_calls", []):
            function = call["function"]
            function["name"] = names.get(function["name"], function["name"])
    return messages


def _from_messages(raw: dict[str, Any]) -> tuple[list[dict[str, Any]], list[Any]]:
    listed = decoded(raw["messages"], "messages")
    if not isinstance(listed, list) or not listed:
        raise Dropped("not a row", "`messages` is empty")
    if "tool_calls" in raw:
        calls = decoded(raw["tool_calls"], "tool_calls")
    else:
        *listed, last = listed
        calls = last.get("tool_calls") if isinstance(last, dict) and last.get("role") == "assistant" else None
    messages = [_message(message) for message in listed]
    if not any(message["role"] == "user" for message in messages):
        raise Dropped("not a row", "no message of the user")
    return messages, _list(calls)


def _message(raw: Any) -> dict[str, Any]:
    """One message with text content and, for earlier calls, arguments as objects."""
    if not isinstance(raw, dict) or raw.get("role") not in ROLES:
        raise Dropped("a message that cannot be read", f"a role other than {', '.join(ROLES)}")
    message: dict[str, Any] = {"role": raw["role"], "content": _text(raw.get("content"))}
    if raw["role"] == "assistant" and raw.get("tool_calls"):
        message["tool_calls"] = [_earlier_call(call) for call in _list(raw["tool_calls"])]
    if raw["role"] == "tool":
        message |= {key: raw[key] for key in ("tool_call_id", "name") if isinstance(raw.get(key), str)}
    return message


def _earlier_call(raw: Any) -> dict[str, Any]:
    name, arguments = name_and_arguments(raw)
    call = {"type": "function", "function": {"name": name, "arguments": arguments}}
    return {"id": raw["id"]} | call if isinstance(raw.get("id"), str) else call


def _text(content: Any) -> str:
    """Text content; OpenAI also allows a list of parts, of which only text can be used here."""
    if content is None or isinstance(content, str):
        return content or ""
    parts = content if isinstance(content, list) else [content]
    texts: list[Any] = [part.get("text") if isinstance(part, dict) else part for part in parts]
    if not all(isinstance(text, str) for text in texts):
        raise Dropped("a message that cannot be read", "content other than text")
    return "\n".join(texts)


def _list(calls: Any) -> list[Any]:
    if calls is None:
        return []
    return calls if isinstance(calls, list) else [calls]
