"""The shapes of NIM's answers: model cards, completions, chunks, usage, metrics. Pure functions."""

import time
import uuid
from collections.abc import Sequence
from typing import Any

from local_nemo.lm.generation import Completion, TokenLogprob
from local_nemo.lm.served import ServedModel
from local_nemo.lm.tool_calls import CallArguments, CallStart, Delta, Text

METRICS = {
    "requests": ("num_requests_total", "counter", "Requests begun"),
    "prompt_tokens": ("prompt_tokens_total", "counter", "Prompt tokens read"),
    "generation_tokens": ("generation_tokens_total", "counter", "Tokens generated"),
    "running": ("num_requests_running", "gauge", "Requests in the current batch"),
    "waiting": ("num_requests_waiting", "gauge", "Requests in the queue"),
}


def model_card(card: ServedModel) -> dict[str, Any]:
    facts = {"id": card.id, "object": "model", "created": card.created, "owned_by": "system", "root": card.root}
    return facts | {"parent": card.parent, "max_model_len": card.max_model_len, "permission": []}


def head(kind: str, model: str) -> dict[str, Any]:
    """What an answer and all its chunks share."""
    prefix = "cmpl" if kind == "text_completion" else "chatcmpl"
    return {"id": f"{prefix}-{uuid.uuid4().hex}", "object": kind, "created": int(time.time()), "model": model}


def chat(head: dict, done: Sequence[Completion], logprobs: bool) -> dict[str, Any]:
    return head | {"choices": [_chat_choice(i, one, logprobs) for i, one in enumerate(done)], "usage": usage(done)}


def chat_chunk(
    head: dict,
    index: int,
    delta: dict[str, Any],
    reason: str | None = None,
    completion: Completion | None = None,
    logprobs: bool = False,
) -> dict[str, Any]:
    values = _logprobs(completion.logprobs) if completion and logprobs else None
    return head | {"choices": [{"index": index, "delta": delta, "finish_reason": reason, "logprobs": values}]}


def delta(piece: str | Delta, ids: dict[int, str]) -> dict[str, Any]:
    """A piece of text or of a tool call; `ids` remembers the calls' ids within one answer."""
    match piece:
        case CallStart(index, name):
            ids[index] = _call_id()
            function = {"name": name, "arguments": ""}
            return {"tool_calls": [{"index": index, "id": ids[index], "type": "function", "function": function}]}
        case CallArguments(index, fragment):
            return {"tool_calls": [{"index": index, "function": {"arguments": fragment}}]}
        case Text(text):
            return {"content": text}
    return {"content": piece}


def text(
    head: dict, done: Sequence[Completion], prompts: Sequence[str], logprobs: int | None, each: int
) -> dict[str, Any]:
    choices = [
        text_choice(i, prompts[i] + (one.content or ""), one.finish_reason)
        | {"logprobs": _text_logprobs(one.logprobs) if logprobs is not None else None}
        for i, one in enumerate(done)
    ]
    return head | {"choices": choices, "usage": usage(done, each)}


def text_choice(index: int, piece: str, reason: str | None = None) -> dict[str, Any]:
    return {"index": index, "text": piece, "finish_reason": reason, "logprobs": None}


def usage(done: Sequence[Completion], each: int | None = None) -> dict[str, int]:
    """Tokens of all choices; a prompt counts once for the choices that it has: `each` of them, or all."""
    prompt = sum(one.prompt_tokens for one in done[:: each or len(done) or 1])
    answer = sum(one.completion_tokens for one in done)
    return {"prompt_tokens": prompt, "completion_tokens": answer, "total_tokens": prompt + answer}


def prometheus(figures: dict[str, float]) -> str:
    lines = []
    for key, (name, kind, help_) in METRICS.items():
        lines += [f"# HELP {name} {help_}", f"# TYPE {name} {kind}", f"{name} {figures.get(key, 0)}"]
    return "\n".join(lines) + "\n"


def _chat_choice(index: int, one: Completion, logprobs: bool) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": one.content}
    if one.tool_calls:
        message["tool_calls"] = [
            {"id": _call_id(), "type": "function", "function": dict(call)} for call in one.tool_calls
        ]
    else:
        message["content"] = one.content or ""
    choice = {"index": index, "finish_reason": one.finish_reason, "stop_reason": None, "message": message}
    return choice | {"logprobs": _logprobs(one.logprobs) if logprobs else None}


def _logprobs(tokens: Sequence[TokenLogprob]) -> dict[str, Any]:
    content = [
        {"token": one.token, "logprob": one.logprob, "bytes": list(one.token.encode()), "top_logprobs": []}
        for one in tokens
    ]
    return {"content": content, "refusal": None}


def _text_logprobs(tokens: Sequence[TokenLogprob]) -> dict[str, Any]:
    offsets, position = [], 0
    for one in tokens:
        offsets.append(position)
        position += len(one.token)
    texts, values = [one.token for one in tokens], [one.logprob for one in tokens]
    return {"tokens": texts, "token_logprobs": values, "text_offset": offsets, "top_logprobs": None}


def _call_id() -> str:
    return f"chatcmpl-tool-{uuid.uuid4().hex}"
