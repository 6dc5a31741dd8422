"""A function that another part of the server mounts as a model: the safety model, which answers and classifies."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from . import chat
from .chat import ChatRequest
from .classification import Classify
from .errors import EngineStopped
from .generation import Completion, Generation
from .served import ServedModel

log = logging.getLogger("local_nemo.engine")
Respond = Callable[[list[dict], Mapping[str, Any]], str]


@dataclass(frozen=True)
class MountedModel:
    """`respond(messages, request)` returns an answer's text; `classify(text)`, if there is one, a class."""

    card: ServedModel
    respond: Respond
    classify: Classify | None = None

    def chat(self, request: ChatRequest) -> Generation:
        """Run the function in a thread of its own; its text is one piece."""
        chat.check_tools(request)
        words = sum(len(str(message.get("content") or "").split()) for message in request.messages)

        def finish(text: str, reason: str) -> Completion:
            return Completion(text, (), reason, words, len(text.split()))

        generation = Generation(finish, cancel=lambda: None)

        def work() -> None:
            try:
                generation.add(self.respond(request.messages, {"model": request.model}))
                generation.end("stop")
            except Exception as error:  # whatever a mounted model raises is its caller's to see
                log.exception("the mounted model %s failed", request.model)
                generation.fail(EngineStopped(f"The model {request.model} failed: {error}"))

        threading.Thread(target=work, name="lm-mounted", daemon=True).start()
        return generation
