"""What can go wrong when a model is asked. The HTTP layer turns each into its status; nothing here knows HTTP.

LanguageModelError
├── BaseModelUnavailable   the base model's files are missing or unreadable
├── ModelNotServed         no model of that name is loaded                     (404)
├── InvalidRequest         a field cannot be honoured                          (400)
│   ├── ContextOverflow    prompt and answer do not fit the model's context    (400)
│   └── GrammarRefused     a schema, pattern or choice cannot guide decoding   (400)
├── Busy                   the queue is full                                   (429)
└── EngineStopped          loading failed, or the engine was stopped           (503)
"""

from __future__ import annotations

from collections.abc import Sequence


class LanguageModelError(Exception):
    """Base of all errors of the language model."""


class BaseModelUnavailable(LanguageModelError):
    """The base model cannot be loaded. `reference` is what was asked for."""

    def __init__(self, reference: str, reason: str, next_step: str) -> None:
        super().__init__(f"The base model {reference!r} cannot be loaded: {reason}. Next step: {next_step}")
        self.reference = reference


class ModelNotServed(LanguageModelError):
    """No model called `model` is loaded; `served` are the names that are."""

    def __init__(self, model: str, served: Sequence[str]) -> None:
        super().__init__(f"The model `{model}` does not exist. Served now: {', '.join(served) or 'none'}.")
        self.model = model
        self.served = tuple(served)


class InvalidRequest(LanguageModelError):
    """A field of the request cannot be honoured; `param` names it."""

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


class ContextOverflow(InvalidRequest):
    """The prompt, or the prompt with the answer asked for, is longer than the model's context (all in tokens)."""

    def __init__(self, prompt_tokens: int, max_tokens: int, limit: int) -> None:
        super().__init__(
            f"This model's maximum context length is {limit} tokens. However, you requested "
            f"{prompt_tokens + max_tokens} tokens ({prompt_tokens} in the messages, {max_tokens} in the completion). "
            "Please reduce the length of the messages or completion.",
            "messages",
        )
        self.prompt_tokens = prompt_tokens
        self.max_tokens = max_tokens
        self.limit = limit


class GrammarRefused(InvalidRequest):
    """A schema, pattern or choice list cannot guide decoding; `reason` says which part and why."""

    def __init__(self, reason: str, param: str | None = None) -> None:
        super().__init__(reason, param)
        self.reason = reason


class Busy(LanguageModelError):
    """The queue of waiting requests is full; try again in `retry_after` seconds."""

    def __init__(self, retry_after: int) -> None:
        super().__init__(f"Too many requests are waiting. Try again in {retry_after} s.")
        self.retry_after = retry_after


class EngineStopped(LanguageModelError):
    """The engine could not start or is shutting down; the message says why."""
