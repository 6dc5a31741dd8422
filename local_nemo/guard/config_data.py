"""The `data` of a guardrail configuration: its fields with their defaults, as pydantic models.

A configuration is data only: it can name rails, models and prompt texts, never code, files, imports or an actions
server. Whether what it names can be used is checked in `config.py`.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from local_nemo.guard.flows import ConfiguredFlow, Direction, configured

GENERAL_INSTRUCTION = (
    "Below is a conversation between a helpful AI assistant and a user. The bot is designed to generate human-like "
    "text based on the input that it receives. The bot is talkative and provides lots of specific details. If the bot "
    "does not know the answer to a question, it truthfully says it does not know."
)


class Strict(BaseModel):
    """Unknown fields are refused: a misspelt rail must not be a rail that silently isn't there."""

    model_config = ConfigDict(extra="forbid", protected_namespaces=())


class GuardModel(Strict):
    type: str = Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9_.-]+$")
    engine: str
    model: str | None = Field(default=None, max_length=300)
    mode: Literal["chat", "text"] = "chat"
    parameters: dict[str, Any] = {}
    api_key_env_var: str | None = None
    cache: dict[str, Any] | None = None  # accepted, not used: a verdict is computed in milliseconds here
    reasoning_config: dict[str, Any] | None = None  # release 25.4
    remove_reasoning_traces: bool | None = None  # releases 25.6 to 25.8

    @property
    def name(self) -> str | None:
        return self.model


class Message(Strict):
    type: Literal["system", "user", "assistant"]
    content: str = Field(max_length=100_000)


class Prompt(Strict):
    task: str = Field(max_length=300)
    content: str | None = Field(default=None, max_length=100_000)
    messages: list[Message] | None = Field(default=None, min_length=1, max_length=50)
    max_tokens: int | None = Field(default=None, ge=1, le=4096)
    max_length: int = Field(default=16000, ge=1, le=1_000_000)
    mode: str = "standard"
    models: list[str] | None = None
    output_parser: str | None = None
    stop: list[str] | None = Field(default=None, max_length=16)

    @property
    def templates(self) -> list[str]:
        return [self.content] if self.content is not None else [one.content for one in self.messages or []]


class InputRails(Strict):
    flows: list[str] = Field(default=[], max_length=20)
    parallel: bool | None = False


class Streaming(Strict):
    enabled: bool = False
    chunk_size: int = Field(default=200, ge=1, le=10_000)  # tokens
    context_size: int = Field(default=50, ge=0, le=10_000)  # tokens of the chunk before
    stream_first: bool = True


class OutputRails(InputRails):
    streaming: Streaming = Streaming()


class FlowsOnly(Strict):
    flows: list[str] = []
    parallel: bool | None = False


class SingleCall(Strict):
    enabled: bool = False
    fallback_to_multiple_calls: bool = True


class UserMessages(Strict):
    embeddings_only: bool = False
    embeddings_only_similarity_threshold: float | None = None
    embeddings_only_fallback_intent: str | None = None


class Dialog(Strict):
    single_call: SingleCall = SingleCall()
    user_messages: UserMessages = UserMessages()


class Rails(Strict):
    input: InputRails = InputRails()
    output: OutputRails = OutputRails()
    retrieval: FlowsOnly = FlowsOnly()
    dialog: Dialog = Dialog()
    tool_input: FlowsOnly | None = None
    tool_output: FlowsOnly | None = None
    actions: dict[str, Any] | None = None
    config: dict[str, Any] | None = None


class Instruction(Strict):
    type: str
    content: str = Field(max_length=100_000)


class ConfigData(Strict):
    models: list[GuardModel] = Field(max_length=20)
    rails: Rails = Rails()
    prompts: list[Prompt] | None = Field(default=None, max_length=100)
    instructions: list[Instruction] | None = [Instruction(type="general", content=GENERAL_INSTRUCTION)]
    sample_conversation: str | None = Field(default=None, max_length=100_000)
    actions_server_url: str | None = None
    custom_data: dict[str, Any] = {}
    colang_version: str = "1.0"
    prompting_mode: str = "standard"
    lowest_temperature: float | None = Field(default=0.001, ge=0, le=2)
    enable_multi_step_generation: bool = False
    enable_rails_exceptions: bool = False
    passthrough: bool | None = None
    tracing: dict[str, Any] | None = None

    def flows(self, direction: Direction) -> list[ConfiguredFlow]:
        """The configured rails of one side, in order."""
        side = self.rails.input if direction == "input" else self.rails.output
        return [configured(text, direction) for text in side.flows]

    def prompt(self, flow: ConfiguredFlow) -> Prompt:
        """The prompt that a configured rail renders; `read_config` has made sure that there is exactly one."""
        return next(prompt for prompt in self.prompts or [] if prompt.task == flow.task)

    def model(self, kind: str) -> GuardModel | None:
        """The model of a type, e.g. `main` or `content_safety`."""
        return next((model for model in self.models if model.type == kind), None)
