"""One request to a model with tools, guarded at every step; written so that an application can lift it as it is.

    check input -> model -> check call -> approval -> run tool -> check result -> answer

    done = guarded_call(client, model=…, messages=…, tools=…, run={"pay": pay}, rails=CallRails(tools, policy),
                        check_text=lambda text: "allowed", writes={"pay"}, approve=ask_a_human)
    done.outcome, done.answer, done.steps

Every step leaves its decision and reason in `steps`. Whatever is not plainly allowed ends the request there: all
calls of an answer are checked before the first runs, and no tool runs after a stop. Nothing here knows which service
checks the text.
"""

import json
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import openai

from . import errors
from .call_rails import CallRails, Verdict

CheckText = Callable[[str], str]  # a message -> allowed, blocked or unreadable
Approve = Callable[[str, Mapping[str, Any]], bool]  # tool, arguments -> whether a human says yes


@dataclass(frozen=True)
class Step:
    """One line of the record."""

    step: str
    outcome: str  # allowed, blocked, unreadable; failed when a tool raised an error
    reason: str = ""
    seconds: float = 0.0


@dataclass
class GuardedCall:
    """What happened. `answer` is for the user; `messages` is the conversation as far as it may be continued."""

    messages: list[dict[str, Any]]
    steps: list[Step] = field(default_factory=list)
    answer: str | None = None

    @property
    def outcome(self) -> str:
        """allowed when every step was, else the outcome of the step that ended the request."""
        return self.steps[-1].outcome if self.steps else "unreadable"

    @property
    def calls(self) -> list[tuple[str, str]]:
        """The calls that the model asked for, run or not: (tool, arguments as JSON text)."""
        made = [call["function"] for message in self.messages for call in message.get("tool_calls") or ()]
        return [(call["name"], call["arguments"]) for call in made]

    def __repr__(self) -> str:
        return "\n".join(f"{one.step:<13} {one.outcome:<10} {one.reason}" for one in self.steps)


class _Stop(Exception):
    """A step was not allowed; it is in the record."""


def guarded_call(
    client: openai.OpenAI,
    *,
    model: str,
    messages: Sequence[Mapping[str, Any]],
    tools: Sequence[Mapping[str, Any]],
    run: Mapping[str, Callable[..., Any]],
    rails: CallRails,
    check_text: CheckText,
    writes: Collection[str] = (),
    approve: Approve = lambda tool, arguments: False,
    answer_model: str | None = None,
    tool_choice: str | Mapping[str, Any] = "auto",
    **sampling: Any,
) -> GuardedCall:
    """Answer the last user message, with tools where the model asks for them.

    - run: the function behind each tool, called with the arguments by name; its result becomes text.
    - check_text: the guardrail for messages; an error of its service counts as unreadable.
    - writes, approve: tools that change something run only if `approve` says so; by default nobody does.
    - tool_choice, sampling: as in OpenAI's API; the final sentence is asked for with tool_choice "none".
    - answer_model: who writes the final sentence from the results (the model itself unless named).
    """
    record = GuardedCall([dict(message) for message in messages])
    try:
        _check_input(record, check_text)
        offered = {"tools": list(tools), "tool_choice": tool_choice}
        reply = _ask(record, "model", client, model=model, messages=record.messages, **offered, **sampling)
        if not reply.tool_calls:
            record.answer = reply.content or ""
            return record
        calls = [call.model_dump(include={"id", "type", "function"}) for call in reply.tool_calls]
        record.messages.append({"role": "assistant", "content": reply.content, "tool_calls": calls})
        for call in calls:
            _check_call(record, call, rails, run, writes, approve)
        for position, call in enumerate(calls):
            _run_tool(record, call, run, rails, waiting=calls[position:])
        words = {"tools": list(tools), "tool_choice": "none", **sampling}
        final = _ask(record, "answer", client, model=answer_model or model, messages=record.messages, **words)
        record.answer = final.content or ""
    except _Stop:
        pass
    return record


def _check_input(record: GuardedCall, check_text: CheckText) -> None:
    asked = next((one.get("content") for one in reversed(record.messages) if one.get("role") == "user"), None)
    began = time.perf_counter()
    try:
        outcome = check_text(asked) if isinstance(asked, str) else "unreadable"
        verdict = Verdict(outcome, "input", "") if outcome in ("allowed", "blocked") else Verdict("unreadable", "input")
    except errors.TutorialError as error:
        verdict = Verdict("unreadable", "input", error.what)
    _step(record, "check input", verdict, began)


def _ask(record: GuardedCall, step: str, client: openai.OpenAI, **request: Any) -> Any:
    """One chat completion; the openai client's errors pass through, since no rail has decided anything."""
    began = time.perf_counter()
    message = client.chat.completions.create(**request).choices[0].message
    names = [call.function.name for call in message.tool_calls or ()]
    _step(record, step, Verdict("allowed", step, f"calls {', '.join(names)}" if names else "answers in words"), began)
    return message


def _check_call(
    record: GuardedCall,
    call: Mapping[str, Any],
    rails: CallRails,
    run: Mapping[str, Callable[..., Any]],
    writes: Collection[str],
    approve: Approve,
) -> None:
    name, arguments = call["function"]["name"], call["function"]["arguments"]
    began = time.perf_counter()
    verdict = rails.check_call(name, arguments)
    if verdict and name not in run:
        verdict = Verdict("blocked", "allow-list", f"there is no function behind {name!r}")
    _step(record, "check call", verdict, began)
    if name in writes:
        yes = approve(name, json.loads(arguments)) is True
        answer = (
            Verdict("allowed", "approval", f"{name} approved")
            if yes
            else Verdict("blocked", "approval", f"{name} refused")
        )
        _step(record, "approval", answer, began)


def _run_tool(
    record: GuardedCall,
    call: Mapping[str, Any],
    run: Mapping[str, Callable[..., Any]],
    rails: CallRails,
    waiting: Sequence[Mapping[str, Any]],
) -> None:
    name, arguments = call["function"]["name"], call["function"]["arguments"]
    began = time.perf_counter()
    try:
        result = run[name](**json.loads(arguments))
    except Exception as error:  # the tool is the application's own code; whatever it raises ends this request
        _step(record, "run tool", Verdict("failed", name, f"{type(error).__name__}: {error}"), began)
    _step(record, "run tool", Verdict("allowed", "", name), began)
    text = result if isinstance(result, str) else json.dumps(result, ensure_ascii=False, default=str)
    message = {"role": "tool", "tool_call_id": call["id"], "content": text}
    _step(record, "check result", rails.check_result(message, calls=waiting), began)
    record.messages.append(message)


def _step(record: GuardedCall, step: str, verdict: Verdict, began: float) -> None:
    """Write a step down, and end the request unless it was allowed."""
    reason = verdict.reason if verdict or not verdict.rail else f"{verdict.rail}: {verdict.reason}".removesuffix(": ")
    record.steps.append(Step(step, verdict.outcome, reason, time.perf_counter() - began))
    if not verdict:
        raise _Stop
