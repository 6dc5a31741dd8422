"""The rails that a configuration may name: one row per flow of the `nemoguardrails` library that can run here.

A row says on which side the rail works, which prompt task it renders, what that prompt may and must mention, which
action decides and which parsers fit. Rails that are not in the table are refused when a configuration is created: the
library runs them too, but several answer "allow" when a package, a service or a model of theirs is missing.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Direction = Literal["input", "output"]
CONFIGURED = re.compile(r"^(?P<name>[a-z][a-z ]*?)(?: \$model=(?P<model>[A-Za-z0-9_.-]+))?$")


@dataclass(frozen=True)
class Flow:
    """One rail of the library."""

    name: str
    direction: Direction
    task: str  # of the prompt; a rail with a model of its own appends " $model=<type>"
    own_model: bool  # False: it asks the main model
    shows: str  # the template variable that carries the checked text
    variables: frozenset[str]  # every variable its template may use
    parsers: tuple[str, ...]  # allowed values of output_parser
    default_parser: str | None = None  # what the library uses without one; None makes output_parser mandatory

    @property
    def action(self) -> str:
        """The library's action whose outcome is the rail's decision."""
        return self.task


INPUT_PARSERS = (
    "nemoguard_parse_prompt_safety",
    "nemotron_content_safety_parse_prompt_safety",
    "nemotron_reasoning_parse_prompt_safety",
)
OUTPUT_PARSERS = (
    "nemoguard_parse_response_safety",
    "nemotron_content_safety_parse_response_safety",
    "nemotron_reasoning_parse_response_safety",
)

FLOWS: Mapping[str, Flow] = {
    flow.name: flow
    for flow in (
        Flow(
            "content safety check input",
            "input",
            "content_safety_check_input",
            own_model=True,
            shows="user_input",
            variables=frozenset({"user_input", "reasoning_enabled"}),
            parsers=INPUT_PARSERS + ("is_content_safe",),
        ),
        Flow(
            "content safety check output",
            "output",
            "content_safety_check_output",
            own_model=True,
            shows="bot_response",
            variables=frozenset({"user_input", "bot_response", "reasoning_enabled"}),
            parsers=OUTPUT_PARSERS + ("is_content_safe",),
        ),
        Flow(
            "self check input",
            "input",
            "self_check_input",
            own_model=False,
            shows="user_input",
            variables=frozenset({"user_input"}),
            parsers=("is_content_safe",),
            default_parser="is_content_safe",
        ),
        Flow(
            "self check output",
            "output",
            "self_check_output",
            own_model=False,
            shows="bot_response",
            variables=frozenset({"user_input", "bot_response"}),
            parsers=("is_content_safe",),
            default_parser="is_content_safe",
        ),
    )
}


@dataclass(frozen=True)
class ConfiguredFlow:
    """A flow as a configuration names it, e.g. `content safety check input $model=content_safety`."""

    text: str
    flow: Flow
    model: str | None  # the `type` of the model it asks; None for the main model

    @property
    def task(self) -> str:
        return f"{self.flow.task} $model={self.model}" if self.model else self.flow.task


def configured(text: str, direction: Direction) -> ConfiguredFlow:
    """The flow that a configuration's text names. Raises ValueError with the reason and what is supported."""
    match = CONFIGURED.match(text)
    flow = FLOWS.get(match["name"]) if match else None
    usable = [name for name, row in FLOWS.items() if row.direction == direction]
    if match is None or flow is None or flow.direction != direction:
        raise ValueError(f"unknown {direction} flow {text!r}; supported: {', '.join(usable)}")
    if flow.own_model and not match["model"]:
        raise ValueError(f"flow {text!r} must say which model it asks: {flow.name!r} + ' $model=<type of a model>'")
    if not flow.own_model and match["model"]:
        raise ValueError(f"flow {text!r} asks the main model; leave out ' $model={match['model']}'")
    return ConfiguredFlow(text, flow, match["model"])
