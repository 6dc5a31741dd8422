"""Guardrails: configurations, and checks of messages against them.

A check is answered with HTTP 200 whether it passes or not; `outcome` reads the three possible answers apart: allowed,
blocked, unreadable. Only the word `success` allows. Rails on tool calls and tool results are not this service's work:
see `call_rails`.
"""

from . import errors
from .platform import Platform

CONFIGS = "/v1/guardrail/configs"


def ensure_config(platform: Platform, *, namespace: str, name: str, data: dict, description: str = "") -> dict:
    """The guardrails configuration `namespace/name` with this `data` (models, rails, prompts)."""
    wanted = {"data": data} | ({"description": description} if description else {})
    path = f"{CONFIGS}/{namespace}/{name}"
    try:
        platform.nemo.get(path)
    except errors.NotFound:
        try:
            return platform.nemo.post(CONFIGS, json={"name": name, "namespace": namespace, **wanted})
        except errors.Conflict:
            pass  # somebody was quicker
    # The service fills in defaults, so its data cannot be compared with ours: write it again.
    return platform.nemo.patch(path, json=wanted)


def configs(platform: Platform) -> list[dict]:
    """All guardrails configurations."""
    return list(platform.nemo.pages(CONFIGS))


def check(platform: Platform, *, model: str, messages: list[dict], config_id: str) -> dict:
    """The answer of a check: `status` and `rails_status`. Changes nothing, so it is repeated on faults that pass."""
    body = {"model": model, "messages": messages, "guardrails": {"config_id": config_id}}
    return platform.nemo.post("/v1/guardrail/checks", json=body, repeatable=True)


def outcome(reply: dict) -> str:
    """`allowed`, `blocked` or `unreadable`: whatever is not plainly one of the first two is not allowed."""
    return {"success": "allowed", "blocked": "blocked"}.get(str(reply.get("status")), "unreadable")


def chat(platform: Platform, *, model: str, messages: list[dict], config_id: str, **sampling: object) -> dict:
    """A chat completion with the rails around it; `sampling` as in OpenAI's API (no tools: ask NIM for those)."""
    body = {"model": model, "messages": messages, "guardrails": {"config_id": config_id}, **sampling}
    return platform.nemo.post("/v1/guardrail/chat/completions", json=body)
