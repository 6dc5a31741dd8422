"""The life of a server process: one per state folder, quick to stop, found by its file."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT, RunningServer, start_server, stop_server


def test_a_second_server_on_the_same_state_ends_at_once_and_names_the_first(server: RunningServer) -> None:
    command = [sys.executable, "-m", "local_nemo", "--port", "0", "--state", str(server.state)]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert result.returncode == 2
    assert f"pid {server.process.pid}" in result.stderr and "Traceback" not in result.stderr


def test_server_json_names_the_running_process(server: RunningServer) -> None:
    facts = json.loads((server.state / "server.json").read_text())
    assert facts["pid"] == server.process.pid
    assert facts["url"] == server.url == f"http://127.0.0.1:{facts['port']}"


@pytest.mark.parametrize("when", ["while the model loads", "after two seconds"])
def test_sigterm_ends_a_server_within_ten_seconds_and_removes_its_file(tmp_path: Path, when: str) -> None:
    running = start_server(tmp_path / "state")
    if when == "after two seconds":
        time.sleep(2)
    started = time.monotonic()
    stop_server(running)
    assert time.monotonic() - started < 10
    assert running.process.returncode in (0, -15)
    assert not (running.state / "server.json").exists()
