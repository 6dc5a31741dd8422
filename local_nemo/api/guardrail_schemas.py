"""What Guardrails' answers hold, for the OpenAPI document alone: `guardrail_answers` makes them."""

from typing import Any, Literal

from pydantic import BaseModel, Field

from local_nemo.api.nim_schemas import BASE, ChatCompletion, TextCompletion

RAIL = "content safety check input $model=content_safety"
Verdict = Literal["success", "blocked", "unknown"]


class RailStatus(BaseModel):
    status: Verdict = Field(examples=["success"])


class GuardrailsLog(BaseModel):
    """What the rails did; details as far as `options.log` asks for them."""

    activated_rails: list[dict[str, Any]] = Field(examples=[[]])
    stats: dict[str, float | None] = Field(examples=[{"total_duration": 0.2, "llm_calls_count": 1}])


class GuardrailsData(BaseModel):
    config_ids: list[str] = Field(examples=[["xlam-tutorial-ns/toolcalling"]])
    log: GuardrailsLog


class GuardrailCheck(BaseModel):
    """The verdict of the rails that ran; only `success` lets a message through."""

    status: Verdict = Field(examples=["success"])
    rails_status: dict[str, RailStatus] = Field(examples=[{RAIL: {"status": "success"}}])
    guardrails_data: GuardrailsData
    reason: str | None = Field(None, description="why the status is not `success`; absent where it is")


class GuardedChatCompletion(ChatCompletion):
    """A chat completion, or the refusal in its place, and what the rails did."""

    guardrails_data: GuardrailsData


class GuardedTextCompletion(TextCompletion):
    """A text completion, or the refusal in its place, and what the rails did."""

    guardrails_data: GuardrailsData


class GuardrailModel(BaseModel):
    id: str = Field(examples=[BASE])
    object: Literal["model"]
    created: int = Field(examples=[1744130000])
    owned_by: str = Field(examples=["local_nemo"])


class GuardrailModels(BaseModel):
    object: Literal["list"]
    data: list[GuardrailModel]
