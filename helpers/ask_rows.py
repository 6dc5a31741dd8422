"""Evaluation records without an Evaluator: ask any OpenAI-compatible server for the rows of an evaluation file.

For a cluster whose result ZIP holds no raw records, and for models that only have a chat endpoint:

    rows = ask_rows.read("data/evaluation/xlam-test-single.jsonl")
    records = ask_rows.ask(nim.client(platform), "meta/llama-3.2-1b-instruct", rows)

Records have the shape that `records` describes and the Evaluator's scores. A row that fails is recorded with its error.
"""

import json
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import openai

from .records import Record
from .scores import published


def read(path: str | Path, *, limit: int = 0) -> list[dict[str, Any]]:
    """The rows of an evaluation file, the first `limit` of them if given."""
    with Path(path).open(encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines if line.strip()]
    return rows[: limit or None]


def ask(
    client: openai.OpenAI, model: str, rows: Iterable[dict[str, Any]], *, max_tokens: int = 128, at_once: int = 16
) -> list[Record]:
    """One record a row, in order; `at_once` rows are asked at the same time. The client retries by itself."""
    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(lambda item: _ask(client, model, item[0], item[1], max_tokens), enumerate(rows)))


def _ask(client: openai.OpenAI, model: str, index: int, row: dict[str, Any], max_tokens: int) -> Record:
    said = [message.get("content") for message in row["messages"] if message["role"] == "user"]
    record: Record = {"task": "ask_rows", "index": index, "item": row, "query": said[-1] if said else None}
    record |= {"tools": row["tools"], "truth": row["tool_calls"], "response": None, "predicted": [], "scores": {}}
    record |= {"error": None, "latency_s": None, "prompt_tokens": None, "completion_tokens": None}
    started = time.monotonic()
    try:
        reply = client.chat.completions.create(
            model=model,
            messages=[_openai_message(message) for message in row["messages"]],
            tools=row["tools"],
            tool_choice="auto",
            temperature=0,
            max_tokens=max_tokens,
        )
    except openai.OpenAIError as error:
        return record | {"error": f"request: {type(error).__name__}: {error}"}
    response = reply.model_dump(mode="json")
    predicted = response["choices"][0]["message"].get("tool_calls") or []
    usage = response.get("usage") or {}
    return record | {
        "response": response,
        "predicted": predicted,
        "scores": published(row["tool_calls"], predicted),
        "latency_s": round(time.monotonic() - started, 4),
        "prompt_tokens": usage.get("prompt_tokens"),
        "completion_tokens": usage.get("completion_tokens"),
    }


def _openai_message(message: dict[str, Any]) -> Any:
    """The message with the arguments of earlier calls as the JSON text that OpenAI's API wants."""
    calls = message.get("tool_calls")
    if not calls:
        return message
    written = []
    for call in calls:
        arguments = call["function"]["arguments"]
        text = arguments if isinstance(arguments, str) else json.dumps(arguments)
        written.append({**call, "function": {**call["function"], "arguments": text}})
    return {**message, "tool_calls": written}
