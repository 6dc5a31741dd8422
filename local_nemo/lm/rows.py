"""Training rows: reading them from JSONL, checking every line, turning them into token ids.

Two forms are read (nemo_api 3.6): chat rows (`messages`, optional `tools`) and completion rows (`prompt`,
`completion`). Every line is checked before anything trains; `BadRow` names file and line. A chat row teaches its last
assistant message alone: what came before is the prompt. Nothing is shuffled, dropped or augmented here.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from local_nemo.lm.prompt import render_answer, render_prompt

ROLES = ("system", "developer", "user", "assistant", "tool")


class BadRow(ValueError):
    """A dataset cannot be trained on; the text names the file, the line and what is wrong there."""


@dataclass(frozen=True)
class EncodedRow:
    """One row as the model sees it: `ids[:answer_start]` is the prompt, the rest is the answer with its end."""

    ids: tuple[int, ...]
    answer_start: int

    @property
    def answer_tokens(self) -> int:
        return len(self.ids) - self.answer_start


def read_rows(files: Iterable[tuple[str, Path]], tools: list[dict] | None = None) -> list[dict]:
    """The checked rows of all files, in order. `files` are (name to show, path); `tools` serve rows without their own.

    Raises BadRow for the first line that cannot be used, and for files that hold no row at all.
    """
    files = list(files)
    rows = [row for name, path in files for row in _read_file(name, path, tools)]
    if not rows:
        raise BadRow(
            f"{', '.join(name for name, _ in files) or 'The dataset'} holds no rows: there is nothing to train on"
        )
    return rows


def encode_row(tokenizer, row: dict, max_length: int) -> EncodedRow:
    """The row's token ids. A longer row than `max_length` loses the beginning of its prompt, never its answer.

    Raises BadRow if the answer alone does not fit.
    """
    if "messages" in row:
        tools = row.get("tools")
        prompt = render_prompt(tokenizer, row["messages"][:-1], tools)
        answer = render_answer(row["messages"][-1], tools)
    else:
        prompt, answer = row["prompt"], row["completion"]
    prompt_ids = tokenizer(prompt, add_special_tokens=False)["input_ids"]
    answer_ids = tokenizer(answer, add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]
    room = max_length - len(answer_ids)
    if room < 1:
        raise BadRow(f"An answer of {len(answer_ids)} tokens does not fit into max_seq_length {max_length}")
    prompt_ids = prompt_ids[-room:] or [tokenizer.eos_token_id]
    return EncodedRow(tuple(prompt_ids + answer_ids), len(prompt_ids))


def split_rows(rows: list[dict], *, seed: int, share: float = 0.1) -> tuple[list[dict], list[dict]]:
    """(training, validation) rows for a dataset without validation files: a tenth, chosen by seed, validates.

    A single row is trained on and not validated.
    """
    count = min(len(rows) // 2, max(1, int(len(rows) * share)))
    held_out = set(random.Random(seed).sample(range(len(rows)), count))
    return (
        [row for index, row in enumerate(rows) if index not in held_out],
        [row for index, row in enumerate(rows) if index in held_out],
    )


def sample_rows(rows: list[dict], most: int, *, seed: int) -> list[dict]:
    """All rows, or `most` of them chosen by seed, in their order."""
    if len(rows) <= most:
        return rows
    return [rows[index] for index in sorted(random.Random(seed).sample(range(len(rows)), most))]


def _read_file(name: str, path: Path, tools: list[dict] | None) -> Iterator[dict]:
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
                yield _checked(row, tools)
            except UnicodeDecodeError as error:
                raise BadRow(f"{name}, line {number}: the text is not UTF-8 ({error.reason})") from error
            except json.JSONDecodeError as error:
                raise BadRow(f"{name}, line {number}: not JSON ({error.msg} at column {error.colno})") from error
            except RecursionError as error:
                raise BadRow(f"{name}, line {number}: nested too deeply") from error
            except BadRow as error:
                raise BadRow(f"{name}, line {number}: {error}") from None


def _checked(row: object, tools: list[dict] | None) -> dict:
    if not isinstance(row, dict):
        raise BadRow(f"a row is a JSON object, not {_kind(row)}")
    if "messages" in row:
        _check_messages(row["messages"])
        given = row.get("tools") or tools
        if given is not None:
            _check_tools(given)
        return {"messages": row["messages"], "tools": given}
    for key in ("prompt", "completion"):
        if not isinstance(row.get(key), str):
            raise BadRow(
                "a row has either `messages` or `prompt` and `completion` (text); "
                f"this one has {', '.join(map(repr, row)) or 'nothing'}"
            )
    if not row["completion"]:
        raise BadRow("`completion` is empty")
    return {"prompt": row["prompt"], "completion": row["completion"]}


def _check_messages(messages: object) -> None:
    if not isinstance(messages, list) or not messages:
        raise BadRow("`messages` must be a list that is not empty")
    for index, message in enumerate(messages):
        if not isinstance(message, dict) or message.get("role") not in ROLES:
            raise BadRow(f"messages[{index}] needs a `role` out of {', '.join(ROLES)}")
        content = message.get("content")
        if content is not None and not isinstance(content, str | list):
            raise BadRow(f"messages[{index}].content must be text, not {_kind(content)}")
        _check_calls(message.get("tool_calls"), f"messages[{index}].tool_calls")
    last = messages[-1]
    if last["role"] != "assistant":
        raise BadRow(f"the last message must be the assistant's answer, this one is from {last['role']!r}")
    if not last.get("content") and not last.get("tool_calls"):
        raise BadRow("the last message has neither content nor tool_calls")
    if len(messages) == 1:
        raise BadRow("there is no message before the assistant's answer")


def _check_calls(calls: object, where: str) -> None:
    if calls is None:
        return
    if not isinstance(calls, list):
        raise BadRow(f"{where} must be a list")
    for index, call in enumerate(calls):
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str) or not function["name"]:
            raise BadRow(f"{where}[{index}] needs `function` with a `name`")
        arguments = function.get("arguments")
        if isinstance(arguments, str):
            try:
                arguments = json.loads(arguments)
            except ValueError as error:
                raise BadRow(f"{where}[{index}].function.arguments is text that is not JSON ({error})") from error
        if not isinstance(arguments, dict | None):
            raise BadRow(f"{where}[{index}].function.arguments must be an object, not {_kind(arguments)}")


def _check_tools(tools: object) -> None:
    if not isinstance(tools, list):
        raise BadRow("`tools` must be a list")
    for index, tool in enumerate(tools):
        function = tool.get("function", tool) if isinstance(tool, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise BadRow(f"tools[{index}] needs `function` with a `name`")
        if not isinstance(function.get("parameters"), dict | None):
            raise BadRow(f"tools[{index}].function.parameters must be a JSON Schema object")


def _kind(value: object) -> str:
    return {list: "a list", str: "text", dict: "an object", bool: "a boolean", type(None): "null"}.get(
        type(value), "a number"
    )
