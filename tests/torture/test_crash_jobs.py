"""`kill -9` and SIGTERM in the middle of jobs: trainings and evaluations go on where they were, waiting ones run.

Evaluations are killed in a server without a model, trainings in a whole server on a tiny one. `CRASH_SEED` sets the
moments; a failure prints it.
"""

import json
import os
import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from tests import evaluator_app, stories
from tests.conftest import RunningServer, stop_server
from tests.faults import KILL_EVALUATING, KILL_TRAINING, TERMINATE
from tests.scripted_model import ScriptedModel, completion
from tests.tiny_server import ROWS, TinyServers

SEED = int(os.environ.get("CRASH_SEED", "1234"))
WHEN = f"(CRASH_SEED={SEED})"
PATIENCE_S = 600
EVALUATED = 60  # rows
JOBS = "/v1/customization/jobs"
LONG = {"epochs": 30, "batch_size": 2}


def soon(true, what: str, seconds: float = PATIENCE_S):
    """The first true value of `true()`; fails after some time."""
    deadline = time.monotonic() + seconds
    while not (value := true()):
        assert time.monotonic() < deadline, f"{what} did not happen within {seconds:g} s {WHEN}"
        time.sleep(0.05)
    return value


def answer(body: dict) -> dict:
    time.sleep(0.01)
    return completion(calls=[("f", {"i": evaluator_app.number_of(body)})])


def finished_rows(records: Path) -> set[int]:
    """The rows whose records are complete on disk."""
    if not records.exists():
        return set()
    return {json.loads(line)["index"] for line in records.read_bytes().splitlines(True) if line.endswith(b"\n")}


@pytest.mark.faults
def test_killed_evaluations_ask_no_finished_row_again_and_waiting_ones_run(tmp_path: Path) -> None:
    chance, state = random.Random(SEED), tmp_path / "state"
    with evaluator_app.Evaluator(state) as evaluator:
        evaluator.upload(evaluator_app.FILE, [evaluator_app.row(number) for number in range(EVALUATED)])
    with ScriptedModel() as model:
        model.respond = answer
        process = evaluator_app.EvaluatorProcess(state)
        try:
            for _ in range(KILL_EVALUATING.size):
                with KILL_EVALUATING.trial():
                    model.requests.clear()
                    jobs = [process.create(evaluator_app.config(parallelism=4), model.url) for _ in range(5)]
                    wanted = chance.randint(1, 4 * EVALUATED)
                    soon(lambda wanted=wanted: len(model.requests) >= wanted, f"{wanted} rows asked")
                    process.end()
                    records = {job: state / "jobs" / job / "records.jsonl" for job in jobs}
                    done = sum(len(finished_rows(file)) for file in records.values())
                    model.requests.clear()
                    process = evaluator_app.EvaluatorProcess(state)
                    for job in jobs:
                        process.finished(job)
                        assert [record["index"] for record in process.records(job)] == list(range(EVALUATED)), WHEN
                        assert process.scores(job)["function_name_and_args_accuracy"]["value"] == 1.0, WHEN
                    assert len(model.requests) <= len(jobs) * EVALUATED - done, f"a finished row was asked again {WHEN}"
        finally:
            process.end()


def job_of(server: RunningServer, job_id: str) -> dict:
    return requests.get(f"{server.url}{JOBS}/{job_id}", timeout=60).json()


def steps(server: RunningServer, job_id: str) -> int:
    return job_of(server, job_id)["status_details"]["steps_completed"]


def reach(server: RunningServer, job_id: str, step: int) -> None:
    soon(lambda: steps(server, job_id) >= step, f"step {step} of {job_id}")


def losses(job: dict, name: str) -> list[float]:
    return [point["value"] for point in job["status_details"]["metrics"]["metrics"][name]]


def worker_pid(job: dict) -> int:
    notes = [entry for entry in job["status_details"]["status_logs"] if entry["message"] == "TrainingJobRunning"]
    return int(notes[-1]["detail"].removeprefix("process "))


