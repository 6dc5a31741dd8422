"""What NIM's requests may hold: OpenAI's fields, NIM's `nvext`, and their meaning for the engine.

Fields that the engine cannot honour are refused with a reason; unknown fields of newer clients are ignored.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool

from local_nemo.lm.chat import ChatRequest, CompletionRequest
from local_nemo.lm.errors import InvalidRequest
from local_nemo.lm.sampling import Sampling

MAX_CHOICES = 16
GUIDES = ("guided_json", "guided_regex", "guided_choice", "guided_grammar")
MAX_MESSAGES = 1000
EXAMPLE_MESSAGES = [{"role": "user", "content": "What will the weather be in Berlin tomorrow?"}]
EXAMPLE_PARAMETERS = {"type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"]}
EXAMPLE_TOOLS = [{"type": "function", "function": {"name": "get_weather", "parameters": EXAMPLE_PARAMETERS}}]


class FunctionCall(BaseModel):
    name: str = Field(min_length=1, max_length=256)
    arguments: str | dict[str, Any] | None = None


class ToolCall(BaseModel):
    model_config = ConfigDict(extra="allow")
    id: str | None = None
    type: Literal["function"] = "function"
    function: FunctionCall


class Message(BaseModel):
    model_config = ConfigDict(extra="allow")
    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[dict[str, Any]] | None = None
    tool_calls: list[ToolCall] | None = None
    tool_call_id: str | None = None


class Function(BaseModel):
    model_config = ConfigDict(extra="allow")
    name: str = Field(min_length=1, max_length=256)
    description: str | None = None
    parameters: dict[str, Any] | None = None


class Tool(BaseModel):
    type: Literal["function"] = "function"
    function: Function


class NamedFunction(BaseModel):
    name: str


class NamedTool(BaseModel):
    type: Literal["function"] = "function"
    function: NamedFunction


class StreamOptions(BaseModel):
    include_usage: bool = False


class _Sampled(BaseModel):
    """What both kinds of request share."""

    model_config = ConfigDict(extra="ignore")
    model: str = Field(min_length=1, max_length=1000, examples=["huggingfacetb/smollm2-135m-instruct"])
    temperature: float | None = None
    top_p: float | None = None
    n: int | None = Field(default=None, ge=1, le=MAX_CHOICES)
    seed: int | None = Field(default=None, ge=-(2**63), lt=2**63)
    stop: str | list[str] | None = None
    max_tokens: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    stream: StrictBool | None = None
    stream_options: StreamOptions | None = None
    nvext: dict[str, Any] | None = None

    @property
    def include_usage(self) -> bool:
        return self.stream_options is not None and self.stream_options.include_usage

    def guides(self) -> dict[str, Any]:
        given = {name: value for name in GUIDES if (value := (self.nvext or {}).get(name)) is not None}
        if len(given) > 1:
            raise InvalidRequest(f"nvext has {' and '.join(given)}; one of them can guide an answer.", "nvext")
        return given

    def sampling(self, *, max_tokens: int | None, logprobs: bool) -> Sampling:
        values = {
            name: getattr(self, name)
            for name in ("temperature", "top_p", "seed", "presence_penalty", "frequency_penalty")
        }
        stop = (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())
        given = {name: value for name, value in values.items() if value is not None}
        return Sampling(max_tokens=max_tokens, stop=stop, logprobs=logprobs, **given)


class ChatBody(_Sampled):
    """POST /v1/chat/completions"""

    messages: list[Message] = Field(min_length=1, max_length=MAX_MESSAGES, examples=[EXAMPLE_MESSAGES])
    tools: list[Tool] | None = Field(None, examples=[EXAMPLE_TOOLS])
    tool_choice: Literal["none", "auto", "required"] | NamedTool | None = Field(None, examples=["auto"])
    parallel_tool_calls: bool | None = None
    response_format: dict[str, Any] | None = None
    max_completion_tokens: int | None = None
    logprobs: StrictBool | None = None
    top_logprobs: int | None = None

    def to_requests(self) -> list[ChatRequest]:
        """One engine request per choice. Raises InvalidRequest."""
        _no_top_logprobs(self.top_logprobs)
        _text_alone(self.messages)
        max_tokens = self.max_completion_tokens if self.max_completion_tokens is not None else self.max_tokens
        sampling = self.sampling(max_tokens=max_tokens, logprobs=bool(self.logprobs))
        messages = [message.model_dump(exclude_none=True) for message in self.messages]
        tools = [tool.model_dump(exclude_none=True) for tool in self.tools] if self.tools else None
        choice = self.tool_choice.model_dump() if isinstance(self.tool_choice, NamedTool) else self.tool_choice
        return [
            ChatRequest(
                model=self.model,
                messages=messages,
                tools=tools,
                tool_choice=choice,
                parallel_tool_calls=bool(self.parallel_tool_calls),
                response_format=self.response_format,
                guided=self.guides(),
                sampling=sampling.nth(index),
            )
            for index in range(self.n or 1)
        ]


class CompletionBody(_Sampled):
    """POST /v1/completions"""

    prompt: str | list[str] | list[int] | list[list[int]] = Field(examples=["The capital of France is"])
    echo: bool | None = None
    suffix: str | None = None
    best_of: int | None = None
    logprobs: int | None = Field(default=None, ge=0, description="0 or 1 (or true): the chosen tokens' are known")
    top_logprobs: int | None = None

    def to_requests(self) -> list[CompletionRequest]:
        """One engine request per prompt and choice. Raises InvalidRequest."""
        if self.suffix:
            raise InvalidRequest("suffix is not supported: this model continues text at its end only.", "suffix")
        if self.best_of is not None and self.best_of != (self.n or 1):
            raise InvalidRequest("best_of is not supported; use n.", "best_of")
        if (self.logprobs or 0) > 1:
            raise InvalidRequest("logprobs above 1 is not supported: only the chosen token's is known.", "logprobs")
        _no_top_logprobs(self.top_logprobs)
        if self.echo and not isinstance(self.prompt, str) and any(not isinstance(one, str) for one in self.prompt):
            raise InvalidRequest("echo needs prompts given as text.", "echo")
        prompts = self._prompts()
        if len(prompts) * (self.n or 1) > MAX_CHOICES:
            raise InvalidRequest(f"At most {MAX_CHOICES} answers (prompts times n) fit into one request.", "prompt")
        sampling = self.sampling(max_tokens=self.max_tokens, logprobs=self.logprobs is not None)
        return [
            CompletionRequest(self.model, prompt, self.guides(), sampling.nth(index))
            for prompt in prompts
            for index in range(self.n or 1)
        ]

    def _prompts(self) -> list[str | list[int]]:
        if isinstance(self.prompt, str):
            return [self.prompt]
        if not self.prompt:
            raise InvalidRequest("prompt is an empty list.", "prompt")
        return [self.prompt] if isinstance(self.prompt[0], int) else list(self.prompt)


def _text_alone(messages: list[Message]) -> None:
    """Raise InvalidRequest for images and the like: an answer that never saw them would mislead."""
    for number, message in enumerate(messages):
        for part in message.content if isinstance(message.content, list) else ():
            if part.get("type") != "text" or not isinstance(part.get("text"), str):
                kind = str(part.get("type"))[:40]
                raise InvalidRequest(
                    f"messages.{number} has a part of type {kind!r}; models here read text.", "messages"
                )


def _no_top_logprobs(number: int | None) -> None:
    if number:
        raise InvalidRequest("top_logprobs above 0 is not supported here: leave it out or use 0.", "top_logprobs")
