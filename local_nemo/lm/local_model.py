"""A loaded base model with its adapters: names, tokenizer, limits, and the runner that computes.

`chat` and `complete` turn a request into a task for the runner and return at once.
"""

from __future__ import annotations

import itertools
import json
import secrets
import time
from pathlib import Path
from typing import TYPE_CHECKING

from .chat import ChatRequest, CompletionRequest, Prepared, completion, prepare_chat, prepare_text
from .chat_tokenizer import ChatTokenizer
from .generation import Generation
from .grammar import Guide
from .placeholder import linear_layers
from .prepare import Prepared as PreparedBase
from .runner import Runner
from .sampling import Sampling
from .served import ServedModel, read_adapter
from .task import Task

if TYPE_CHECKING:
    from openvino_genai import GenerationConfig


class LocalModel:
    """Loads on construction (a few seconds for the bundled model)."""

    def __init__(self, prepared: PreparedBase, threads: int) -> None:
        self.name = prepared.base.name
        self._tokenizer = ChatTokenizer(prepared.base.path)
        self._modules = frozenset(linear_layers(prepared.base.path))
        self._limit, self._end_tokens = _limits(prepared.base.path, self._tokenizer.eos_token_id)
        self._created = {self.name: int(time.time())}
        self._seeds = itertools.count(secrets.randbelow(2**30))
        self._runner = Runner(prepared, threads)

    def serves(self, name: str) -> bool:
        return name in self._created

    def cards(self) -> list[ServedModel]:
        """The base, then its adapters."""
        return [
            ServedModel(name, self.name, None if name == self.name else self.name, created, self._limit)
            for name, created in list(self._created.items())
        ]

    def add_adapter(self, name: str, folder: Path) -> None:
        """Serve an adapter under `name` from the next request on. Raises served.BadAdapter."""
        self._runner.add_adapter(name, read_adapter(folder, self._modules))
        self._created[name] = int(time.time())

    def remove_adapter(self, name: str) -> None:
        if name != self.name and self._created.pop(name, 0):
            self._runner.remove_adapter(name)

    def stop(self) -> None:
        self._runner.stop()

    def figures(self) -> dict[str, float]:
        """Counters and queue lengths."""
        counts = self._runner.counts
        return {
            "requests": counts.requests,
            "prompt_tokens": counts.prompt_tokens,
            "generation_tokens": counts.completion_tokens,
            "running": self._runner.running,
            "waiting": self._runner.waiting,
        }

    def chat(self, request: ChatRequest) -> Generation:
        """Begin to answer. Raises InvalidRequest and its kinds, Busy, EngineStopped."""
        return self._submit(prepare_chat(request, self._tokenizer, self._limit), request.model, request.sampling)

    def complete(self, request: CompletionRequest) -> Generation:
        """Begin to continue a text. Raises the same."""
        return self._submit(prepare_text(request, self._tokenizer, self._limit), request.model, request.sampling)

    def _submit(self, prepared: Prepared, model: str, sampling: Sampling) -> Generation:
        seed = next(self._seeds)

        def configure(max_tokens: int, guide: Guide | None) -> GenerationConfig:
            config = sampling.config(max_tokens=max_tokens, end_tokens=self._end_tokens, seed=seed)
            if guide:
                config.structured_output_config = guide.config()
            return config

        task = Task(
            prepared.prompt,
            prepared.max_tokens,
            configure,
            tokenizer=self._tokenizer,
            stops=sampling.stop,
            keep_logprobs=sampling.logprobs,
            guide=prepared.guide,
        )

        def finish(text: str, reason: str):
            return completion(prepared, text, reason, len(task.tokens), tuple(task.logprobs))

        def cancel() -> None:
            task.cancelled = True
            self._runner.wake()

        task.generation = Generation(finish, cancel)
        self._runner.submit(task, None if model == self.name else model)
        return task.generation


def _limits(path: Path, eos: int | None) -> tuple[int, frozenset[int]]:
    """The context length in tokens, and the tokens that end an answer."""
    config = json.loads((path / "config.json").read_text())
    generation = path / "generation_config.json"
    ends = json.loads(generation.read_text()).get("eos_token_id") if generation.is_file() else None
    tokens = {eos, *(ends if isinstance(ends, list) else [ends])} - {None}
    return config["max_position_embeddings"], frozenset(tokens or {0})
