"""Runs the rails of one configuration over one text, with the real `nemoguardrails` library in this process.

`CompiledRails.run(direction, flow, text, ...)` gives one `RailResult`. A decision counts only if the library's log
shows that the rail ran, that its action came to an outcome, and that the safety model's raw answer, read strictly a
second time, says the same; everything else is unreadable. Rails run one at a time, so a decision always belongs to
the rail that made it.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any

from nemoguardrails import LLMRails, RailsConfig
from nemoguardrails.actions.rail_outcome import RailDecision, RailOutcome

from local_nemo.guard.config_data import ConfigData, GuardModel
from local_nemo.guard.flows import ConfiguredFlow
from local_nemo.guard.models import CHECKED_TEXT, Ask, RailModel
from local_nemo.guard.results import Outcome, RailResult
from local_nemo.guard.verdicts import is_safe

log = logging.getLogger("local_nemo.guard")
NOWHERE = "http://127.0.0.1:9/v1"  # the library builds clients of its own that are replaced before any use
SIDES = ("input", "output", "dialog", "retrieval", "tool_input", "tool_output")
LOGGED = {"activated_rails": True, "llm_calls": True}


class CompiledRails:
    """A configuration, ready to check. `ask` gives the way to each model (None: the main model)."""

    def __init__(self, config: ConfigData, ask: Callable[[GuardModel | None], Ask]) -> None:
        self.config = config
        main = RailModel(ask(config.model("main")), None)
        self._rails = LLMRails(RailsConfig.from_content(config=library_config(config)), llm=main)
        own = {one.type: RailModel(ask(one), one) for one in config.models if one.type != "main"}
        self._rails.register_action_param("llms", own)

    async def run(self, flow: ConfiguredFlow, user_text: str, bot_text: str, seconds: float) -> RailResult:
        """Check one text with one rail; never raises for what the models or the library do."""
        started = time.perf_counter()
        CHECKED_TEXT.set(bot_text if flow.flow.direction == "output" else user_text)
        try:
            response = await asyncio.wait_for(self._generate(flow, user_text, bot_text), seconds)
        except TimeoutError:
            return self._unreadable(flow, f"no verdict within {seconds:g} s", started)
        except Exception as error:  # whatever breaks inside a rail: nobody decided, so nothing passes
            log.warning("rail %r could not decide: %s", flow.text, error)
            return self._unreadable(flow, _innermost(error), started)
        return self._decide(flow, response, started)

    async def _generate(self, flow: ConfiguredFlow, user_text: str, bot_text: str) -> Any:
        messages = [{"role": "user", "content": user_text}]
        rails: dict[str, Any] = dict.fromkeys(SIDES, False)
        rails[flow.flow.direction] = [flow.text]
        if flow.flow.direction == "output":
            messages.append({"role": "assistant", "content": bot_text})
        # with a state the library keeps no history of its own: nothing grows, and no request sees another's words
        return await self._rails.generate_async(messages=messages, options={"rails": rails, "log": LOGGED}, state={})

    def _decide(self, flow: ConfiguredFlow, response: Any, started: float) -> RailResult:
        ran = [one for one in response.log.activated_rails if one.name == flow.text and one.type == flow.flow.direction]
        if len(ran) != 1:
            return self._unreadable(flow, "the configured rail did not run", started)
        record = ran[0].model_dump(mode="json", fallback=str)
        actions = [one for one in ran[0].executed_actions if one.action_name == flow.flow.action]
        calls = [call.model_dump(mode="json", fallback=str) for action in actions for call in action.llm_calls]
        outcome, reason = self._verdict(flow, actions)
        seconds = time.perf_counter() - started
        return RailResult(flow.text, flow.flow.direction, outcome, reason, record, calls, seconds)

    def _verdict(self, flow: ConfiguredFlow, actions: list[Any]) -> tuple[Outcome, str]:
        if len(actions) != 1 or not isinstance(actions[0].return_value, RailOutcome):
            answers = [call.completion for action in actions for call in action.llm_calls]
            said = f": it answered {answers[-1]!r:.200}" if answers else ""
            return Outcome.UNREADABLE, f"the safety model gave no verdict{said}"
        decision = actions[0].return_value
        answers = [call.completion or "" for call in actions[0].llm_calls]
        parser = self.config.prompt(flow).output_parser or flow.flow.default_parser or ""
        safe = is_safe(answers[0], parser) if len(answers) == 1 else None
        if safe is True and decision.decision is RailDecision.ALLOW and not decision.failed:
            return Outcome.ALLOWED, ""
        if safe is False and decision.decision is RailDecision.BLOCK:
            return Outcome.BLOCKED, ", ".join(decision.metadata.get("policy_violations") or []) or "unsafe"
        return (
            Outcome.UNREADABLE,
            f"the safety model's answer is not a verdict: {answers[-1] if answers else ''!r:.200}",
        )

    def _unreadable(self, flow: ConfiguredFlow, reason: str, started: float) -> RailResult:
        seconds = time.perf_counter() - started
        return RailResult(flow.text, flow.flow.direction, Outcome.UNREADABLE, reason, seconds=seconds)

    def room(self, flow: ConfiguredFlow) -> int:
        """How many characters of text fit into the prompt of a rail beside its template."""
        prompt = self.config.prompt(flow)
        return prompt.max_length - sum(map(len, prompt.templates)) - 10 * len(prompt.templates)


def library_config(config: ConfigData) -> dict[str, Any]:
    """The configuration as the library gets it: nothing in it names a host, a key, a file or code."""
    models = [
        {"type": one.type, "engine": one.engine, "model": one.name, "parameters": {"base_url": NOWHERE}}
        for one in config.models
        if one.type != "main"
    ]
    prompts = [
        one.model_dump(include={"task", "content", "messages", "max_tokens", "max_length", "output_parser", "stop"})
        for one in config.prompts or []
    ]
    return {
        "models": models,
        "prompts": [{key: value for key, value in one.items() if value is not None} for one in prompts],
        "rails": {
            "input": {"flows": config.rails.input.flows},
            "output": {"flows": config.rails.output.flows},
        },
        "lowest_temperature": config.lowest_temperature,
    }


def _innermost(error: BaseException) -> str:
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {error}"[:300]
