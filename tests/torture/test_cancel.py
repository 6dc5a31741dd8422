"""Cancelling works in every state of a job within five seconds, and what it held is free again."""

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests import evaluator_app, stories
from tests.conftest import RunningServer
from tests.faults import CANCELS
from tests.scripted_model import ScriptedModel, completion
from tests.tiny_server import ROWS

pytestmark = [pytest.mark.slow, pytest.mark.faults]
WITHIN_S = 5.0
PATIENCE_S = 120
TRAININGS, EVALUATIONS = "/v1/customization/jobs", "/v1/evaluation/jobs"
STATES = 10  # that are tried in a round


@pytest.fixture(scope="module")
def server(tiny_server: RunningServer) -> RunningServer:
    rows = [evaluator_app.row(number) for number in range(30)]
    stories.upload(tiny_server, evaluator_app.REPO, {"training/a.jsonl": ROWS, evaluator_app.FILE: rows})
    return tiny_server


def job_of(server: RunningServer, path: str) -> dict:
    return requests.get(server.url + path, timeout=60).json()


def until(server: RunningServer, path: str, reached, seconds: float = PATIENCE_S) -> dict:
    deadline = time.monotonic() + seconds
    while not reached(job := job_of(server, path)):
        assert time.monotonic() < deadline, job["status_details"]
        time.sleep(0.05)
    return job


def cancel(server: RunningServer, path: str) -> dict:
    with CANCELS.trial():
        assert requests.post(f"{server.url}{path}/cancel", timeout=WITHIN_S).status_code == 200
        return until(server, path, lambda job: job["status"] == "cancelled", WITHIN_S)


def train(server: RunningServer) -> str:
    job = stories.start_training(server, evaluator_app.REPO, "cancel/model", epochs=10_000, batch_size=2)
    return f"{TRAININGS}/{job['id']}"


def worker(job: dict) -> Path:
    notes = [one for one in job["status_details"]["status_logs"] if one["message"] == "TrainingJobRunning"]
    return Path("/proc") / notes[-1]["detail"].removeprefix("process ")


def test_a_training_can_be_cancelled_while_it_waits_starts_and_trains(server: RunningServer) -> None:
    for _ in range(CANCELS.size // STATES):
        training, waiting = train(server), train(server)
        until(server, training, lambda job: job["status_details"]["steps_completed"] > 0)
        assert job_of(server, waiting)["status"] == "created"
        cancel(server, waiting)
        assert not worker(cancel(server, training)).exists(), "its process still holds memory"
        starting = train(server)
        until(server, starting, lambda job: job["status"] == "running")
        cancel(server, starting)


def test_an_evaluation_can_be_cancelled_while_it_runs_and_waits(server: RunningServer) -> None:
    with ScriptedModel() as model:
        model.respond = lambda body: (time.sleep(0.5), completion("no call"))[1]
        body = {"config": evaluator_app.config(parallelism=1), "target": evaluator_app.as_target(model.url)}
        for _ in range(CANCELS.size // STATES):
            jobs = [requests.post(server.url + EVALUATIONS, json=body, timeout=60).json()["id"] for _ in range(6)]
            paths = [f"{EVALUATIONS}/{job}" for job in jobs]
            until(server, paths[0], lambda job: job["status_details"]["samples_processed"] > 0)
            assert job_of(server, paths[-1])["status"] in ("created", "pending")
            cancel(server, paths[-1])
            for path in paths[:-1]:
                cancel(server, path)
        assert model.at_once <= 4, "no more than what was under way when it was cancelled"


def test_chats_whose_clients_leave_are_ended(server: RunningServer) -> None:
    body = {"model": stories.BASE, "messages": ROWS[0]["messages"][:1], "max_tokens": 1900, "n": 4}

    def leave(_: int) -> None:
        with CANCELS.trial(), pytest.raises(requests.Timeout):
            requests.post(server.nim_url + "/v1/chat/completions", json=body, timeout=0.5)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(leave, range(max(1, CANCELS.size // STATES))))
    deadline = time.monotonic() + WITHIN_S
    while "num_requests_running 0" not in requests.get(server.nim_url + "/v1/metrics", timeout=30).text:
        assert time.monotonic() < deadline
        time.sleep(0.1)
