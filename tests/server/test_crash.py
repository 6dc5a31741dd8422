"""`kill -9` at random moments while clients write: what was acknowledged is there, nothing half-written is visible.

Three clients keep writing (a growing dataset repository, entities, changes of one entity) to a server process that is
killed and started again. `CRASH_SEED` sets the moments; a failure prints it.
"""

import os
import random
import threading
import time
from pathlib import Path

import pytest
import requests
from huggingface_hub import CommitOperationAdd

from tests.faults import KILL_STORING
from tests.store_app import StoreProcess, open_services

SEED = int(os.environ.get("CRASH_SEED", "1234"))


class Writers:
    """Clients of one server's life; what the server acknowledged is remembered over all lives."""

    def __init__(self) -> None:
        self.committed: dict[str, bytes] = {}
        self.created: list[str] = []
        self.steps = 0
        self.number = 0

    def acknowledged(self) -> int:
        return len(self.committed) + len(self.created) + self.steps

    def run(self, url: str, writes: int, seconds: float, kill) -> None:
        """Write from three threads; `kill` the server some seconds after it has acknowledged so many writes."""
        enough, deadline = self.acknowledged() + writes, time.monotonic() + 60
        stop = threading.Event()
        threads = [threading.Thread(target=self._until, args=(stop, step, url)) for step in (self.commit, self.create)]
        threads.append(threading.Thread(target=self._until, args=(stop, self.change, url)))
        for thread in threads:
            thread.start()
        while self.acknowledged() < enough and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(seconds)
        kill()
        stop.set()
        for thread in threads:
            thread.join(timeout=30)

    def _until(self, stop: threading.Event, step, url: str) -> None:
        while not stop.is_set():
            try:
                step(url)
            except (requests.RequestException, OSError, RuntimeError):
                time.sleep(0.01)  # the server is gone: nothing was acknowledged

    def commit(self, url: str) -> None:
        self.number += 1
        pair = {f"{self.number}/{name}": os.urandom(random.choice((10, 70_000))) for name in "ab"}
        lines = [CommitOperationAdd(path, content) for path, content in pair.items()]
        answer = _commit(url, lines)
        if answer.status_code == 200:
            self.committed |= pair

    def create(self, url: str) -> None:
        answer = requests.post(f"{url}/v1/datasets", json={"files_url": "hf://datasets/ns/data"}, timeout=10)
        if answer.status_code == 200:
            self.created.append(answer.json()["name"])

    def change(self, url: str) -> None:
        fields = {"custom_fields": {"steps": self.steps + 1}}
        if requests.patch(f"{url}/v1/projects/ns/p", json=fields, timeout=10).status_code == 200:
            self.steps += 1


def _commit(url: str, operations: list[CommitOperationAdd]) -> requests.Response:
    """The commit request as the hub client sends it, without its retries."""
    lines = ['{"key": "header", "value": {"summary": "add", "description": ""}}']
    for one in operations:
        content = one.b64content().decode()
        value = f'{{"content": "{content}", "path": "{one.path_in_repo}", "encoding": "base64"}}'
        lines.append(f'{{"key": "file", "value": {value}}}')
    return requests.post(f"{url}/v1/hf/api/datasets/ns/data/commit/main", data="\n".join(lines).encode(), timeout=10)


@pytest.mark.faults
def test_what_was_acknowledged_survives_kill_9_and_nothing_is_half_there(tmp_path: Path) -> None:
    chance, writers = random.Random(SEED), Writers()
    state = tmp_path / "state"
    services = open_services(state)
    services.files.create_repo("datasets", "ns/data")
    services.entities.create("project", {"name": "p", "namespace": "ns", "custom_fields": {"steps": 0}})
    services.database.close()
    for life in range(KILL_STORING.size):
        with KILL_STORING.trial():
            with StoreProcess(state) as server:
                writers.run(server.url, chance.randint(1, 40), chance.uniform(0, 0.02), server.kill)
            _check(state, writers, f"after crash {life + 1} (CRASH_SEED={SEED})")
    assert writers.committed and writers.created and writers.steps, "every kind of write was tried"


def _check(state: Path, writers: Writers, when: str) -> None:
    """Look at what the next start finds."""
    services = open_services(state)
    try:
        assert services.files.damaged() == [], when
        tree = {file.path: file for file in services.files.tree("datasets", "ns/data")}
        for path, content in writers.committed.items():
            assert services.files.path("datasets", "ns/data", path).read_bytes() == content, when
        folders = [path.split("/")[0] for path in tree]
        assert all(folders.count(folder) == 2 for folder in folders), f"half a commit {when}"
        assert {one["name"] for one in services.entities.all("dataset")} >= set(writers.created), when
        steps = services.entities.get("project", "ns", "p")["custom_fields"]["steps"]
        assert steps in (writers.steps, writers.steps + 1), when  # one may be done and not yet acknowledged
        writers.steps = steps
        assert list((state / "blobs" / "incoming").iterdir()) == [], when
    finally:
        services.database.close()
