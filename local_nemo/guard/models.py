"""The models that rails and guarded chats ask: one served by this process, or an OpenAI-compatible endpoint
elsewhere.

Both keep the library's `LLMModel` protocol. A local model is asked in process, not over HTTP, so that a full server
can't wait for itself. Nothing is retried and nothing is guessed: a model that doesn't answer in time raises, and the
check that asked becomes unreadable.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx
from nemoguardrails.types import ChatMessage, LLMResponse, LLMResponseChunk, UsageInfo

from local_nemo.evaluation.target import is_loopback
from local_nemo.guard.config import KEY_VARIABLES
from local_nemo.guard.config_data import GuardModel

DEFAULT_TIMEOUT = 20.0  # seconds for one answer of a safety model
MAIN_MODEL: ContextVar[str] = ContextVar("main_model", default="main")  # the request's `model`, for self-check rails
MODEL_KEY: ContextVar[str | None] = ContextVar("model_key", default=None)  # X-Model-Authorization of the request
CHECKED_TEXT: ContextVar[str] = ContextVar("checked_text", default="")  # must appear in what the safety model is shown
Messages = list[dict[str, str]]


@dataclass(frozen=True)
class Answer:
    """One model answer. `tool_calls` is in OpenAI's form."""

    content: str
    finish_reason: str = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0
    tool_calls: Sequence[Mapping[str, Any]] = ()


Ask = Callable[[str, Messages, Mapping[str, Any]], Awaitable[Answer]]  # model name, messages, sampling parameters


class ModelFailed(RuntimeError):
    """A model gave no answer; `status` is its HTTP status where it has one."""

    def __init__(self, text: str, status: int | None = None) -> None:
        super().__init__(text)
        self.status = status


class NotShown(RuntimeError):
    """A rendered prompt that doesn't hold the text to judge: its verdict would be about something else."""


class RailModel:
    """A model of a rail, under the library's protocol."""

    def __init__(self, ask: Ask, model: GuardModel | None) -> None:
        self._ask, self._model = ask, model

    @property
    def model_name(self) -> str:
        return self._model.name or "" if self._model else MAIN_MODEL.get()

    @property
    def provider_name(self) -> str:
        return self._model.engine if self._model else "nim"

    @property
    def provider_url(self) -> str | None:
        return self._model.parameters.get("base_url") if self._model else None

    async def generate_async(
        self, prompt: str | list[ChatMessage], *, stop: list[str] | None = None, **params: Any
    ) -> LLMResponse:
        """Raises `NotShown` or `ModelFailed`; the library passes both on."""
        if isinstance(prompt, str):
            messages = [{"role": "user", "content": prompt}]
        else:
            messages = [{"role": str(one.role.value), "content": one.content} for one in prompt]
        text = CHECKED_TEXT.get().strip()
        if not any(text in str(one["content"]) for one in messages):
            raise NotShown("the prompt that the template rendered does not hold the text to check")
        own = {key: value for key, value in self._parameters().items() if key not in ("base_url", "timeout")}
        answer = await asyncio.wait_for(
            self._ask(self.model_name, messages, {**params, **own, **({"stop": stop} if stop else {})}),
            float(self._parameters().get("timeout") or DEFAULT_TIMEOUT),
        )
        usage = UsageInfo(
            answer.prompt_tokens, answer.completion_tokens, answer.prompt_tokens + answer.completion_tokens
        )
        return LLMResponse(content=answer.content, model=self.model_name, usage=usage)

    async def stream_async(self, prompt: Any, *, stop: Any = None, **params: Any) -> AsyncIterator[LLMResponseChunk]:
        """Rails need whole answers; this is here because the protocol wants it."""
        response = await self.generate_async(prompt, stop=stop, **params)
        yield LLMResponseChunk(delta_content=response.content)

    def _parameters(self) -> Mapping[str, Any]:
        return self._model.parameters if self._model else {}


def remote(model: GuardModel, host_listed: Callable[[str], bool]) -> Ask:
    """Ask the endpoint of a model's `base_url`. A key is sent only to hosts that the settings list by name."""
    url = str(model.parameters["base_url"]).rstrip("/") + "/chat/completions"
    listed = host_listed(url)

    async def ask(name: str, messages: Messages, params: Mapping[str, Any]) -> Answer:
        key = MODEL_KEY.get() or next((os.environ[one] for one in _key_variables(model) if os.environ.get(one)), None)
        headers = {"Authorization": f"Bearer {key}"} if key and listed else {}
        loopback = is_loopback(urlsplit(url).hostname or "")
        async with httpx.AsyncClient(timeout=DEFAULT_TIMEOUT, trust_env=not loopback, follow_redirects=False) as client:
            try:
                reply = await client.post(url, headers=headers, json={"model": name, "messages": messages, **params})
            except httpx.HTTPError as error:
                raise ModelFailed(f"model {name!r} at {url} gave no answer: {type(error).__name__}") from error
        return _read(reply, name, url)

    return ask


def _key_variables(model: GuardModel) -> Sequence[str]:
    return (model.api_key_env_var,) if model.api_key_env_var else KEY_VARIABLES[:1]


def _read(reply: httpx.Response, name: str, url: str) -> Answer:
    if reply.status_code != 200:
        raise ModelFailed(f"model {name!r} at {url} answered HTTP {reply.status_code}", reply.status_code)
    try:
        body = reply.json()
        choice, usage = body["choices"][0], body.get("usage") or {}
        return Answer(
            content=choice["message"].get("content") or "",
            finish_reason=choice.get("finish_reason") or "stop",
            prompt_tokens=int(usage.get("prompt_tokens") or 0),
            completion_tokens=int(usage.get("completion_tokens") or 0),
            tool_calls=choice["message"].get("tool_calls") or (),
        )
    except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
        raise ModelFailed(f"model {name!r} at {url} answered something else than a chat completion") from error
