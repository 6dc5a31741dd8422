"""The prompt template: one way to write tools, calls and results as text, for training and inference alike.

Chat templates of small models know no tools, so this module turns an OpenAI-style conversation into plain
system/user/assistant messages and leaves the rest to the tokenizer's own chat template. Any model whose template knows
those three roles works. Tools are written compactly (every prompt token costs training time): one line per function,
one per parameter with type, enum words and default; optional parameters carry a question mark.
It does not tokenize, truncate or check anything.
"""

from __future__ import annotations

import json
from typing import Any

from local_nemo.lm.tool_calls import END, START

MAX_DEPTH = 4  # nested objects below this are written as their type alone
MAX_ENUM = 50
INSTRUCTION = f'To use one, answer only {START}{{"name": "...", "arguments": {{...}}}}{END}'


def plain_messages(messages: list[dict], tools: list[dict] | None, tool_choice: str | dict = "auto") -> list[dict]:
    """The conversation as `{"role": "system"|"user"|"assistant", "content": str}` messages.

    `tools` go into the system message unless `tool_choice` is "none"; a named choice shows that tool alone. Assistant
    `tool_calls` and `tool` messages become text, so histories survive without the tools that made them.
    """
    plain: list[dict] = []
    for message in messages:
        role, content = message["role"], _text(message.get("content"))
        if role == "assistant":
            content = render_answer(message, tools)
        elif role in ("tool", "function"):
            role, content = "user", f"<tool_response>{content}</tool_response>"
        elif role == "developer":
            role = "system"
        if plain and plain[-1]["role"] == role and role != "assistant":
            plain[-1]["content"] += "\n" + content
        else:
            plain.append({"role": role, "content": content})
    shown = _shown_tools(tools, tool_choice)
    if shown:
        if not plain or plain[0]["role"] != "system":
            plain.insert(0, {"role": "system", "content": ""})
        plain[0]["content"] = f"{plain[0]['content']}\n{render_tools(shown)}".lstrip("\n")
    return plain


def render_prompt(tokenizer, messages: list[dict], tools: list[dict] | None, tool_choice: str | dict = "auto") -> str:
    """The prompt text up to and including the assistant's header; encode it without adding special tokens."""
    plain = plain_messages(messages, tools, tool_choice)
    return tokenizer.apply_chat_template(plain, tokenize=False, add_generation_prompt=True)


def render_answer(message: dict, tools: list[dict] | None) -> str:
    """The text the model should write for an assistant message, without the end-of-turn token.

    Arguments may be an object or JSON text; they are written in the order of the tool's schema.
    """
    parts = [_text(message.get("content"))] if message.get("content") else []
    for call in message.get("tool_calls") or ():
        function = call["function"]
        arguments = _ordered(function.get("arguments"), _properties(tools, function["name"]))
        parts.append(f'{START}{{"name": {_json(function["name"])}, "arguments": {arguments}}}{END}')
    return "\n".join(parts)


def render_tools(tools: list[dict]) -> str:
    """The tools as the text of the system message."""
    return "Functions:\n" + "\n".join(_render_function(_function(tool)) for tool in tools) + "\n" + INSTRUCTION


def _render_function(function: dict) -> str:
    lines = [_titled(f"# {function.get('name', '')}", function)]
    lines += _render_properties(function.get("parameters") or {}, depth=1)
    return "\n".join(lines)


def _render_properties(schema: dict, depth: int) -> list[str]:
    properties, required = schema.get("properties"), schema.get("required")
    if not isinstance(properties, dict) or depth > MAX_DEPTH:
        return []
    required = required if isinstance(required, list) else []
    lines = []
    for name, value in properties.items():
        value = value if isinstance(value, dict) else {}
        mark = "" if name in required else "?"
        default = f" = {_json(value['default'])}" if value.get("default") not in (None, "") else ""
        lines.append("-" * depth + _titled(f" {name}{mark}: {_type(value)}{default}", value))
        items = value.get("items")
        lines += _render_properties(items if isinstance(items, dict) else value, depth + 1)
    return lines


def _titled(head: str, schema: dict) -> str:
    description = schema.get("description")
    return f"{head}. {' '.join(description.split())}" if isinstance(description, str) and description.strip() else head


def _type(schema: dict, depth: int = 0) -> str:
    """The type as TypeScript would write it: `"a" | "b"`, `integer`, `string[]`."""
    if depth > MAX_DEPTH:
        return "any"
    if isinstance(schema.get("enum"), list) and schema["enum"]:
        words = [_json(word) for word in schema["enum"][:MAX_ENUM]]
        return " | ".join(words + ["..."] * (len(schema["enum"]) > MAX_ENUM))
    if "const" in schema:
        return _json(schema["const"])
    for key in ("anyOf", "oneOf"):
        if isinstance(schema.get(key), list):
            options = [_type(option, depth + 1) for option in schema[key] if isinstance(option, dict)]
            return " | ".join(dict.fromkeys(options)) or "any"
    kind = schema.get("type", "any")
    if isinstance(kind, list):
        return " | ".join(str(one) for one in kind)
    if kind == "array" and isinstance(schema.get("items"), dict):
        inner = _type(schema["items"], depth + 1)
        return f"({inner})[]" if " | " in inner else f"{inner}[]"
    return str(kind)


def _shown_tools(tools: list[dict] | None, tool_choice: str | dict) -> list[dict]:
    if not tools or tool_choice == "none":
        return []
    if isinstance(tool_choice, dict):
        name = (tool_choice.get("function") or tool_choice).get("name")
        return [tool for tool in tools if _function(tool).get("name") == name]
    return tools


def _function(tool: dict) -> dict:
    return tool.get("function") or tool


def _properties(tools: list[dict] | None, name: str) -> dict:
    for tool in tools or ():
        function = _function(tool)
        if function.get("name") == name:
            properties = (function.get("parameters") or {}).get("properties")
            return properties if isinstance(properties, dict) else {}
    return {}


def _ordered(arguments: Any, properties: dict) -> str:
    if isinstance(arguments, str):
        try:
            arguments = json.loads(arguments)
        except ValueError:
            return arguments
    if not isinstance(arguments, dict):
        return "{}" if arguments is None else _json(arguments)
    known = {key: arguments[key] for key in properties if key in arguments}
    return _json(known | arguments)


def _text(content: object) -> str:
    """A message's content as text; content parts other than text are left out."""
    if isinstance(content, list):
        return "\n".join(part.get("text", "") for part in content if isinstance(part, dict) and part.get("text"))
    return content if isinstance(content, str) else ""


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
