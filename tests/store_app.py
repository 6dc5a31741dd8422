"""local_nemo's API over a real store but without engine, jobs and guard: what tests of storing need starts in 0.1 s.

In process (`client`), on a port (`served`), or as a process that a test may kill (`StoreProcess`).
"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import uvicorn
from fastapi.testclient import TestClient
from starlette.types import ASGIApp

from local_nemo.api.app import STORING, create_app
from local_nemo.settings import Settings
from local_nemo.store.database import Database, open_database
from local_nemo.store.entities import Entities
from local_nemo.store.repos import Files


@dataclass
class ServedNames:
    """An engine that serves names and, like the real one, loads what can be loaded."""

    names: list[str] = field(default_factory=lambda: ["huggingfacetb/smollm2-135m-instruct"])
    loadable: tuple[str, ...] = ()
    ready: bool = True

    def models(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(id=name, root=name, parent=None) for name in self.names]

    def wait_ready(self, timeout: float) -> bool:
        return self.ready

    def load_base(self, name: str, reference: str) -> None:
        if reference not in self.loadable:
            raise ValueError(f"model {reference!r} is neither a folder nor a hub id that can be reached")
        self.names.append(name)

    def unload_base(self, name: str) -> None:
        self.names.remove(name)


@dataclass
class StoreServices:
    """The services that the storing half of the API uses; `withdrawn` lists models whose adapters were withdrawn."""

    settings: Settings
    database: Database
    entities: Entities
    files: Files
    engine: ServedNames = field(default_factory=ServedNames)
    withdrawn: list[str] = field(default_factory=list)

    @property
    def adapters(self) -> SimpleNamespace:
        return SimpleNamespace(withdraw=self.withdrawn.append)


def open_services(state: Path) -> StoreServices:
    database = open_database(state / "nemo.db")
    return StoreServices(Settings(state=state), database, Entities(database), Files(database, state / "blobs"))


def client(services: StoreServices) -> TestClient:
    """Calls the API in process; what a browser or another host would send has to be added by header."""
    return TestClient(create_app(services, STORING), base_url="http://127.0.0.1:8900", raise_server_exceptions=False)


@contextmanager
def served(
    services: StoreServices, around: Callable[[ASGIApp], ASGIApp] = lambda app: app, names: Sequence[str] = STORING
) -> Iterator[str]:
    """The API on a free loopback port, for clients that bring their own HTTP; yields its URL.

    `around` may put a fault of the network between the API and the port; `names` are the services that answer.
    """
    server = uvicorn.Server(uvicorn.Config(around(create_app(services, names)), port=0, log_config=None))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield _url(server)
    finally:
        server.should_exit = True
        thread.join(timeout=10)


class StoreProcess:
    """The same in a process of its own on a state folder; `kill` ends it as a crash would."""

    def __init__(self, state: Path, within: Sequence[str] = ()) -> None:
        """`within`: a command that runs the rest of its arguments, such as `nice` or `unshare`."""
        self.state = state
        command = [*within, sys.executable, "-m", "tests.store_app", str(state)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent)
        self.url = self.process.stdout.readline().strip()

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self.process.stdout.close()

    def peak_memory(self) -> int:
        """Bytes of memory that the process has held at most."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return 1024 * next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))

    def __enter__(self) -> "StoreProcess":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.kill()


def _url(server: uvicorn.Server) -> str:
    while not server.started:
        time.sleep(0.005)
    return f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"


def _main(state: Path) -> None:
    with served(open_services(state)) as url:
        print(url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
