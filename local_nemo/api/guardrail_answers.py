"""The answers of Guardrails: of a check, and of a chat or completion, whole or as server-sent events."""

import json
import time
import uuid
from collections.abc import Iterator, Sequence
from typing import Any

from local_nemo.api.guardrail_bodies import Log
from local_nemo.guard.chat import GuardedChat
from local_nemo.guard.results import CheckResult, RailResult


def check_answer(result: CheckResult, ids: list[str], log: Log) -> dict[str, Any]:
    """`rails_status` names the rails that ran; `reason` is ours and says why the status isn't success."""
    answer: dict[str, Any] = {
        "status": result.outcome.value,
        "rails_status": {rail.name: {"status": rail.outcome.value} for rail in result.rails},
        "guardrails_data": {"config_ids": ids, "log": log_of([result], log)},
    }
    return answer | ({"reason": result.reason} if result.reason else {})


def log_of(checks: Sequence[CheckResult], log: Log, seconds: float | None = None) -> dict[str, Any]:
    """The log in the library's shape; details only as far as they were asked for."""
    rails = [rail for check in checks for rail in check.rails]
    calls = [call for rail in rails for call in rail.calls]
    stats = {
        "input_rails_duration": _spent(rails, "input"),
        "output_rails_duration": _spent(rails, "output"),
        "total_duration": seconds if seconds is not None else sum(check.seconds for check in checks),
        "llm_calls_duration": sum(call.get("duration") or 0 for call in calls),
        "llm_calls_count": len(calls),
        "llm_calls_total_prompt_tokens": sum(call.get("prompt_tokens") or 0 for call in calls),
        "llm_calls_total_completion_tokens": sum(call.get("completion_tokens") or 0 for call in calls),
        "llm_calls_total_tokens": sum(call.get("total_tokens") or 0 for call in calls),
    }
    found: dict[str, Any] = {"activated_rails": [], "stats": stats}
    if log.activated_rails:
        found["activated_rails"] = [rail.record for rail in rails if rail.record]
    if log.llm_calls:
        found["llm_calls"] = calls
    if log.internal_events:
        found["internal_events"] = []
    if log.colang_history:
        found["colang_history"] = ""
    return found


def _spent(rails: Sequence[RailResult], side: str) -> float | None:
    durations = [rail.seconds for rail in rails if rail.direction == side]
    return sum(durations) if durations else None


def chat_answer(chat: GuardedChat, ids: list[str], log: Log, return_choice: bool) -> dict[str, Any]:
    """OpenAI's chat completion plus `guardrails_data`; with `return_choice` the latter is a second choice, too."""
    text = "".join(chat.pieces())
    choices = [
        {
            "index": 0,
            "message": {"role": "assistant", "content": text},
            "finish_reason": chat.finish_reason,
            "logprobs": None,
        }
    ]
    data = _guardrails_data(chat, ids, log)
    if return_choice:
        message = {"role": "guardrails_data", "content": json.dumps(data)}
        choices.append({"index": 1, "message": message, "finish_reason": None, "logprobs": None})
    return _frame(chat, "chat.completion", "chatcmpl") | {
        "choices": choices,
        "usage": _usage(chat),
        "guardrails_data": data,
    }


def completion_answer(chat: GuardedChat, ids: list[str], log: Log) -> dict[str, Any]:
    """OpenAI's text completion plus `guardrails_data`."""
    text = "".join(chat.pieces())
    choice = {"index": 0, "text": text, "finish_reason": chat.finish_reason, "logprobs": None}
    return _frame(chat, "text_completion", "cmpl") | {
        "choices": [choice],
        "usage": _usage(chat),
        "guardrails_data": _guardrails_data(chat, ids, log),
    }


def chat_events(chat: GuardedChat) -> Iterator[str]:
    """One event per piece, each delta with role and content, then the reason it ended, then `[DONE]`."""
    frame = _frame(chat, "chat.completion.chunk", "chatcmpl")
    for piece in chat.pieces():
        delta = {"role": "assistant", "content": piece}
        yield _event(frame | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]})
    last = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": chat.finish_reason}
    yield _event(frame | {"choices": [last]})
    yield "data: [DONE]\n\n"


def completion_events(chat: GuardedChat) -> Iterator[str]:
    """As `chat_events`, for text completions."""
    frame = _frame(chat, "text_completion", "cmpl")
    for piece in chat.pieces():
        yield _event(frame | {"choices": [{"index": 0, "text": piece, "finish_reason": None}]})
    yield _event(frame | {"choices": [{"index": 0, "text": "", "finish_reason": chat.finish_reason}]})
    yield "data: [DONE]\n\n"


def _frame(chat: GuardedChat, kind: str, prefix: str) -> dict[str, Any]:

    model = chat.model if chat.answered else "-"  # no model was asked when the question was blocked
    return {"id": f"{prefix}-{uuid.uuid4().hex}", "object": kind, "created": int(time.time()), "model": model}


def _usage(chat: GuardedChat) -> dict[str, int]:
    total = chat.prompt_tokens + chat.completion_tokens
    return {"prompt_tokens": chat.prompt_tokens, "completion_tokens": chat.completion_tokens, "total_tokens": total}


def _guardrails_data(chat: GuardedChat, ids: list[str], log: Log) -> dict[str, Any]:
    seconds = time.perf_counter() - chat.started
    return {"config_ids": ids, "log": log_of(chat.checks, log, seconds), "output_data": None, "llm_output": None}


def _event(chunk: dict[str, Any]) -> str:
    return f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n"
