"""Training jobs on a real server: from rows to a served adapter; bad rows, cancel, kill -9."""

import json
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from tests import stories
from tests.conftest import RunningServer, start_server, stop_server, wait_until_ready

JOBS = "/v1/customization/jobs"
TOP = {"adapter_dim": 8, "alpha": 16, "target_modules": ["*.layers.29.*.linear_qkv"]}  # one layer: little to compute
ROWS = [
    {"messages": [{"role": "user", "content": f"What is {n} plus one?"}, {"role": "assistant", "content": str(n + 1)}]}
    for n in range(16)
]


def job_of(server: RunningServer, job_id: str) -> dict:
    return requests.get(f"{server.url}{JOBS}/{job_id}", timeout=60).json()


def until(server: RunningServer, job_id: str, reached: Callable[[dict], bool], seconds: float = 240) -> dict:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        job = job_of(server, job_id)
        if reached(job):
            return job
        time.sleep(0.2)
    raise AssertionError(f"not reached within {seconds} s: {json.dumps(job['status_details'])[-1500:]}")


def ended(job: dict) -> bool:
    return job["status"] in ("completed", "failed", "cancelled")


@pytest.fixture(scope="module")
def dataset(server: RunningServer) -> str:
    stories.upload(server, "training/rows", {"training/a.jsonl": ROWS[:8], "training/b.jsonl": ROWS[8:]})
    return "training/rows"


def long_job(server: RunningServer, dataset: str) -> dict:
    return stories.start_training(server, dataset, "training/long", epochs=10_000, batch_size=4, lora=TOP)


@pytest.mark.slow
def test_a_job_trains_and_reports_and_is_completed_once_its_adapter_is_served(
    server: RunningServer, dataset: str
) -> None:
    job = stories.start_training(server, dataset, "training/plus-one", epochs=2, batch_size=4, lora=TOP)
    model = f"{server.url}/v1/models/{job['output_model']}"
    assert job["output_model"] == f"training/plus-one@{job['id']}"
    assert requests.get(model, timeout=30).json()["artifact"]["status"] == "created"
    done = until(server, job["id"], ended)
    assert done["status"] == "completed", done["status_details"]["status_logs"][-1]
    listed = [one["id"] for one in requests.get(server.nim_url + "/v1/models", timeout=30).json()["data"]]
    assert job["output_model"] in listed
    details = done["status_details"]
    assert (details["training_rows"], details["validation_rows"]) == (15, 1)  # all files merged, a tenth split off
    assert (details["steps_completed"], details["epochs_completed"], details["percentage_done"]) == (8, 2, 100.0)
    assert len(details["metrics"]["metrics"]["train_loss"]) == 8
    assert len(details["metrics"]["metrics"]["val_loss"]) == 2
    assert requests.get(f"{server.url}{JOBS}/{job['id']}/status", timeout=30).json() == details
    assert requests.get(model, timeout=30).json()["artifact"]["status"] == "upload_completed"
    files = requests.get(server.url + "/v1/hf/api/models/training/plus-one/tree/" + job["id"], timeout=30).json()
    assert {"adapter_model.safetensors", "adapter_config.json"} <= {file["path"] for file in files}
    again = requests.post(f"{server.url}{JOBS}/{job['id']}/cancel", timeout=30)
    assert again.status_code == 409 and "completed" in again.json()["detail"]


@pytest.mark.slow
def test_a_malformed_line_fails_the_job_naming_file_and_line(server: RunningServer) -> None:
    bad = {"messages": [{"role": "user", "content": "no answer follows"}]}
    stories.upload(server, "training/bad", {"training/good.jsonl": ROWS[:2], "training/odd.jsonl": [ROWS[0], bad]})
    job = stories.start_training(server, "training/bad", "training/bad-model")
    failed = until(server, job["id"], ended)
    assert failed["status"] == "failed"
    assert "training/odd.jsonl, line 2" in failed["status_details"]["status_logs"][-1]["detail"]
    logs = requests.get(f"{server.url}{JOBS}/{job['id']}/container-logs", timeout=30).json()
    assert logs["error"]["exception_type"] == "BadRow" and "line 2" in logs["error"]["message"]
    model = requests.get(f"{server.url}/v1/models/{job['output_model']}", timeout=30).json()
    assert model["artifact"]["status"] == "upload_failed"


@pytest.mark.slow
def test_a_running_and_a_waiting_job_are_cancelled_within_seconds(server: RunningServer, dataset: str) -> None:
    running, waiting = long_job(server, dataset), long_job(server, dataset)
    until(server, running["id"], lambda job: job["status_details"]["steps_completed"] >= 1)
    assert job_of(server, waiting["id"])["status"] == "created"
    began = time.monotonic()
    cancelled = requests.post(f"{server.url}{JOBS}/{waiting['id']}/cancel", timeout=30).json()
    assert cancelled["status"] == "cancelled"
    requests.post(f"{server.url}{JOBS}/{running['id']}/cancel", timeout=30)
    assert until(server, running["id"], ended)["status"] == "cancelled"
    assert time.monotonic() - began < 10
    twice = requests.post(f"{server.url}{JOBS}/{running['id']}/cancel", timeout=30)
    assert twice.json()["status"] == "cancelled"


def worker_pid(job: dict) -> int:
    running = [entry for entry in job["status_details"]["status_logs"] if entry["message"] == "TrainingJobRunning"]
    return int(running[-1]["detail"].removeprefix("process "))


def is_alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text().split()[2]


@pytest.mark.slow
def test_a_killed_worker_is_started_again_and_the_job_completes(server: RunningServer, dataset: str) -> None:
    job = stories.start_training(server, dataset, "training/killed", epochs=8, batch_size=2, lora=TOP)
    running = until(server, job["id"], lambda job: job["status_details"]["steps_completed"] >= 9)
    os.kill(worker_pid(running), signal.SIGKILL)
    done = until(server, job["id"], ended)
    assert done["status"] == "completed"
    assert "TrainingJobRestarted" in [entry["message"] for entry in done["status_details"]["status_logs"]]
    steps = [point["step"] for point in done["status_details"]["metrics"]["metrics"]["train_loss"]]
    assert steps == list(range(64))


@pytest.mark.slow
def test_after_kill_9_of_the_server_its_worker_ends_and_the_next_server_goes_on(tmp_path: Path) -> None:
    server = start_server(tmp_path / "state")
    try:
        wait_until_ready(server)
        stories.upload(server, "training/rows", {"training/a.jsonl": ROWS})
        job = stories.start_training(server, "training/rows", "training/crash", epochs=8, batch_size=2, lora=TOP)
        before = until(server, job["id"], lambda job: job["status_details"]["steps_completed"] >= 9)
    finally:
        server.process.kill()
        server.process.wait()
    deadline = time.monotonic() + 15
    while is_alive(worker_pid(before)) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not is_alive(worker_pid(before))
    second = start_server(tmp_path / "state")
    try:
        done = until(second, job["id"], ended)
        assert done["status"] == "completed"
        events = (tmp_path / "state" / "jobs" / job["id"] / "events.jsonl").read_text()
        assert '"event": "resumed"' in events
    finally:
        stop_server(second)
