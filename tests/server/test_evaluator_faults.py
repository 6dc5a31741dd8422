"""An evaluation under faults: bad rows, rate limits, hostile templates, cancelling, a server that is killed.

The faults come from a real server (`ScriptedModel`) and real signals; nothing under test is patched.
"""

import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.evaluator_app import FILE, Evaluator, EvaluatorProcess, config, number_of, row
from tests.scripted_model import ScriptedModel, completion

ROWS = [row(number) for number in range(12)]


@pytest.fixture
def evaluator(tmp_path: Path) -> Iterator[Evaluator]:
    with Evaluator(tmp_path / "state") as running:
        running.upload(FILE, ROWS)
        yield running


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    with ScriptedModel() as scripted:
        yield scripted


def right(body: dict) -> dict:
    return completion(calls=[("f", {"i": number_of(body)})])


def hang_up(_body: dict) -> dict:
    raise ConnectionResetError


def test_one_bad_row_is_recorded_and_counted_and_the_others_are_scored(evaluator, model) -> None:
    faults = {
        0: lambda body: (500, {}, b"boom"),
        1: lambda body: (400, {}, b'{"message": "too long"}'),
        2: lambda body: (time.sleep(10), right(body))[1],
        3: lambda body: (200, {}, b"<html>proxy</html>"),
        4: hang_up,
        5: lambda body: {"choices": []},
        6: lambda body: (200, {}, b"[1]"),
        7: lambda body: (200, {"Content-Length": "1000"}, b'{"choices"'),
        8: lambda body: (307, {"Location": "http://169.254.169.254/"}, b""),
        9: lambda body: completion(calls=[("f", "{broken")]),
    }
    model.respond = lambda body: faults.get(number_of(body), right)(body)
    job_id = evaluator.create(config(max_retries=1, request_timeout=4), model.url)
    job = evaluator.finished(job_id)
    assert job["status_details"]["samples_processed"] == 12
    errors = [record["error"] for record in evaluator.records(job_id)]
    for index, words in enumerate(
        [
            "HTTP 500: boom",
            "HTTP 400",
            "timeout",
            "not JSON",
            "no connection",
            "no choices",
            "not a JSON object",
            "",
            "307",
        ]
    ):
        assert words in errors[index]
    assert errors[9:] == [None] * 3
    asked = Counter(map(int, model.asked()))
    assert [asked[index] for index in range(12)] == [2, 1, 2, 2, 2, 1, 1, 2, 1, 1, 1, 1], (
        "only passing faults are retried"
    )
    names, arguments = evaluator.scores(job_id).values()
    assert (names["stats"]["count"], names["stats"]["nan_count"]) == (3, 9)
    assert (arguments["stats"]["count"], arguments["stats"]["nan_count"]) == (2, 10)
    assert evaluator.result(job_id)["tasks"]["tools"]["data"]["failed_rows"] == 9


def test_a_fault_that_passes_is_retried_and_leaves_no_trace_in_the_scores(evaluator, model) -> None:
    first = set()

    def flaky(body: dict) -> dict | tuple:
        if number_of(body) not in first:
            first.add(number_of(body))
            return (503, {}, b"") if number_of(body) % 2 else hang_up(body)
        return right(body)

    model.respond = flaky
    job_id = evaluator.create(config(), model.url)
    evaluator.finished(job_id)
    assert evaluator.scores(job_id)["function_name_and_args_accuracy"]["value"] == 1.0
    assert {record["attempts"] for record in evaluator.records(job_id)} == {2}


def test_a_job_of_which_no_row_works_fails_with_the_reason(evaluator) -> None:
    with ScriptedModel() as gone:
        url = gone.url
    job_id = evaluator.create(config(max_retries=0), url)
    job = evaluator.finished(job_id, "failed")
    assert "none of the 12 rows" in job["status_details"]["message"]
    assert "no connection" in job["status_details"]["message"]
    assert evaluator.call("GET", f"jobs/{job_id}/results").status_code == 404
    assert len(evaluator.records(job_id)) == 12, "the records can be looked at all the same"


def test_a_rate_limit_holds_back_every_row_until_it_is_over(evaluator, model) -> None:
    both = threading.Barrier(2)
    limited_at: list[float] = []

    def limit(body: dict) -> dict | tuple:
        if number_of(body) > 1 or limited_at:
            return right(body)
        if both.wait(60) == 0:
            limited_at.append(time.monotonic())
            return 429, {"Retry-After": "3"}, b"slow down"
        time.sleep(1)  # the other row learns of the limit first
        return right(body)

    model.respond = limit
    job_id = evaluator.create(config(parallelism=2, max_retries=0), model.url)
    evaluator.finished(job_id)
    assert evaluator.scores(job_id)["function_name_accuracy"]["value"] == 1.0, "a limit is no failure"
    assert len(model.times) == 13
    assert sorted(model.times)[2] >= limited_at[0] + 2.9


def test_requests_are_spaced_and_never_more_than_allowed_at_once(evaluator, model) -> None:
    full = threading.Event()

    def crowded(body: dict) -> dict:
        if model.at_once == 3:
            full.set()
        full.wait(60)
        time.sleep(0.05)
        return right(body)

    model.respond = crowded
    evaluator.finished(evaluator.create(config(parallelism=3), model.url))
    assert full.is_set()
    assert model.most_at_once == 3
    model.times.clear()
    evaluator.finished(evaluator.create(config(limit=5, extra={"requests_per_minute": 300}), model.url))
    assert model.times[-1] - model.times[0] >= 4 * 0.2 - 0.05


