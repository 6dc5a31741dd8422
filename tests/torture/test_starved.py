"""No disk and no memory in the middle of work: the job or request fails with the reason, and the server lives on."""

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
from huggingface_hub import HfApi

from tests import stories
from tests.conftest import ROOT, RunningServer, stop_server
from tests.faults import FULL_DISK, NO_MEMORY, READ_ONLY
from tests.small_disk import mounted_on
from tests.store_app import StoreProcess
from tests.tiny_server import ROWS, TinyServers

pytestmark = pytest.mark.faults
REPO = {"repo_id": "ns/data", "repo_type": "dataset"}
JOBS = "/v1/customization/jobs"
ENDED = ("completed", "failed", "cancelled")
PATIENCE_S = 180


def job_of(server: RunningServer, job_id: str) -> dict:
    return requests.get(f"{server.url}{JOBS}/{job_id}", timeout=60).json()


def until(server: RunningServer, job_id: str, reached: Callable[[dict], bool]) -> dict:
    deadline = time.monotonic() + PATIENCE_S
    while not reached(job := job_of(server, job_id)):
        assert time.monotonic() < deadline, job["status_details"]
        time.sleep(0.1)
    return job


def training(server: RunningServer, **hyperparameters: object) -> dict:
    """A training that has begun to take steps."""
    stories.upload(server, "ns/rows", {"training/a.jsonl": ROWS})
    job = stories.start_training(server, "ns/rows", "ns/model", batch_size=2, **hyperparameters)
    return until(server, job["id"], lambda job: job["status_details"]["steps_completed"] > 0)


@pytest.mark.slow
def test_a_disk_that_fills_during_a_training_costs_at_most_that_training(tiny: TinyServers, tmp_path: Path) -> None:
    state = tmp_path / "state"
    server = tiny.start(state, within=mounted_on(state))
    try:
        with FULL_DISK.trial():
            job = training(server, epochs=20)
            filler = server.state / "filler"
            with filler.open("wb") as file, pytest.raises(OSError, match="No space left"):
                while True:
                    file.write(bytes(2**16))
                    file.flush()
            time.sleep(8)  # steps, checkpoints and reports meet the full disk
            assert requests.get(server.url + "/health", timeout=30).status_code == 200
            assert job_of(server, job["id"])["status"] in ("running", "failed")
            filler.unlink()
            ended = until(server, job["id"], lambda job: job["status"] in ENDED)
            reason = ended["status_details"]["status_logs"][-1]["detail"]
            assert ended["status"] == "completed" or "full" in reason or "No space left" in reason
            assert requests.get(f"{server.url}/v1/datastore/integrity", timeout=60).json()["status"] == "ok"
            stories.train(server, "ns/rows", "ns/next", max_steps=2)
    finally:
        stop_server(server)


def test_a_folder_that_can_not_be_written_is_refused_at_the_start(tmp_path: Path) -> None:
    command = [
        *mounted_on(tmp_path, "ro"),
        sys.executable,
        "-m",
        "local_nemo",
        "--port",
        "0",
        "--state",
        str(tmp_path / "state"),
    ]
    with READ_ONLY.trial():
        result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60)
        assert result.returncode == 2
        assert f"{tmp_path}/state can't be written: Read-only file system" in result.stderr
        assert "Traceback" not in result.stderr


def test_a_store_that_becomes_read_only_is_507_and_what_is_there_can_be_read(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with StoreProcess(state, mounted_on(state)) as server:
        _become_read_only(server)


def _become_read_only(server: StoreProcess) -> None:
    url, blobs = server.url, server.state / "blobs"
    api = HfApi(endpoint=f"{url}/v1/hf", token=False)
    api.create_repo(**REPO)
    api.upload_file(path_or_fileobj=b"kept", path_in_repo="kept.bin", **REPO)
    enter = ["nsenter", "--user", "--preserve-credentials", "--mount", "-t", str(server.process.pid), "sh", "-ec"]
    with READ_ONLY.trial():
        subprocess.run([*enter, f"mount --bind {blobs} {blobs}; mount -o remount,bind,ro {blobs}"], check=True)
        refused = requests.put(f"{url}/v1/hf/lfs/{hashlib.sha256(b'content').hexdigest()}", data=b"content", timeout=60)
        assert refused.status_code == 507, refused.text
        assert "Read-only file system" in refused.json()["error"]
        assert requests.get(f"{url}/v1/hf/datasets/ns/data/resolve/main/kept.bin", timeout=60).content == b"kept"
        subprocess.run([*enter, f"umount {blobs}"], check=True)
        api.upload_file(path_or_fileobj=b"next", path_in_repo="next.bin", **REPO)
        assert requests.get(f"{url}/v1/datastore/integrity", timeout=60).json()["status"] == "ok"


@pytest.mark.slow
def test_a_worker_that_the_system_kills_for_its_memory_fails_its_job_with_the_reason(
    tiny_server: RunningServer,
) -> None:
    for _ in range(NO_MEMORY.size):
        with NO_MEMORY.trial():
            job, killed = training(tiny_server, epochs=10_000), set()
            while (job := job_of(tiny_server, job["id"]))["status"] == "running":
                notes = [one for one in job["status_details"]["status_logs"] if one["message"] == "TrainingJobRunning"]
                worker = int(notes[-1]["detail"].removeprefix("process "))
                if worker not in killed:
                    os.kill(worker, signal.SIGKILL)  # as the system does; nothing tells the worker's own end apart
                    killed.add(worker)
                time.sleep(0.1)
            assert job["status"] == "failed"
            assert "when memory runs out" in job["status_details"]["status_logs"][-1]["detail"]
            assert len(killed) == 3, "it is started again twice"
            stories.train(tiny_server, "ns/rows", "ns/next", max_steps=2)
