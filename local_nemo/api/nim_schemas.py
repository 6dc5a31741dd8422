"""What NIM's answers hold, for the OpenAPI document alone: `nim_answers` makes them."""

from typing import Any, Literal

from pydantic import BaseModel, Field

BASE = "huggingfacetb/smollm2-135m-instruct"
CALL = {
    "id": "chatcmpl-tool-538bbb6949e642a5be7c6240c69f7caf",
    "type": "function",
    "function": {"name": "get_weather", "arguments": '{"location": "Berlin"}'},
}


class ServedModelCard(BaseModel):
    """A model that is served: a base, an adapter (`root` is its base), the safety model, or one that embeds."""

    id: str = Field(examples=[BASE])
    object: Literal["model"]
    created: int = Field(examples=[1744130000])
    owned_by: str = Field(examples=["system"])
    root: str = Field(examples=[BASE])
    parent: str | None = Field(examples=[None])
    max_model_len: int | None = Field(examples=[8192])
    permission: list[Any]


class ServedModels(BaseModel):
    object: Literal["list"]
    data: list[ServedModelCard]


class Usage(BaseModel):
    """Tokens of prompt and answer."""

    prompt_tokens: int = Field(examples=[400])
    completion_tokens: int = Field(examples=[20])
    total_tokens: int = Field(examples=[420])


class AnswerMessage(BaseModel):
    """Text in `content`, or calls of tools."""

    role: Literal["assistant"]
    content: str | None = Field(examples=[None])
    tool_calls: list[dict[str, Any]] | None = Field(None, examples=[[CALL]])


class ChatChoice(BaseModel):
    index: int = Field(examples=[0])
    finish_reason: Literal["stop", "length", "tool_calls"] = Field(examples=["tool_calls"])
    stop_reason: str | None = Field(examples=[None])
    message: AnswerMessage
    logprobs: dict[str, Any] | None = Field(examples=[None])


class ChatCompletion(BaseModel):
    """OpenAI's chat completion; with `stream` the same in chunks, as server-sent events."""

    id: str = Field(examples=["chatcmpl-4b8e4f0d4d9a4f7b8f3a"])
    object: Literal["chat.completion"]
    created: int = Field(examples=[1744131000])
    model: str = Field(examples=[BASE])
    choices: list[ChatChoice]
    usage: Usage


class TextChoice(BaseModel):
    index: int = Field(examples=[0])
    text: str = Field(examples=[" Paris."])
    finish_reason: Literal["stop", "length"] = Field(examples=["length"])
    logprobs: dict[str, Any] | None = Field(examples=[None])


class TextCompletion(BaseModel):
    """OpenAI's text completion."""

    id: str = Field(examples=["cmpl-4b8e4f0d4d9a4f7b8f3a"])
    object: Literal["text_completion"]
    created: int = Field(examples=[1744131000])
    model: str = Field(examples=[BASE])
    choices: list[TextChoice]
    usage: Usage


class NimHealth(BaseModel):
    object: Literal["health-response"]
    message: str = Field(examples=["Service is ready."])
