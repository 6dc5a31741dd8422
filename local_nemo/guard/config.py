"""The `data` of a guardrail configuration: its fields with their defaults, and everything that makes one unusable.

`read_config(data, host_allowed, served)` returns a `ConfigData` or raises `ConfigError` with the path and the reason,
so that a mistake is refused when the configuration is created and not found out when the first harmful message
passes. A configuration is data only: it can name rails, models and prompt texts, never code, files, imports or an
actions server.
"""

from collections.abc import Callable, Collection
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from local_nemo.guard.flows import ConfiguredFlow, Direction, configured
from local_nemo.guard.templates import check_prompt, variables_of

ENGINES = ("nim", "nvidia_ai_endpoints", "openai")  # all speak the OpenAI chat completions API
PARAMETERS = {"base_url", "temperature", "top_p", "max_tokens", "timeout", "seed"}
KEY_VARIABLES = ("NVIDIA_API_KEY", "NIM_ENDPOINT_API_KEY", "OPENAI_API_KEY")
GENERAL_INSTRUCTION = (
    "Below is a conversation between a helpful AI assistant and a user. The bot is designed to generate human-like text "
    "based on the input that it receives. The bot is talkative and provides lots of specific details. If the bot does not "
    "know the answer to a question, it truthfully says it does not know."
)
Place = tuple[str | int, ...]


class ConfigError(ValueError):
    """A configuration that can't be used; `place` is the path of the field inside `data`."""

    def __init__(self, place: Place, reason: str) -> None:
        super().__init__(reason)
        self.place, self.reason = place, reason


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


def read_config(data: Any, host_allowed: Callable[[str], bool], served: Callable[[], Collection[str]]) -> ConfigData:
    """Check a configuration's `data`. `served` gives the names of the models that the local NIM has.

    Raises `ConfigError`.
    """
    try:
        config = ConfigData.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        hint = "; not a field of a configuration here" if first["type"] == "extra_forbidden" else ""
        raise ConfigError(first["loc"], first["msg"] + hint) from None
    _check_unsupported(config)
    _check_models(config, host_allowed, served)
    for direction in ("input", "output"):
        _check_side(config, direction)
    _check_prompts(config)
    return config


def _check_unsupported(config: ConfigData) -> None:
    """Refuse what would run code, call other services, write files, or silently not run."""
    rails = config.rails
    refused: list[tuple[Place, Any, str]] = [
        (("actions_server_url",), config.actions_server_url, "an actions server would run code outside this service"),
        (("tracing",), (config.tracing or {}).get("enabled"), "tracing writes files; use options.log of a request"),
        (("rails", "retrieval", "flows"), rails.retrieval.flows, "retrieval rails need a knowledge base; none here"),
        (("rails", "tool_input", "flows"), rails.tool_input and rails.tool_input.flows, _CALL_RAILS),
        (("rails", "tool_output", "flows"), rails.tool_output and rails.tool_output.flows, _CALL_RAILS),
        (("rails", "actions"), _set(rails.actions), "custom actions can't run here"),
        (("rails", "config"), _set(rails.config), "rails of other vendors and services can't run here"),
        (("colang_version",), config.colang_version != "1.0", "only colang_version 1.0 is supported"),
        (("prompting_mode",), config.prompting_mode != "standard", "only prompting_mode 'standard' is supported"),
    ]
    for place, value, reason in refused:
        if value:
            raise ConfigError(place, f"not supported: {reason}")


_CALL_RAILS = "this service checks messages; rails on calls and tool results run in the client (helpers/call_rails.py)"


def _set(value: Any) -> bool:
    """Whether anything in a nested object is set; answers of the service list unset fields as null."""
    if isinstance(value, dict):
        return any(_set(item) for item in value.values())
    return bool(value)


