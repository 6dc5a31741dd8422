"""The tutorial again and again on one state: nothing grows but what is stored on purpose, and no key is left behind.

Only `make torture` runs this: a pass takes minutes. Keys are set to canaries that the notebooks may use and not keep.
"""

import json
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import requests

from tests import stories
from tests.conftest import RunningServer, start_server, stop_server, wait_until_ready
from tests.faults import LONG_USE
from tests.reader import NOTEBOOKS, Reader

pytestmark = [pytest.mark.slow, pytest.mark.faults]
SETTLED = 2  # passes after which caches are filled
GROWTH_BYTES = 150 * 2**20
GROWTH_FILES = 8  # open ones
PASS_SECONDS = 3600
CACHE_FILLING_CHATS = 32  # of 1,500 tokens; the cache holds 40,000
CANARY = "canary-notebook-4f1d"  # HF_TOKEN: the data that needs no token must not use it


def run_tutorial(folder: Path, environment: dict[str, str]) -> None:
    command = [sys.executable, "-m", "jupyter", "nbconvert", "--to", "notebook", "--execute", "--inplace"]
    for notebook in NOTEBOOKS:
        result = subprocess.run(
            [*command, notebook], cwd=folder, env=environment, capture_output=True, text=True, timeout=PASS_SECONDS
        )
        assert result.returncode == 0, f"{notebook}: {result.stderr[-4000:]}"
        assert CANARY not in (folder / notebook).read_text() + result.stderr, notebook


def fill_cache(server: RunningServer) -> None:
    """Let the engine touch all of its key-value cache, which is bounded and would else grow from pass to pass."""
    message = {"role": "user", "content": "word " * 1500}
    for _ in range(CACHE_FILLING_CHATS):
        body = {"model": stories.BASE, "messages": [message], "max_tokens": 1}
        requests.post(f"{server.nim_url}/v1/chat/completions", json=body, timeout=120).raise_for_status()


def test_the_tutorial_can_be_run_again_and_again_on_one_state(tmp_path: Path) -> None:
    folder = tmp_path / "reader"
    folder.mkdir()
    server = start_server(tmp_path / "server")
    wait_until_ready(server)
    fill_cache(server)
    reader = Reader(folder, server)
    reader.prepare()
    environment = reader.environment(profile="ci") | {"HF_TOKEN": CANARY}
    process, memory, files, stored = psutil.Process(server.process.pid), [], [], []
    try:
        for _ in range(max(SETTLED + 1, LONG_USE.size)):
            with LONG_USE.trial():
                run_tutorial(folder, environment)
                memory.append(process.memory_info().rss)
                files.append(process.num_fds())
                stored.append(sum(1 for path in server.state.rglob("*") if path.is_file()))
                assert memory[-1] < memory[min(SETTLED, len(memory)) - 1] + GROWTH_BYTES, memory
                assert files[-1] <= files[min(SETTLED, len(files)) - 1] + GROWTH_FILES, files
                assert requests.get(f"{server.url}/v1/datastore/integrity", timeout=60).json()["status"] == "ok"
        print(json.dumps({"memory": memory, "open files": files, "stored files": stored}))
        kept = [path for path in server.state.rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]
        assert kept == []
    finally:
        stop_server(server)
