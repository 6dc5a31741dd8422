"""A whole local_nemo on a random model of four small layers: it starts, trains and answers in seconds.

What is said about it is nonsense, so it is for tests of everything but quality: crashes, floods, odd requests.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import RunningServer, start_server, wait_until_ready
from tests.tiny_models import tiny_model

ROWS = [
    {"messages": [{"role": "user", "content": f"What is {n} plus one?"}, {"role": "assistant", "content": str(n + 1)}]}
    for n in range(16)
]


@dataclass(frozen=True)
class TinyServers:
    """Starts servers that share a base model and its converted files."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        if not (self.folder / "llama").exists():
            tiny_model(self.folder / "llama", "llama")
        return {"LOCAL_NEMO_BASE_MODEL": str(self.folder / "llama"), "LOCAL_NEMO_CACHE": str(self.folder / "cache")}

    def start(
        self,
        state: Path,
        *options: str,
        env: dict[str, str] | None = None,
        within: Sequence[str] = (),
        ready: bool = True,
    ) -> RunningServer:
        """A server on this state folder, its model loaded (unless `ready` is False)."""
        server = start_server(state, *options, env=self.environment | (env or {}), within=within)
        if ready:
            wait_until_ready(server)
        return server