def _check_models(config: ConfigData, allowed: Callable[[str], bool], served: Callable[[], Collection[str]]) -> None:
    seen: set[str] = set()
    for index, model in enumerate(config.models):
        place: Place = ("models", index)
        if model.type in seen:
            raise ConfigError((*place, "type"), f"two models of type {model.type!r}")
        seen.add(model.type)
        if model.engine not in ENGINES:
            raise ConfigError((*place, "engine"), f"unknown engine {model.engine!r}; supported: {', '.join(ENGINES)}")
        if unknown := set(model.parameters) - PARAMETERS:
            known = ", ".join(sorted(PARAMETERS))
            names = ", ".join(sorted(unknown))
            raise ConfigError((*place, "parameters"), f"unknown parameter {names}; supported: {known}")
        if model.api_key_env_var and model.api_key_env_var not in KEY_VARIABLES:
            raise ConfigError(
                (*place, "api_key_env_var"),
                f"{model.api_key_env_var!r} can't hold a model's key; use one of {', '.join(KEY_VARIABLES)}",
            )
        _check_model_host(model, place, allowed, served)


def _check_model_host(model: GuardModel, place: Place, allowed: Callable, served: Callable) -> None:
    url = model.parameters.get("base_url")
    if url is not None:
        if not isinstance(url, str) or not allowed(url):
            raise ConfigError(
                (*place, "parameters", "base_url"),
                f"{str(url)[:200]!r} is not a URL that this server may call: loopback is, other hosts must be in "
                "LOCAL_NEMO_ALLOWED_HOSTS when the server starts",
            )
    elif model.engine == "openai":
        raise ConfigError((*place, "parameters"), "engine 'openai' needs parameters.base_url")
    if model.type == "main":
        return  # the request's model replaces it
    if not model.name:
        raise ConfigError((*place, "model"), f"model of type {model.type!r} has no name")
    if url is None and model.name not in (names := served()):
        raise ConfigError((*place, "model"), f"unknown model {model.name!r}; NIM serves: {', '.join(sorted(names))}")


def _check_side(config: ConfigData, direction: Direction) -> None:
    flows = (config.rails.input if direction == "input" else config.rails.output).flows
    for index, text in enumerate(flows):
        place: Place = ("rails", direction, "flows", index)
        try:
            one = configured(text, direction)
        except ValueError as error:
            raise ConfigError(place, str(error)) from None
        if text in flows[:index]:
            raise ConfigError(place, f"flow {text!r} is named twice")
        if one.model and config.model(one.model) is None:
            types = ", ".join(model.type for model in config.models) or "none"
            raise ConfigError(place, f"flow {text!r} asks model type {one.model!r}; the configuration has: {types}")
        prompts = [index for index, prompt in enumerate(config.prompts or []) if prompt.task == one.task]
        if len(prompts) != 1:
            raise ConfigError(
                ("prompts",), f"flow {text!r} needs one prompt with task {one.task!r}; found {len(prompts)}"
            )
        _check_flow_prompt(config.prompt(one), one, ("prompts", prompts[0]))


def _check_flow_prompt(prompt: Prompt, one: ConfiguredFlow, place: Place) -> None:
    parser = prompt.output_parser or one.flow.default_parser
    if parser not in one.flow.parsers:
        found = (
            f"unknown output_parser {prompt.output_parser!r}" if prompt.output_parser else "output_parser is missing"
        )
        raise ConfigError((*place, "output_parser"), f"{found}; {one.flow.name} takes {', '.join(one.flow.parsers)}")
    if prompt.models or prompt.mode != "standard":
        raise ConfigError(place, "a prompt limited to some models or to another mode might not be found; leave it out")
    try:
        check_prompt(prompt.templates, one.flow)
    except ValueError as error:
        raise ConfigError(place, str(error)) from None
    if (size := sum(map(len, prompt.templates))) + 500 > prompt.max_length:
        raise ConfigError(
            (*place, "max_length"),
            f"max_length {prompt.max_length} leaves no room beside a template of {size} characters",
        )


def _check_prompts(config: ConfigData) -> None:
    """Prompts that no configured rail renders must at least be well formed."""
    for index, prompt in enumerate(config.prompts or []):
        if (prompt.content is None) == (prompt.messages is None):
            raise ConfigError(("prompts", index), "a prompt has either content or messages")
        try:
            for template in prompt.templates:
                variables_of(template)
        except ValueError as error:
            raise ConfigError(("prompts", index), str(error)) from None
