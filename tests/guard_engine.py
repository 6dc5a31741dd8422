"""An engine for tests of the guard: serves functions as models, as the real one does with mounted models."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from local_nemo.api.app import STORING
from local_nemo.guard import Guard
from local_nemo.lm.encoder import Encoder
from local_nemo.lm.generation import Completion, Generation
from tests.store_app import open_services, served

SAFETY = "nvidia/llama-3.1-nemoguard-8b-content-safety"
RAIL = "content safety check input $model=content_safety"
OUTPUT_RAIL = "content safety check output $model=content_safety"
SAYS_SAFE = '{"User Safety": "safe", "Response Safety": "safe"}'
SAYS_UNSAFE = '{"User Safety": "unsafe", "Response Safety": "unsafe", "Safety Categories": "S1: Violence, S3: Fraud"}'

LIBRARY_WARNINGS = [
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),  # of the guardrails library's own packages
    pytest.mark.filterwarnings("ignore:.*unclosed.*:ResourceWarning"),
]


class ScriptedEngine:
    """`answers` maps a model's name to its text, or to a function of the messages; `asked` records what came."""

    def __init__(self, **answers: str | Callable[[list[dict]], str]) -> None:
        self.answers: dict[str, Any] = dict(answers)
        self.asked: list[tuple[str, list[dict]]] = []

    def mount(self, card: Any, respond: Callable[[list[dict], Mapping], str], _classify: Callable[[str], Any]) -> None:
        self.answers.setdefault(card.id, lambda messages: respond(messages, {}))

    def models(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(id=name, created=1) for name in self.answers]

    def chat(self, request: Any) -> Generation:
        self.asked.append((request.model, request.messages))
        answer = self.answers[request.model]
        text = answer(request.messages) if callable(answer) else answer
        generation = Generation(lambda whole, reason: Completion(whole, (), reason, 3, 2), lambda: None)
        for word in text.splitlines(keepends=True):
            generation.add(word)
        generation.end("stop")
        return generation


def never_answers(messages: list[dict]) -> str:
    """A model that is stuck for longer than any test waits."""
    return Future().result(timeout=60)


def data(**changes: Any) -> dict[str, Any]:
    """The tutorial's configuration, with top-level fields replaced."""
    template = [{"type": "system", "content": "Policy: S1: Violence."}, {"type": "user", "content": "{{ user_input }}"}]
    return {
        "models": [{"type": "content_safety", "engine": "nim", "model": SAFETY}],
        "rails": {"input": {"flows": [RAIL]}, "dialog": {"single_call": {"enabled": False}}},
        "prompts": [
            {
                "task": "content_safety_check_input $model=content_safety",
                "messages": template,
                "output_parser": "nemoguard_parse_prompt_safety",
                "max_tokens": 50,
            }
        ],
    } | changes


def with_output_rail(**changes: Any) -> dict[str, Any]:
    """The same with the answer checked, too."""
    both = data()
    both["rails"] = {"input": {"flows": [RAIL]}, "output": {"flows": [OUTPUT_RAIL]}}
    template = [
        {"type": "system", "content": "Policy: S1: Violence."},
        {"type": "user", "content": "{{ user_input }}"},
        {"type": "assistant", "content": "{{ bot_response }}"},
    ]
    task = "content_safety_check_output $model=content_safety"
    both["prompts"].append({"task": task, "messages": template, "output_parser": "nemoguard_parse_response_safety"})
    return both | changes


@contextmanager
def guard_service(state: Path, engine: ScriptedEngine, prepare: Callable[[Guard], None]) -> Iterator[str]:
    """The address of a running Guardrails service on this engine; `prepare` sees the guard before it starts."""
    services = open_services(state)
    services.engine = engine
    services.guard = Guard(services.settings, services.entities, engine, Encoder(services.settings.cache))
    prepare(services.guard)
    services.guard.start()
    try:
        with served(services, names=(*STORING, "guardrails")) as url:
            yield url
    finally:
        services.guard.stop()
        services.database.close()
