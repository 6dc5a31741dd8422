"""NIM: which models are served, and an OpenAI client to ask them.

The list at `/v1/models` is the truth about what can be asked: a finished training is usable when its model is listed
there, which on a cluster takes up to minutes after the job has completed. The questions themselves go through the
official `openai` client, so what the notebooks show works against any OpenAI-compatible server.
"""

import json
import time
from collections.abc import Callable
from urllib.parse import urlsplit

import openai
from openai.types.chat.chat_completion import Choice

from . import errors
from .platform import Platform
from .progress import Line

LISTED_SECONDS = 600.0  # a cluster's NIM refreshes its adapters on a timer


def models(platform: Platform) -> list[str]:
    """The ids of the models that NIM serves now."""
    return [model["id"] for model in platform.nim.get("/v1/models")["data"]]


def wait_until_served(
    platform: Platform,
    model: str,
    *,
    timeout: float = LISTED_SECONDS,
    poll: float = 2.0,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> str:
    """Wait until NIM lists `model` and return it. Raises ModelNotServed with what *is* listed."""
    began = clock()
    with Line() as line:
        while model not in (served := models(platform)):
            waited = clock() - began
            if waited > timeout:
                raise errors.ModelNotServed(
                    f"NIM does not list {model} after {waited:.0f} s.",
                    served=served,
                    now=f"it serves {', '.join(served) or 'nothing'}.",
                    next_step="check the name; a customized model needs its base model deployed in NIM, and its files "
                    "in the Data Store (notebook 2 writes both).",
                )
            line.show(f"waiting for NIM to list {model}: {waited:.0f} s, serving {len(served)} others")
            sleep(poll)
        line.show(f"NIM serves {model}")
    return model


def client(platform: Platform, *, api_key: str = "", timeout: float = 120.0) -> openai.OpenAI:
    """An OpenAI client for this NIM. NIM in a cluster takes no key; `api_key` is sent to NVIDIA's own hosts only."""
    host = urlsplit(platform.nim_url).hostname or ""
    key = api_key if host == "nvidia.com" or host.endswith(".nvidia.com") else ""
    return openai.OpenAI(base_url=f"{platform.nim_url}/v1", api_key=key or "not-needed", timeout=timeout, max_retries=3)


def summary(choice: Choice) -> dict[str, str]:
    """What matters of one answer, for a table: why it ended, its text, and the calls as `name(argument=value)`."""
    calls = [call.function for call in choice.message.tool_calls or [] if call.type == "function"]
    return {
        "finish_reason": choice.finish_reason,
        "text": choice.message.content or "",
        "calls": "; ".join(f"{call.name}({_readable(call.arguments)})" for call in calls),
    }


def _readable(arguments: str) -> str:
    try:
        given = json.loads(arguments)
    except ValueError:
        return arguments
    return ", ".join(f"{name}={value!r}" for name, value in given.items()) if isinstance(given, dict) else arguments
