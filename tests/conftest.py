"""Fixtures that all tests share: a real local_nemo in a process of its own, with a state folder of its own."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

from tests import faults
from tests.endpoints import calls, markers_tell_the_truth  # noqa: F401  (fixtures for every test)

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class RunningServer:
    """A local_nemo process that this test session started."""

    url: str
    state: Path
    process: subprocess.Popen

    @property
    def nim_url(self) -> str:
        return self.url + "/nim"

    @property
    def log(self) -> str:
        return (self.state / "server.log").read_text(errors="replace")


def start_server(
    state: Path,
    *options: str,
    env: dict[str, str] | None = None,
    within: Sequence[str] = (),
    seconds: float = 60,
) -> RunningServer:
    """Start local_nemo on a free loopback port and wait until it answers; raises with its output if it ends first.

    `within`: a command that becomes the rest of its arguments, such as `unshare`; the state folder is then as that sees
    it.
    """
    state.mkdir(parents=True, exist_ok=True)
    output = (state / "output.txt").open("wb")
    process = subprocess.Popen(
        [*within, sys.executable, "-m", "local_nemo", "--port", "0", "--state", str(state), *options],
        cwd=ROOT,
        env={**os.environ, **(env or {})},
        stdout=output,
        stderr=subprocess.STDOUT,
    )
    output.close()
    seen = Path(f"/proc/{process.pid}/root{state}") if within else state
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"local_nemo ended with {process.returncode}: {(state / 'output.txt').read_text()}")
        if (seen / "server.json").exists():
            facts = json.loads((seen / "server.json").read_text())
            try:
                requests.get(facts["url"] + "/health", timeout=2)
                return RunningServer(facts["url"], seen, process)
            except (requests.ConnectionError, requests.Timeout):  # bound, but still starting
                pass
        time.sleep(0.1)
    process.kill()
    raise RuntimeError(f"local_nemo did not answer within {seconds} s: {(state / 'output.txt').read_text()}")


def stop_server(server: RunningServer) -> None:
    server.process.terminate()
    try:
        server.process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        server.process.kill()
        server.process.wait()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One real server for the whole session, its engine loaded."""
    running = start_server(tmp_path_factory.mktemp("local_nemo"))
    wait_until_ready(running)
    yield running
    stop_server(running)


def wait_until_ready(server: RunningServer, seconds: float = 240) -> None:
    """Wait until NIM says that its base model is loaded; raises with the log's end otherwise."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if requests.get(server.nim_url + "/v1/health/ready", timeout=30).status_code == 200:
            return
        time.sleep(0.2)
    raise RuntimeError(f"NIM was not ready within {seconds} s; log: {server.log[-2000:]}")


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory):
    """Starts servers on a tiny random model; see `tests.tiny_server`."""
    from tests.tiny_server import TinyServers

    return TinyServers(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="session")
def tiny_server(tiny, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """One of them for the whole session."""
    running = tiny.start(tmp_path_factory.mktemp("tiny_server"))
    yield running
    stop_server(running)


def pytest_sessionfinish() -> None:
    if path := os.environ.get("FAULT_RECORD"):
        faults.save(Path(path))


@pytest.fixture(autouse=True)
def own_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reads or writes the reader's own state, results or keys."""
    for name in ("HF_TOKEN", "WANDB_API_KEY", "NVIDIA_API_KEY", "NEMO_URL", "NDS_URL", "NIM_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LOCAL_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("RESULTS_DIR", str(tmp_path / "results"))
    monkeypatch.setenv("DATA_DIR", str(tmp_path / "data"))
