"""Trying again, and giving up in time.

`Retry` says how often and how patiently a call that may be repeated is repeated: exponential backoff with jitter, or
what the service asks for in `Retry-After`. `within` bounds a whole call, because the timeouts of HTTP libraries bound
single reads: a reply that drips in one byte a second, or a name lookup that hangs, passes those for ever.

This file knows nothing of HTTP; `http` and `data_store` say which failures are worth another try.
"""

import queue
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .errors import ServiceError, TutorialError


class TookTooLong(Exception):
    """`within` gave up on a call; the caller turns this into an error that names the object."""


@dataclass(frozen=True)
class Retry:
    """How a call that may be repeated is repeated. Times are seconds; `sleep` and `jitter` are seams for tests."""

    attempts: int = 5
    first_delay: float = 0.5
    longest_delay: float = 8.0
    longest_retry_after: float = 60.0
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)
    jitter: Callable[[], float] = field(default=random.random, repr=False)  # between 0 and 1

    def delay(self, attempt: int, retry_after: float | None = None) -> float:
        """Seconds to wait after failed attempt number `attempt` (from 1); never less than the service asks for."""
        backoff = min(self.longest_delay, self.first_delay * 2 ** (attempt - 1))
        return max(backoff * (0.5 + self.jitter() / 2), retry_after or 0.0)

    def run(self, call: Callable[[], Any], worth_another_try: Callable[[ServiceError], bool]) -> Any:
        """The result of `call`, tried up to `attempts` times. Raises the last ServiceError."""
        for attempt in range(1, self.attempts + 1):
            try:
                return call()
            except ServiceError as error:
                asked = error.retry_after or 0.0
                if attempt == self.attempts or asked > self.longest_retry_after or not worth_another_try(error):
                    raise
                self.sleep(self.delay(attempt, asked))
        raise TutorialError("Retry needs at least one attempt.", next_step="Give Retry(attempts=1) or more.")


def within(seconds: float, call: Callable[[], Any]) -> Any:
    """The result of `call`, or TookTooLong after `seconds`.

    The call runs in a daemon thread: one that is given up on ends with its connection and keeps nothing alive.
    """
    outcome: queue.SimpleQueue[tuple[Any, BaseException | None]] = queue.SimpleQueue()

    def work() -> None:
        try:
            outcome.put((call(), None))
        except BaseException as error:  # handed to the caller, whatever it is
            outcome.put((None, error))

    threading.Thread(target=work, daemon=True, name="helpers-call").start()
    try:
        value, error = outcome.get(timeout=seconds)
    except queue.Empty:
        raise TookTooLong(f"no complete answer within {seconds:g} s") from None
    if error is not None:
        raise error
    return value