def test_a_template_that_never_ends_costs_its_rows_and_not_the_job(evaluator, model) -> None:
    model.respond = right
    endless = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
    template = {
        "messages": "{{ item.messages | tojson }}",
        "user": "{% if item.messages[0].content == '1' %}" + endless + "{% endif %}x",
    }
    job_id = evaluator.create(config(template=template, limit=3), model.url)
    evaluator.finished(job_id)
    assert [record["error"] is None for record in evaluator.records(job_id)] == [True, False, True]
    assert "passed a bound" in evaluator.records(job_id)[1]["error"]


def test_a_running_job_is_cancelled_within_five_seconds_and_lets_go_of_its_target(evaluator, model) -> None:
    gate = threading.Event()
    model.respond = lambda body: (gate.wait(60), right(body))[1]
    job_id = evaluator.create(config(), model.url)
    evaluator.until(job_id, lambda job: len(model.requests) > 0)
    started = time.monotonic()
    assert evaluator.call("POST", f"jobs/{job_id}/cancel").json()["status"] == "cancelling"
    evaluator.finished(job_id, "cancelled")
    assert time.monotonic() - started < 5
    assert evaluator.call("POST", f"jobs/{job_id}/cancel").json()["status"] == "cancelled", "twice is the same as once"
    gate.set()
    model.respond = right
    done = evaluator.finished(evaluator.create(config(limit=1), model.url))
    late = evaluator.call("POST", f"jobs/{done['id']}/cancel")
    assert (late.status_code, late.headers["x-should-retry"]) == (409, "false")


def test_waiting_jobs_run_in_turn_and_can_be_cancelled_before_theirs(evaluator, model) -> None:
    gate = threading.Event()
    model.respond = lambda body: (gate.wait(60), right(body))[1]
    busy = [evaluator.create(config(limit=1), model.url) for _ in range(4)]
    waiting = [evaluator.create(config(limit=1), model.url) for _ in range(2)]
    for job_id in busy:
        evaluator.until(job_id, lambda job: job["status"] == "running")
    assert evaluator.job(waiting[0])["status"] == "pending"
    assert evaluator.call("POST", f"jobs/{waiting[0]}/cancel").json()["status"] == "cancelled"
    gate.set()
    for job_id in [*busy, waiting[1]]:
        evaluator.finished(job_id)
    assert evaluator.job(waiting[0])["status"] == "cancelled"
    assert len(model.requests) == 5


def test_progress_is_reported_while_rows_finish(evaluator, model) -> None:
    model.respond = lambda body: (time.sleep(0.25), right(body))[1]
    job_id = evaluator.create(config(parallelism=1), model.url)
    seen = set()
    while (job := evaluator.job(job_id))["status"] != "completed":
        seen.add(job["status_details"]["samples_processed"])
        time.sleep(0.1)
    assert len(seen) >= 4
    assert max(seen) <= 12


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "stopped"])
def test_a_restarted_server_finishes_the_job_without_asking_finished_rows_again(tmp_path, model, how) -> None:
    with Evaluator(tmp_path / "state") as evaluator:
        evaluator.upload(FILE, ROWS)
    gate = threading.Event()
    model.respond = lambda body: (number_of(body) < 6 or gate.wait(60), right(body))[1]
    first = EvaluatorProcess(tmp_path / "state")
    try:
        job_id = first.create(config(parallelism=2), model.url)
        waiting = first.create(config(limit=1), model.url)
        first.finished(waiting)
        deadline = time.monotonic() + 90
        records = tmp_path / "state" / "jobs" / job_id / "records.jsonl"
        while records.read_bytes().count(b"\n") < 6 or not {"6", "7"} <= set(model.asked()):
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        first.end(how)
    with records.open("ab") as file:
        file.write(b'{"task": "tools", "index": 6, "cut off in the mid')  # as a crash may leave it
    gate.set()
    model.requests.clear()
    second = EvaluatorProcess(tmp_path / "state")
    try:
        second.finished(job_id)
        assert sorted(map(int, model.asked())) == list(range(6, 12))
        assert [record["index"] for record in second.records(job_id)] == list(range(12))
        assert second.scores(job_id)["function_name_and_args_accuracy"]["value"] == 1.0
        assert second.job(waiting)["status"] == "completed"
    finally:
        second.end()


def test_a_job_whose_cancelling_was_cut_short_by_a_crash_ends_as_cancelled(tmp_path, model) -> None:
    with Evaluator(tmp_path / "state") as evaluator:
        evaluator.upload(FILE, ROWS)
        model.respond = right
        job_id = evaluator.create(config(limit=1), model.url)
        evaluator.finished(job_id)
        evaluator.services.entities.edit("evaluation_job", job_id, lambda job: job | {"status": "cancelling"})
    with Evaluator(tmp_path / "state") as evaluator:
        evaluator.finished(job_id, "cancelled")


def test_rows_that_are_deleted_before_a_job_reads_them_fail_it_with_the_reason(evaluator, model) -> None:
    gate = threading.Event()
    model.respond = lambda body: (gate.wait(60), right(body))[1]
    busy = [evaluator.create(config(limit=1), model.url) for _ in range(4)]
    late = evaluator.create(config(), model.url)
    for job_id in busy:
        evaluator.until(job_id, lambda job: job["status"] == "running")
    evaluator.services.files.delete_repo("datasets", "ns/rows")
    gate.set()
    job = evaluator.finished(late, "failed")
    assert "ns/rows" in job["status_details"]["message"]
