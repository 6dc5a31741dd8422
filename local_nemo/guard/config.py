"""Everything that makes a guardrail configuration unusable.

`read_config(data, host_allowed, served)` returns a `ConfigData` or raises `ConfigError` with the path and the reason,
so that a mistake is refused when the configuration is created and not found out when the first harmful message
passes. The fields are those of `config_data.py`.
"""

from collections.abc import Callable, Collection
from typing import Any

from pydantic import ValidationError

from local_nemo.guard.config_data import ConfigData, GuardModel, Prompt
from local_nemo.guard.flows import ConfiguredFlow, Direction, configured
from local_nemo.guard.templates import check_prompt, variables_of

ENGINES = ("nim", "nvidia_ai_endpoints", "openai")  # all speak the OpenAI chat completions API
PARAMETERS = {"base_url", "temperature", "top_p", "max_tokens", "timeout", "seed"}
KEY_VARIABLES = ("NVIDIA_API_KEY", "NIM_ENDPOINT_API_KEY", "OPENAI_API_KEY")
Place = tuple[str | int, ...]


class ConfigError(ValueError):
    """A configuration that can't be used; `place` is the path of the field inside `data`."""

    def __init__(self, place: Place, reason: str) -> None:
        super().__init__(reason)
        self.place, self.reason = place, reason


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
