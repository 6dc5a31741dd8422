"""A chat between rails: check the question, let the main model answer, check the answer, and only then let it out.

`GuardedChat.open()` checks the question and, where output rails are configured, the whole answer; so that whoever
streams the result knows before the first byte whether there is one. Without output rails the pieces come as they are
generated.
"""

import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from local_nemo.guard.config_data import GENERAL_INSTRUCTION, ConfigData
from local_nemo.guard.flows import Direction
from local_nemo.guard.local_model import generation, pieces_of
from local_nemo.guard.results import CheckResult, Outcome
from local_nemo.guard.service import Guard

if TYPE_CHECKING:
    from local_nemo.lm.engine import Engine

REFUSAL = "I'm sorry, I can't respond to that."


class CheckUnreadable(RuntimeError):
    """A check came to no verdict, so nothing is let through; `result` says which rail and why."""

    def __init__(self, side: str, result: CheckResult) -> None:
        super().__init__(f"the {side} could not be checked, so it is not let through. {result.reason}")
        self.result = result


@dataclass
class GuardedChat:
    """One request. Read `refused`, then iterate over `pieces()`; `usage` and `finish_reason` are right afterwards."""

    guard: Guard
    engine: "Engine"
    config: ConfigData
    model: str
    messages: list[dict[str, Any]]
    sampling: Mapping[str, Any]
    rails: Mapping[str, Any] = field(default_factory=dict)
    key: str | None = None
    checks: list[CheckResult] = field(default_factory=list)
    refused: bool = False
    answered: bool = False  # the main model was asked
    finish_reason: str = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0
    started: float = field(default_factory=time.perf_counter)
    _answer: Iterator[str] = iter(())

    def open(self) -> "GuardedChat":
        """Check the question, start the answer, check it where that is configured.

        Raises `CheckUnreadable`, `ModelFailed` of the main model's endpoint, or the engine's errors.
        """
        if not self._passes("input", "question", self.messages):
            return self._refuse()
        self._answer, self.answered = self._generate(), True
        if self._wanted("output"):
            text = "".join(self._answer)
            if not self._passes("output", "answer", [*self.messages, {"role": "assistant", "content": text}]):
                return self._refuse()
            self._answer = iter(re.findall(r"\s*\S+|\s+$", text))
        return self

    def pieces(self) -> Iterator[str]:
        """The answer, or the refusal, piece by piece; once."""
        return self._answer

    def _passes(self, side: Direction, noun: str, messages: list[dict[str, Any]]) -> bool:
        if not self._wanted(side):
            return True
        options = {"model": self.model, "rails": self.rails, "key": self.key}
        result = self.guard.check_one_side(self.config, messages, side, **options)
        self.checks.append(result)
        if result.outcome is Outcome.UNREADABLE:
            raise CheckUnreadable(noun, result)
        return result.outcome is Outcome.ALLOWED

    def _wanted(self, side: Direction) -> bool:
        return bool(self.config.flows(side) and self.rails.get(side, True))

    def _refuse(self) -> "GuardedChat":
        self.refused, self.finish_reason, self._answer = True, "content_filter", iter([REFUSAL])
        self.prompt_tokens = self.completion_tokens = 0
        return self

    def _generate(self) -> Iterator[str]:
        """The main model's answer: at the endpoint that the configuration names, else by a model served here."""
        main = self.config.model("main")
        messages = self._with_instructions()
        if main and main.parameters.get("base_url"):
            done: Any = self.guard.ask(main, self.model, messages, self.sampling, self.key)
            yield done.content
        else:
            running = generation(self.engine, self.model, messages, self.sampling)
            try:
                yield from pieces_of(running)
            except GeneratorExit:  # the client has left
                running.cancel()
                raise
            done = running.result()
        self.finish_reason, self.prompt_tokens = done.finish_reason, done.prompt_tokens
        self.completion_tokens = done.completion_tokens

    def _with_instructions(self) -> list[dict[str, Any]]:
        """A configuration's own general instruction opens the conversation, unless the client sent one."""
        general = next((one.content for one in self.config.instructions or [] if one.type == "general"), None)
        own = general and general != GENERAL_INSTRUCTION and not self.config.passthrough
        if not own or any(message.get("role") == "system" for message in self.messages):
            return self.messages
        return [{"role": "system", "content": general}, *self.messages]
