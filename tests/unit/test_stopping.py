"""Whom a stopping server can't wait for gets an answer that says so, unless one had begun."""

import asyncio
import json

import pytest

from local_nemo.api.guards import StoppingGuard

CHAT = {"type": "http", "method": "POST", "path": "/nim/v1/chat/completions"}


def sent_when_cancelled(*before: dict) -> list[dict]:
    """What an app that sends `before` and then takes for ever has sent when its server gives it up."""
    sent: list[dict] = []

    async def send(message: dict) -> None:
        sent.append(message)

    async def endless(scope, receive, send) -> None:
        for message in before:
            await send(message)
        await asyncio.Event().wait()

    async def run() -> None:
        task = asyncio.create_task(StoppingGuard(endless)(CHAT, None, send))
        await asyncio.sleep(0)
        task.cancel()
        await task

    asyncio.run(run())
    return sent


def test_an_unfinished_request_is_answered_503_with_what_to_do() -> None:
    start, body = sent_when_cancelled()
    assert start["status"] == 503
    assert "send it again once it runs" in json.loads(body["body"])["error"]["message"]


@pytest.mark.parametrize("begun", [1, 2])
def test_an_answer_that_has_begun_gets_no_second_one(begun: int) -> None:
    messages = [{"type": "http.response.start", "status": 200}, {"type": "http.response.body", "more_body": True}]
    assert sent_when_cancelled(*messages[:begun]) == messages[:begun]
