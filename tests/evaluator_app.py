"""The Evaluator over a real store, but without the language model: what its tests need starts in half a second.

    with Evaluator(tmp_path) as evaluator, ScriptedModel() as model:
        evaluator.upload("testing/rows.jsonl", rows)
        job = evaluator.finished(evaluator.create(config(), model.url))

In process (`Evaluator`), or as a process that a test may kill (`EvaluatorProcess`); both on the same state folder.
"""

import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
import uvicorn

from local_nemo.api.app import STORING, create_app
from local_nemo.evaluation.runner import Evaluations
from local_nemo.settings import Settings
from tests.store_app import ServedNames, StoreServices, open_services

REPO = "ns/rows"
FILE = "testing/rows.jsonl"
PATIENCE_S = 120  # a busy machine is slow, and that is no failure
TERMINAL = ("completed", "failed", "cancelled")


@dataclass
class Services(StoreServices):
    evaluations: Any = None


def build(state: Path, allowed_hosts: tuple[str, ...] = ()) -> Services:
    store = open_services(state)
    settings = Settings(state=state, allowed_hosts=allowed_hosts)
    evaluations = Evaluations(settings, store.entities, store.files, ServedNames())
    return Services(settings, store.database, store.entities, store.files, evaluations=evaluations)


@contextmanager
def served(services: Services) -> Iterator[str]:
    """The API on a free port, its jobs started and, at the end, interrupted as a stopping server does."""
    app = create_app(services, (*STORING, "evaluator"))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None))
    thread = threading.Thread(target=server.run)
    services.evaluations.start()
    thread.start()
    try:
        while not server.started:
            time.sleep(0.005)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=10)
        services.evaluations.stop()
        services.database.close()


class Client:
    """What tests ask the Evaluator for."""

    url: str

    def call(self, method: str, path: str, **options: Any) -> requests.Response:
        return requests.request(method, f"{self.url}/v1/evaluation/{path}", timeout=60, **options)

    def create(self, config: Any, target: Any) -> str:
        """The id of a new job; `target` may be the URL of an endpoint."""
        answer = self.call("POST", "jobs", json={"config": config, "target": as_target(target)})
        assert answer.status_code == 200, answer.text
        return answer.json()["id"]

    def refused(self, config: Any, target: Any) -> tuple[int, str]:
        """Status and text of a refused job."""
        answer = self.call("POST", "jobs", json={"config": config, "target": as_target(target)})
        assert answer.status_code in (400, 404, 422), answer.text
        return answer.status_code, str(answer.json()["detail"])

    def job(self, job_id: str) -> dict[str, Any]:
        return self.call("GET", f"jobs/{job_id}").json()

    def until(self, job_id: str, true: Callable[[dict], bool], seconds: float = PATIENCE_S) -> dict[str, Any]:
        """The job once `true(job)`; fails with the job after `seconds`."""
        deadline = time.monotonic() + seconds
        while not true(job := self.job(job_id)):
            assert time.monotonic() < deadline, job
            time.sleep(0.02)
        return job

    def finished(self, job_id: str, status: str = "completed", seconds: float = PATIENCE_S) -> dict[str, Any]:
        """The job once it has ended, which must be in this status."""
        job = self.until(job_id, lambda job: job["status"] in TERMINAL, seconds)
        assert job["status"] == status, job["status_details"]
        return job

    def result(self, job_id: str) -> dict[str, Any]:
        return self.call("GET", f"jobs/{job_id}/results").json()

    def scores(self, job_id: str) -> dict[str, Any]:
        """The scores of the one metric of the one task."""
        (task,) = self.result(job_id)["tasks"].values()
        (metric,) = task["metrics"].values()
        return metric["scores"]

    def archive(self, job_id: str) -> zipfile.ZipFile:
        return zipfile.ZipFile(io.BytesIO(self.call("GET", f"jobs/{job_id}/download-results").content))

    def records(self, job_id: str) -> list[dict[str, Any]]:
        """The records of the downloaded ZIP, by row."""
        lines = self.archive(job_id).read("results/records.jsonl").splitlines()
        return sorted(map(json.loads, lines), key=lambda record: record["index"])


class Evaluator(Client):
    """In this process."""

    def __init__(self, state: Path, **settings: Any) -> None:
        self.services = build(state, **settings)
        self._serving = served(self.services)

    def __enter__(self) -> "Evaluator":
        self.url = self._serving.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._serving.__exit__(*error)

    def upload(self, path: str, rows: list[dict] | bytes, repo: str = REPO) -> str:
        """Commit rows (or bytes) as a file of the Data Store."""
        content = rows if isinstance(rows, bytes) else "".join(json.dumps(row) + "\n" for row in rows).encode()
        self.services.files.ensure_repo("datasets", repo)
        return self.services.files.commit("datasets", repo, add={path: content}, message="rows")


class EvaluatorProcess(Client):
    """In a process of its own."""

    def __init__(self, state: Path) -> None:
        command = [sys.executable, "-m", "tests.evaluator_app", str(state)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent)
        self.url = self.process.stdout.readline().strip()

    def end(self, how: signal.Signals = signal.SIGKILL) -> None:
        if self.process.poll() is None:
            os.kill(self.process.pid, how)
            self.process.wait(timeout=20)
            self.process.stdout.close()


def row(number: int, **more: Any) -> dict[str, Any]:
    """A row whose right answer is the call f(i=number)."""
    return {
        "messages": [{"role": "user", "content": str(number)}],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}],
        "tool_calls": [{"type": "function", "function": {"name": "f", "arguments": {"i": number}}}],
        **more,
    }


def number_of(body: dict[str, Any]) -> int:
    """The number of the row that a request asks."""
    return int(body["messages"][-1]["content"])


def config(
    *, file: str = FILE, limit: int | None = None, template: dict | None = None, **params: Any
) -> dict[str, Any]:
    """The tutorial's configuration over the uploaded rows; `params` are the Evaluator's."""
    body = {"messages": "{{ item.messages | tojson }}", "tools": "{{ item.tools | tojson }}", "tool_choice": "auto"}
    truth = {"tool_calls_ground_truth": "{{ item.tool_calls | tojson }}"}
    task = {
        "type": "chat-completion",
        "dataset": {"files_url": f"hf://datasets/{REPO}/{file}"} | ({"limit": limit} if limit else {}),
        "params": {"template": template or body},
        "metrics": {"accuracy": {"type": "tool-calling", "params": truth}},
    }
    return {"type": "custom", "params": params or None, "tasks": {"tools": task}}


def as_target(target: Any, **endpoint: Any) -> Any:
    """A URL as a target of type model; anything else as it is."""
    if isinstance(target, str) and target.startswith("http"):
        return {"type": "model", "model": {"api_endpoint": {"url": target, "model_id": "scripted", **endpoint}}}
    return target


def _main(state: Path) -> None:
    services = build(state)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with served(services) as url:
        print(url, flush=True)
        threading.Event().wait()


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