def kill_something(server: RunningServer, job_id: str, chance: random.Random, tiny: TinyServers) -> RunningServer:
    """The worker, or the server, which is started again."""
    before = steps(server, job_id)
    soon(lambda: steps(server, job_id) > before or job_of(server, job_id)["status"] != "running", "a step")
    time.sleep(chance.uniform(0, 1))
    job = job_of(server, job_id)
    if job["status"] == "running" and chance.random() < 0.5:
        os.kill(worker_pid(job), signal.SIGKILL)
        return server
    server.process.kill()
    server.process.wait()
    return tiny.start(server.state, ready=False)


@pytest.mark.slow
@pytest.mark.faults
def test_a_killed_training_ends_like_an_undisturbed_one_and_the_waiting_one_runs(
    tiny: TinyServers, tmp_path: Path
) -> None:
    chance = random.Random(SEED)
    server = tiny.start(tmp_path / "state")
    try:
        stories.upload(server, "training/rows", {"training/a.jsonl": ROWS})
        quiet = stories.train(server, "training/rows", "training/quiet", **LONG)
        rounds, rest = divmod(KILL_TRAINING.size, 3)
        for kills in [3] * rounds + [rest] * bool(rest):
            with KILL_TRAINING.trial(kills):
                disturbed = stories.start_training(server, "training/rows", "training/disturbed", **LONG)["id"]
                waiting = stories.start_training(server, "training/rows", "training/waiting", max_steps=2)["id"]
                reach(server, disturbed, 1)
                for _ in range(kills):
                    server = kill_something(server, disturbed, chance, tiny)
                done = stories.wait(server, f"{JOBS}/{disturbed}", PATIENCE_S)
                assert losses(done, "val_loss") == pytest.approx(losses(quiet, "val_loss"), rel=0.02), WHEN
                assert len(losses(done, "train_loss")) == len(losses(quiet, "train_loss")), WHEN
                stories.wait(server, f"{JOBS}/{waiting}", PATIENCE_S)
    finally:
        stop_server(server)


def endless_chat(server: RunningServer) -> int:
    """The status of a chat that takes longer than the server lives; 0 where the connection ended without one."""
    body = {"model": stories.BASE, "messages": ROWS[0]["messages"][:1], "max_tokens": 1900, "temperature": 0}
    try:
        return requests.post(server.nim_url + "/v1/chat/completions", json=body, timeout=60).status_code
    except requests.RequestException:
        return 0


@pytest.mark.slow
@pytest.mark.faults
def test_a_busy_server_ends_within_ten_seconds_and_its_jobs_go_on_with_the_next_one(
    tiny: TinyServers, tmp_path: Path
) -> None:
    server = tiny.start(tmp_path / "state")
    try:
        with ScriptedModel() as model, ThreadPoolExecutor(4) as chats:
            model.respond = lambda body: (time.sleep(0.5), answer(body))[1]
            rows = [evaluator_app.row(number) for number in range(EVALUATED)]
            stories.upload(server, evaluator_app.REPO, {"training/a.jsonl": ROWS, evaluator_app.FILE: rows})
            for _ in range(TERMINATE.size):
                with TERMINATE.trial():
                    training = stories.start_training(server, evaluator_app.REPO, "training/busy", **LONG)["id"]
                    target = evaluator_app.as_target(model.url)
                    body = {"config": evaluator_app.config(parallelism=2), "target": target}
                    job = requests.post(f"{server.url}/v1/evaluation/jobs", json=body, timeout=60).json()["id"]
                    reach(server, training, 9)
                    talking = [chats.submit(endless_chat, server) for _ in range(4)]
                    time.sleep(0.5)
                    began = time.monotonic()
                    server.process.terminate()
                    assert server.process.wait(timeout=30) == 0
                    assert time.monotonic() - began < 10
                    assert {chat.result(60) for chat in talking} <= {0, 200, 503}
                    server = tiny.start(server.state, ready=False)
                    stories.wait(server, f"{JOBS}/{training}", PATIENCE_S)
                    stories.wait(server, f"/v1/evaluation/jobs/{job}", PATIENCE_S)
                    events = (server.state / "jobs" / training / "events.jsonl").read_text()
                    assert '"event": "resumed"' in events, "the training began anew"
    finally:
        stop_server(server)
