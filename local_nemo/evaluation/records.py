"""One raw record a row: what was asked, what came back, what it scored. Written as rows finish, so a job can resume.

The file is JSON lines. A line is written whole or, after a crash in the middle of it, not counted: reading drops an
unfinished last line and appending continues after the last whole one.
"""

import json
import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from local_nemo.evaluation.metric import RowError, predicted_calls


@dataclass
class Record:
    """`scores` holds a number for each score, None for one that could not be computed (then `error` may say why)."""

    task: str
    index: int  # of the row in the dataset, from 0
    item: dict[str, Any]
    query: str | None = None  # the last user message of the request
    tools: list[Any] = field(default_factory=list)
    truth: Any = None
    response: dict[str, Any] | None = None  # as the target answered
    predicted: list[dict[str, Any]] = field(default_factory=list)  # its tool calls
    scores: dict[str, float | None] = field(default_factory=dict)
    error: str | None = None
    latency_s: float | None = None
    attempts: int = 0
    prompt_tokens: int | None = None
    completion_tokens: int | None = None

    def asked(self, body: Mapping[str, Any]) -> None:
        """Note the rendered request."""
        messages = body.get("messages")
        if isinstance(messages, list):
            said = [one.get("content") for one in messages if isinstance(one, Mapping) and one.get("role") == "user"]
            self.query = said[-1] if said and isinstance(said[-1], str) else None
        elif isinstance(body.get("prompt"), str):
            self.query = body["prompt"]
        self.tools = body["tools"] if isinstance(body.get("tools"), list) else []

    def answered(self, response: dict[str, Any]) -> None:
        """Note the answer."""
        self.response = response
        usage = response.get("usage")
        if isinstance(usage, Mapping):
            self.prompt_tokens, self.completion_tokens = usage.get("prompt_tokens"), usage.get("completion_tokens")
        try:
            self.predicted = predicted_calls(response)
        except RowError:
            self.predicted = []

    def as_json(self) -> dict[str, Any]:
        """The record as its line in the file holds it; JSON has no NaN, so that is None."""
        scores = {name: None if value is None or math.isnan(value) else value for name, value in self.scores.items()}
        return asdict(self) | {"scores": scores}

    def failed(self, reason: str) -> None:
        """Note an error; the first one is the cause."""
        self.error = self.error or reason


def output_text(response: Any) -> str | None:
    """The text of choice 0 of a chat or text completion, None without one."""
    try:
        choice = response["choices"][0]
        return choice["message"]["content"] if "message" in choice else choice.get("text")
    except (KeyError, IndexError, TypeError, AttributeError):
        return None


class RecordFile:
    """The records of one job on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        self._drop_unfinished_line()

    def append(self, record: Record) -> None:
        """Add a record; it is with the operating system when this returns."""
        with self.path.open("ab") as file:
            file.write(json.dumps(record.as_json(), ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n")

    def sync(self) -> None:
        """On disk when this returns."""
        with self.path.open("ab") as file:
            os.fsync(file.fileno())

    def __iter__(self) -> Iterator[dict[str, Any]]:
        with self.path.open(encoding="utf-8", newline="\n") as lines:
            for line in lines:
                yield json.loads(line)

    def done(self) -> set[tuple[str, int]]:
        """The rows that have their record, as (task, index)."""
        return {(record["task"], record["index"]) for record in self}

    def _drop_unfinished_line(self) -> None:
        with self.path.open("rb+") as file:
            end = file.seek(0, os.SEEK_END)
            while end:
                start = max(0, end - 65_536)
                file.seek(start)
                newline = file.read(end - start).rfind(b"\n")
                if newline >= 0:
                    file.truncate(start + newline + 1)
                    return
                end = start
            file.truncate(0)
