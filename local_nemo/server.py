"""Life of one server process: take the state folder, open the port, wire the services, serve, stop cleanly.

Promises: one server per state folder (a lock that the operating system drops with the process); the port is bound
before anything is loaded, so a clash is reported at once; `<state>/server.json` names pid, url and port while the
server runs; SIGTERM ends it within ten seconds, checkpointing what runs.
"""

import fcntl
import json
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, NoReturn

import uvicorn

from local_nemo.settings import Settings

log = logging.getLogger("local_nemo")
STOP_SECONDS = 10  # a stopped server checkpoints and is gone within this time


class CannotStart(RuntimeError):
    """The server can't run as asked; the text says why and what to do."""


def serve(settings: Settings) -> NoReturn:
    """Serve until SIGTERM or SIGINT, which end the process. Raises `CannotStart`."""
    for number in (signal.SIGTERM, signal.SIGINT):  # unwinds the stack below, also when uvicorn raises it anew
        signal.signal(number, _exit)
    with suppress(SystemExit):
        _serve(settings)
    # Everything is stored and stopped. A model may still be loading in native threads, which crash when the interpreter
    # is taken down under them; so it is not.
    logging.shutdown()
    sys.stdout.flush()
    os._exit(0)


def _serve(settings: Settings) -> None:
    with ExitStack() as exits:
        exits.enter_context(lock_state(settings.state))
        listener = exits.enter_context(bind(settings))
        settings = settings.at_port(listener.getsockname()[1])
        _log_to(settings.state / "server.log")
        services = build(settings)
        for part in (services.engine, services.adapters, services.guard, services.jobs, services.evaluations):
            part.start()
            exits.callback(part.stop)
        exits.enter_context(announce(settings))
        from local_nemo.api.app import create_app

        config = uvicorn.Config(create_app(services), log_config=None, access_log=False, timeout_graceful_shutdown=3)
        print(f"local_nemo serves {settings.url} (pid {os.getpid()}, state {settings.state})", flush=True)
        uvicorn.Server(config).run(sockets=[listener])


def build(settings: Settings):  # -> Services; imported late so that `stop` needs neither torch nor the engine
    """Wire every part of the server; nothing is loaded or started yet."""
    from local_nemo.evaluation.runner import Evaluations
    from local_nemo.guard import Guard
    from local_nemo.jobs.adapters import Adapters
    from local_nemo.jobs.queue import Jobs
    from local_nemo.lm.embedder import Embedder
    from local_nemo.lm.encoder import Encoder
    from local_nemo.lm.engine import Engine
    from local_nemo.services import Services
    from local_nemo.store.database import open_database
    from local_nemo.store.entities import Entities
    from local_nemo.store.repos import Files

    database = open_database(settings.state / "nemo.db")
    entities = Entities(database)
    files = Files(database, settings.state / "blobs")
    engine = Engine(settings)
    encoder = Encoder(settings.cache)
    engine.mount_embedder(Embedder(encoder))
    adapters = Adapters(settings, entities, files, engine)
    return Services(
        settings=settings,
        entities=entities,
        files=files,
        engine=engine,
        adapters=adapters,
        guard=Guard(settings, entities, engine, encoder),
        jobs=Jobs(settings, entities, files, adapters),
        evaluations=Evaluations(settings, entities, files, engine),
    )


class lock_state:
    """Exclusive use of a state folder for as long as this process lives."""

    def __init__(self, state: Path) -> None:
        self.path = state / "server.lock"
        self.file: IO[str] | None = None

    def __enter__(self) -> "lock_state":
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self.file = self.path.open("a+")
        except OSError as error:
            raise CannotStart(f"the state folder {self.path.parent} can't be written: {error.strerror}") from error
        try:
            fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.file.seek(0)
            pid = self.file.read().strip() or "unknown"
            self.file.close()
            raise CannotStart(
                f"another local_nemo (pid {pid}) already runs on the state folder {self.path.parent}. "
                "Use that one, end it with `make stop`, or choose another folder with --state."
            ) from None
        self.file.truncate(0)
        self.file.write(str(os.getpid()))
        self.file.flush()
        return self

    def __exit__(self, *_: object) -> None:
        if self.file:
            self.file.close()  # closing drops the lock


def bind(settings: Settings) -> socket.socket:
    """A listening socket on the settings' host and port."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # asyncio turns Nagle's algorithm off for sockets that say they are TCP; with it, each answer over a kept connection
    # waits 40 ms for the client's delayed acknowledgement of its headers
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((settings.host, settings.port))
        listener.listen(256)
    except OSError as error:
        listener.close()
        raise CannotStart(
            f"port {settings.port} on {settings.host} can't be used: {error.strerror}. "
            "Choose another with --port (0 takes a free one), or end what uses it."
        ) from error
    return listener


class announce:
    """Writes `server.json` while the server runs, so that clients find it without a port number."""

    def __init__(self, settings: Settings) -> None:
        self.settings, self.path = settings, settings.state / "server.json"

    def __enter__(self) -> None:
        facts = {
            "pid": os.getpid(),
            "url": self.settings.url,
            "port": self.settings.port,
            "started_at": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        draft = self.path.with_suffix(".tmp")
        draft.write_text(json.dumps(facts))
        draft.replace(self.path)

    def __exit__(self, *_: object) -> None:
        self.path.unlink(missing_ok=True)


def prepare(settings: Settings) -> int:
    """Build the derived files (converted weights, exported graph) that a first start would build."""
    from local_nemo.lm.engine import prepare_base

    print(f"local_nemo: model ready in {prepare_base(settings)}")
    return 0


def stop(settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> int:
    """End the server that holds the state folder; returns 0 also when none runs."""
    pid = running_pid(settings.state)
    if pid is None:
        print(f"local_nemo: no server runs on {settings.state}")
        return 0
    os.kill(pid, signal.SIGTERM)
    deadline = clock() + STOP_SECONDS + 5
    while running_pid(settings.state) == pid and clock() < deadline:
        time.sleep(0.1)
    if running_pid(settings.state) == pid:
        raise CannotStart(f"server {pid} did not end within {STOP_SECONDS + 5} s; its log: {settings.state}/server.log")
    print(f"local_nemo: stopped server {pid} on {settings.state}")
    return 0


def running_pid(state: Path) -> int | None:
    """The pid of the server that holds the lock of this folder, or None."""
    try:
        with (state / "server.lock").open("r+") as file:
            text = file.read().strip()
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(text) if text.isdigit() else None
    except FileNotFoundError:
        return None
    return None


def _exit(*_: object) -> None:
    raise SystemExit(0)


def _log_to(path: Path) -> None:
    form = logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s")
    handler = logging.FileHandler(path)
    handler.setFormatter(form)
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)
