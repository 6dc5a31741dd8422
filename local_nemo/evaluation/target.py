"""Where the answers come from: a model served here, an OpenAI-compatible endpoint elsewhere, or rows that hold them.

The server calls loopback hosts and those that its settings allow, nothing else. A key is taken from an environment
variable of the server that the target *names* (`"api_key": "NVIDIA_API_KEY"`); a key sent in clear is kept in memory
for the job it came with and never written.
"""

import ipaddress
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from local_nemo.evaluation.errors import EvaluationMissing, EvaluationRefused
from local_nemo.settings import Settings

PATHS = {"chat-completion": "/chat/completions", "completion": "/completions"}
OFFLINE = {"rows", "dataset", "cached_outputs"}  # the answers are in the rows, nobody is asked
KEY_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*_API_KEY")
REDACTED = "(kept in memory only)"


@dataclass(frozen=True)
class Endpoint:
    """An OpenAI-compatible address. `local` tells that this very server answers there."""

    base_url: str  # without /chat/completions
    model: str
    local: bool
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def url(self, task_type: str) -> str:
        return self.base_url + PATHS[task_type]


def endpoint(model: str | Mapping[str, Any], settings: Settings, served: Sequence[str], key: str | None) -> Endpoint:
    """The address of a target's `model`: a served name, or an object with `api_endpoint`. `key` overrides a stored one.

    Raises `EvaluationMissing` that lists what is served, or `EvaluationRefused`.
    """
    if isinstance(model, str):
        if model not in served:
            raise EvaluationMissing(
                f"the model {model!r} is not served here. Served: {', '.join(served) or 'nothing yet'}. "
                "Use one of these, wait for its customization job, or name another server in target.model.api_endpoint."
            )
        return Endpoint(f"{settings.nim_url}/v1", model, local=True)
    api = model.get("api_endpoint")
    if not isinstance(api, Mapping) or not api.get("url") or not api.get("model_id"):
        raise EvaluationRefused("target.model must name a served model, or hold api_endpoint.url and .model_id")
    url = allowed_url(str(api["url"]), settings.allowed_hosts)
    headers = {"Authorization": f"Bearer {secret}"} if (secret := key or _secret(api.get("api_key"))) else {}
    local = url.startswith(settings.nim_url + "/")
    return Endpoint(url, str(api["model_id"]), local=local, headers=headers)


def withhold_key(target: dict[str, Any]) -> tuple[dict[str, Any], str | None]:
    """The target without a key sent in clear, and that key; the name of a variable stays."""
    model = target.get("model")
    api = model.get("api_endpoint") if isinstance(model, dict) else None
    if not isinstance(model, dict) or not isinstance(api, dict):
        return target, None
    key = api.get("api_key")
    if not key or _variable(key):
        return target, None
    hidden = {**target, "model": {**model, "api_endpoint": {**api, "api_key": REDACTED}}}
    return hidden, None if key == REDACTED else key


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def allowed_url(url: str, allowed_hosts: Sequence[str]) -> str:
    """The endpoint's base URL, if the server may call it."""
    try:
        parts = urlsplit(url)
        host, port = (parts.hostname or "").lower(), parts.port
    except ValueError as error:
        raise EvaluationRefused(f"target.model.api_endpoint.url {url!r} is not a URL: {error}") from error
    if parts.scheme not in ("http", "https") or not host or parts.username or parts.query or parts.fragment:
        raise EvaluationRefused(f"target.model.api_endpoint.url must be http(s)://host[:port]/path, not {url!r}")
    if not is_loopback(host) and host not in allowed_hosts and f"{host}:{port}" not in allowed_hosts:
        raise EvaluationRefused(
            f"local_nemo does not call {host}: only loopback hosts and those it was started with "
            f"({', '.join(allowed_hosts) or 'none'}). To allow it, start it with LOCAL_NEMO_ALLOWED_HOSTS={host}."
        )
    for path in PATHS.values():
        url = url.removesuffix(path)
    return url.rstrip("/")


def _variable(key: str) -> str | None:
    name = key.removeprefix("$").strip("{}")
    return name if KEY_VARIABLE.fullmatch(name) else None


def _secret(key: str | None) -> str | None:
    if not key:
        return None
    if key == REDACTED:
        raise EvaluationRefused(
            "the target's api_key was sent in clear, so it was not stored and is gone since the server restarted. Send "
            "it again, or set it as the name of a variable in the server's environment, such as NVIDIA_API_KEY."
        )
    name = _variable(key)
    if name is None:
        return key
    if not os.environ.get(name):
        where = "target.model.api_endpoint.api_key"
        raise EvaluationRefused(f"{where} names {name}, which the server's environment doesn't set")
    return os.environ[name]
