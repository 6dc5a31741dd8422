"""Asks the models that this process serves, straight at the engine: no HTTP, no request thread is held."""

import asyncio
from collections.abc import Iterator, Mapping
from concurrent.futures import Executor
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from local_nemo.guard.models import Answer, Ask, Messages
    from local_nemo.lm.engine import Engine
    from local_nemo.lm.generation import Generation

SAMPLING = ("temperature", "top_p", "max_tokens", "seed", "frequency_penalty", "presence_penalty")


def ask_engine(engine: "Engine", workers: Executor) -> "Ask":
    """A way to ask any served model; the engine's errors pass through."""

    async def ask(name: str, messages: "Messages", params: Mapping[str, Any]) -> "Answer":
        return await asyncio.get_running_loop().run_in_executor(workers, _whole, engine, name, messages, params)

    return ask


def generation(engine: "Engine", name: str, messages: "Messages", params: Mapping[str, Any]) -> "Generation":
    """Start an answer; iterate over it for its pieces. Raises the engine's errors."""
    from local_nemo.lm.engine import ChatRequest
    from local_nemo.lm.sampling import Sampling

    numbers = {key: params[key] for key in SAMPLING if params.get(key) is not None}
    stop = params.get("stop") or ()
    sampling = Sampling(**numbers, stop=(stop,) if isinstance(stop, str) else tuple(stop))
    return engine.chat(ChatRequest(name, messages, sampling=sampling))


def pieces_of(running: "Generation") -> Iterator[str]:
    """The text as it comes."""
    for piece in running:
        yield str(piece)


def _whole(engine: "Engine", name: str, messages: "Messages", params: Mapping[str, Any]) -> "Answer":
    from local_nemo.guard.models import Answer

    done = generation(engine, name, messages, params).result()
    return Answer(done.content or "", done.finish_reason, done.prompt_tokens, done.completion_tokens)
