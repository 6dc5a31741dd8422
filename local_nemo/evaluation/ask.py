"""Asks an OpenAI-compatible endpoint for one answer at a time, and gives up on a row before it gives up on the job.

Retried: no connection, a broken or late answer, 408, 409, 5xx, at most `max_retries` times with growing pauses. 429 and
503 with `Retry-After` hold back *all* rows of the job until that moment. Everything else is the row's own fault and is
reported at once. An answer has a size limit, and `timeout` is for the whole answer, so a slow drip can't stall a row.
"""

import asyncio
import email.utils
import json
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from local_nemo.evaluation.target import Endpoint, is_loopback

RETRIED = {408, 409, 429, 500, 502, 503, 504}
MAX_ANSWER_BYTES = 16 * 2**20
RATE_LIMIT_PATIENCE = 20  # 429 answers a row survives; they don't count as retries
MAX_PAUSE_S = 60.0


class NoAnswer(Exception):
    """The endpoint gave no usable answer for this row; the text says what it did instead."""


@dataclass(frozen=True)
class Answer:
    response: dict[str, Any]
    latency_s: float  # of the successful attempt
    attempts: int


class _Refused(Exception):
    """One attempt failed. `retry_after` is in seconds, None when the endpoint named none."""

    def __init__(self, text: str, *, again: bool, limited: bool = False, retry_after: float | None = None) -> None:
        super().__init__(text)
        self.again, self.limited, self.retry_after = again, limited, retry_after


class Asker:
    """`async with Asker(endpoint, …) as asker: answer = await asker.ask("chat-completion", body)`."""

    def __init__(
        self, endpoint: Endpoint, *, timeout_s: float, max_retries: int, requests_per_minute: float | None = None
    ) -> None:
        self.endpoint, self.timeout_s, self.max_retries = endpoint, timeout_s, max_retries
        self._spacing_s = 60 / requests_per_minute if requests_per_minute else 0.0
        self._not_before = 0.0  # loop time until which nobody asks
        direct = is_loopback(httpx.URL(endpoint.base_url).host)
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(timeout_s, connect=min(10.0, timeout_s)),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=32),
            headers={"Accept": "application/json", **endpoint.headers},
            trust_env=not direct,  # a proxy of the environment serves other hosts only
        )

    async def __aenter__(self) -> "Asker":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.aclose()

    async def ask(self, task_type: str, body: Mapping[str, Any]) -> Answer:
        """One answer; raises `NoAnswer` when there is none after all retries."""
        failures = limits = 0
        while True:
            await self._turn()
            started = time.monotonic()
            try:
                response = await self._attempt(task_type, body)
                return Answer(response, time.monotonic() - started, failures + limits + 1)
            except _Refused as refusal:
                limits, failures = limits + refusal.limited, failures + (not refusal.limited)
                if not refusal.again or failures > self.max_retries or limits > RATE_LIMIT_PATIENCE:
                    tries = failures + limits
                    raise NoAnswer(self._without_key(refusal, tries)) from refusal
                await self._pause(refusal, failures + limits)

    def _without_key(self, refusal: _Refused, tries: int) -> str:
        """The reason for the record, also when the endpoint's error text repeats the key."""
        key = self.endpoint.headers.get("Authorization", "").removeprefix("Bearer ")
        text = str(refusal).replace(key, "***") if key else str(refusal)
        return f"{text} (after {tries} attempts)" if tries > 1 else text

    async def _turn(self) -> None:
        """Wait until the endpoint wants requests again, and for this row's turn if requests are spaced."""
        loop = asyncio.get_running_loop()
        while (wait := self._not_before - loop.time()) > 0:
            await asyncio.sleep(wait)
        if self._spacing_s:
            self._not_before = loop.time() + self._spacing_s

    async def _pause(self, refusal: _Refused, tries: int) -> None:
        if refusal.retry_after is not None:
            until = asyncio.get_running_loop().time() + min(refusal.retry_after, MAX_PAUSE_S)
            self._not_before = max(self._not_before, until)
            await asyncio.sleep(random.uniform(0, 0.1))  # not all at the same instant
        else:
            await asyncio.sleep(min(0.5 * 2 ** (tries - 1), 8.0) * random.uniform(0.75, 1.25))

    async def _attempt(self, task_type: str, body: Mapping[str, Any]) -> dict[str, Any]:
        try:
            async with asyncio.timeout(self.timeout_s):
                request = {**body, "model": self.endpoint.model, "stream": False}
                async with self._client.stream("POST", self.endpoint.url(task_type), json=request) as reply:
                    raw = await _read(reply)
        except TimeoutError as error:
            raise _Refused(f"timeout: no complete answer within {self.timeout_s:g} s", again=True) from error
        except httpx.TimeoutException as error:
            raise _Refused(f"timeout: {type(error).__name__} within {self.timeout_s:g} s", again=True) from error
        except httpx.TransportError as error:
            text = f"no connection to {self.endpoint.base_url}: {error or type(error).__name__}"
            raise _Refused(text, again=True) from error
        except ValueError as error:  # the body holds what JSON can't (NaN, a lone surrogate)
            raise _Refused(f"the rendered request is not JSON: {error}", again=False) from error
        return _parse(reply, raw)


async def _read(reply: httpx.Response) -> bytes:
    raw = bytearray()
    async for piece in reply.aiter_bytes():
        raw += piece
        if len(raw) > MAX_ANSWER_BYTES:
            raise _Refused(f"the answer is larger than {MAX_ANSWER_BYTES // 2**20} MiB", again=False)
    return bytes(raw)


def _parse(reply: httpx.Response, raw: bytes) -> dict[str, Any]:
    if reply.status_code != 200:
        again = reply.status_code in RETRIED
        after = _retry_after(reply.headers.get("Retry-After")) if reply.status_code in (429, 503) else None
        text = f"HTTP {reply.status_code}: {_reason(raw) or reply.reason_phrase}"
        raise _Refused(text, again=again, limited=reply.status_code == 429, retry_after=after)
    try:
        response = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise _Refused(f"the answer is not JSON: {raw[:200].decode(errors='replace')!r}", again=True) from error
    if not isinstance(response, dict):
        raise _Refused(f"the answer is not a JSON object: {raw[:200].decode(errors='replace')!r}", again=False)
    return response


def _reason(raw: bytes) -> str:
    """What an error's body says: OpenAI's message, in its old or its new place, else the body itself; not too long."""
    text = raw.decode(errors="replace")
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        body = None
    for place in (body.get("error"), body) if isinstance(body, dict) else ():
        if isinstance(place, dict) and isinstance(place.get("message"), str):
            text = place["message"]
            break
    return " ".join(text.split())[:500]


def _retry_after(value: str | None) -> float | None:
    """Seconds or an HTTP date, as seconds from now."""
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
