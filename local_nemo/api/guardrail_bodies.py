"""The request bodies of Guardrails: OpenAI's chat and completion fields plus `guardrails`.

Fields that this service can't honour are refused where ignoring them would change what the caller believes (tools,
several choices, variables in a `context`); unknown ones are ignored, as everywhere in the API.
"""

from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from local_nemo.api.entity_routes import Body
from local_nemo.api.guardrail_state import earlier_messages

SAMPLING = ("temperature", "top_p", "max_tokens", "stop", "seed", "frequency_penalty", "presence_penalty")


class Log(Body):
    """What the answer's `guardrails_data.log` shall hold beside the statistics."""

    activated_rails: bool = False
    llm_calls: bool = False
    internal_events: bool = False
    colang_history: bool = False


class RailChoice(Body):
    """Which rails run: a side on or off, or the names of its rails."""

    input: bool | list[str] = True
    output: bool | list[str] = True
    dialog: bool = True
    retrieval: bool | list[str] = True


class Options(Body):
    rails: RailChoice = RailChoice()
    log: Log = Log()
    llm_params: dict[str, Any] | None = None  # sampling fields for the main model
    llm_output: bool = False
    output_vars: bool | list[str] | None = None

    @field_validator("rails", mode="before")
    @classmethod
    def _names_of_sides(cls, value: Any) -> Any:
        """`["input"]` stands for these sides only."""
        if isinstance(value, list):
            return {side: side in value for side in ("input", "output", "dialog", "retrieval")}
        return value

    @model_validator(mode="after")
    def _refuse(self) -> "Options":
        if self.output_vars:
            raise ValueError("output_vars is not supported: rails here keep no variables")
        return self


class Selection(Body):
    """Which configuration applies, and how."""

    config_id: str | None = Field(default=None, max_length=600, examples=["xlam-tutorial-ns/toolcalling"])
    config_ids: list[str] | None = Field(default=None, max_length=20)
    config: dict[str, Any] | str | None = None
    context: dict[str, Any] | None = None
    state: dict[str, Any] | None = None
    return_choice: bool = False
    stream: bool = False
    options: Options = Options()

    @field_validator("context")
    @classmethod
    def _refused(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        if value:
            raise ValueError("context is not supported, as no rail here reads its variables: leave it out")
        return value

    @field_validator("state")
    @classmethod
    def _readable(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        earlier_messages(value or {})
        return value

    def after_state(self, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The whole conversation: what the state remembers, then the request's own messages."""
        return [*earlier_messages(self.state or {}), *messages]


class ChatMessage(Body):
    """One message; fields of tool calls are kept."""

    model_config = {"extra": "allow"}

    role: Literal["system", "developer", "user", "assistant", "tool", "function"]
    content: str | list[dict[str, Any]] | None = None

    @field_validator("content")
    @classmethod
    def _typed_parts(cls, value: Any) -> Any:
        for part in value if isinstance(value, list) else ():
            kind = part.get("type")
            if not isinstance(kind, str) or (kind == "text" and not isinstance(part.get("text"), str)):
                raise ValueError("each part of a content list needs a type; a text part needs its text")
        return value


class GuardedBody(Body):
    model: str = Field(max_length=600, examples=["huggingfacetb/smollm2-135m-instruct"])
    guardrails: Selection = Selection()
    temperature: float | None = Field(None, ge=0, le=2)
    top_p: float | None = Field(None, gt=0, le=1)
    max_tokens: int | None = Field(None, ge=1)
    stop: str | list[str] | None = None
    seed: int | None = None
    frequency_penalty: float | None = Field(None, ge=-2, le=2)
    presence_penalty: float | None = Field(None, ge=-2, le=2)
    n: int | None = None
    stream: bool | None = False

    @property
    def sampling(self) -> dict[str, Any]:
        """The sampling fields that the request sets."""
        return {
            **(self.guardrails.options.llm_params or {}),
            **self.model_dump(include=set(SAMPLING), exclude_none=True),
        }

    @property
    def streams(self) -> bool:
        return bool(self.stream or self.guardrails.stream)


class CheckBody(GuardedBody):
    """Messages to check; nothing is generated."""

    messages: list[ChatMessage] = Field(min_length=1, max_length=2000)


class GuardedChatBody(CheckBody):
    tools: list[Any] | None = None
    tool_choice: Any = None
    functions: list[Any] | None = None
    function_call: Any = None

    @model_validator(mode="after")
    def _refuse(self) -> "GuardedChatBody":
        if self.tools or self.functions or self.tool_choice not in (None, "none") or self.function_call:
            raise ValueError("tools are not supported here: ask NIM for tool calls, and check the call before it runs")
        return _one_choice(self)


class GuardedTextBody(GuardedBody):
    prompt: str = Field(max_length=2_000_000)

    @model_validator(mode="after")
    def _refuse(self) -> "GuardedTextBody":
        return _one_choice(self)


def _one_choice(body: Any) -> Any:
    if body.n not in (None, 1):
        raise ValueError("n: this server answers with one choice")
    return body
