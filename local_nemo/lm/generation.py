"""An answer while it is being written.

The engine's thread adds pieces of text and ends it; any number of threads or tasks read it: iterate for pieces (also
with `async for`), `result()` for the whole. Who reads slowly, or leaves, does not hold up the engine.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field


@dataclass(frozen=True)
class TokenLogprob:
    """One generated token as text, and the natural logarithm of its probability."""

    token: str
    logprob: float


@dataclass(frozen=True)
class Completion:
    """A finished answer. `finish_reason` is "stop", "length" or "tool_calls"; counts are tokens."""

    content: str | None
    tool_calls: tuple[dict, ...]  # {"name", "arguments"}, arguments as JSON text
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    logprobs: tuple[TokenLogprob, ...] = field(default=())


class Generation:
    """Pieces of text that arrive, then a `Completion` or an error. Made by the engine, read by its callers."""

    def __init__(self, finish: Callable[[str, str], Completion], cancel: Callable[[], None]) -> None:
        """`finish(text, reason)` reads the finished text; `cancel` tells the engine that nobody wants the rest."""
        self._finish, self._cancel = finish, cancel
        self._lock = threading.Lock()
        self._pieces: list[str] = []
        self._listeners: list[Callable[[str | None], None]] = []
        self.future: Future[Completion] = Future()

    def add(self, piece: str) -> None:
        """Append text (the engine's thread)."""
        with self._lock:
            self._pieces.append(piece)
            for listener in self._listeners:
                listener(piece)

    def end(self, reason: str) -> None:
        """No more text will come, for this reason: "stop" or "length" (the engine's thread)."""
        try:
            completion = self._finish("".join(self._pieces), reason)
        except Exception as error:  # reaches the caller, who waits for this future
            self.fail(error)
        else:
            self._settle(lambda: self.future.set_result(completion))

    def fail(self, error: BaseException) -> None:
        """The answer cannot be finished (the engine's thread)."""
        self._settle(lambda: self.future.set_exception(error))

    def cancel(self) -> None:
        """Stop generating; harmless when finished."""
        if not self.future.done():
            self._cancel()

    def result(self, timeout: float | None = None) -> Completion:
        """Wait for the whole answer. Raises what went wrong, or TimeoutError."""
        return self.future.result(timeout)

    def __iter__(self) -> Iterator[str]:
        pieces: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._listen(pieces.put)
        while (piece := pieces.get()) is not None:
            yield piece
        self.future.result()

    async def __aiter__(self) -> AsyncIterator[str]:
        loop = asyncio.get_running_loop()
        pieces: asyncio.Queue[str | None] = asyncio.Queue()
        self._listen(lambda piece: _call(loop, pieces.put_nowait, piece))
        while (piece := await pieces.get()) is not None:
            yield piece
        self.future.result()

    def _listen(self, listener: Callable[[str | None], None]) -> None:
        with self._lock:
            for piece in self._pieces:
                listener(piece)
            if self.future.done():
                listener(None)
            else:
                self._listeners.append(listener)

    def _settle(self, settle: Callable[[], None]) -> None:
        with self._lock:
            if self.future.done():
                return
            settle()
            for listener in self._listeners:
                listener(None)


def _call(loop: asyncio.AbstractEventLoop, function: Callable, argument: object) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(function, argument)
