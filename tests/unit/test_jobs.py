"""Waiting for a job: the status decides, slow is not stalled, a restart is survived. Against a real HTTP server."""

import io

import pytest

from helpers import errors, jobs
from helpers.http import Service, Timeouts
from helpers.progress import Line
from helpers.retry import Retry
from tests.recorder import Recorder, Reply

PATH = "/v1/customization/jobs/cust-1"


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def server():
    with Recorder() as recorder:
        yield recorder


def job(status: str, **details) -> Reply:
    return Reply(json={"id": "cust-1", "status": status, "status_details": details})


def wait(server: Recorder, clock: Clock | None = None, stream: io.StringIO | None = None, **options) -> dict:
    clock = clock or Clock()
    service = Service("NeMo", server.url, retry=Retry(attempts=1), timeouts=Timeouts(2, 2, 5))
    line = Line(stream=stream or io.StringIO())
    kind = options.pop("kind", jobs.CUSTOMIZATION)
    return jobs.wait_for_job(service, kind, "cust-1", clock=clock, sleep=clock.sleep, line=line, **options)


def test_a_completed_job_is_returned(server):
    server.enqueue(job("created"), job("running", steps_completed=1), job("completed", percentage_done=40.0))
    assert wait(server)["status"] == "completed"
    assert len(server.asked) == 3


def test_a_failed_job_raises_with_its_last_log_line_even_at_100_percent(server):
    logs = [{"message": "TrainingJobRunning"}, {"message": "failed", "detail": "row 7 of training.jsonl is no JSON"}]
    server.enqueue(job("failed", percentage_done=100.0, status_logs=logs))
    with pytest.raises(errors.JobFailed) as caught:
        wait(server)
    message = str(caught.value)
    assert "cust-1 ended with status 'failed' at 100 % (the status counts, not the percentage)" in message
    assert "row 7 of training.jsonl is no JSON" in message
    assert 'helpers.customizer.logs(platform, "cust-1")' in message
    assert caught.value.job["status"] == "failed"


def test_a_cancelled_job_and_an_unknown_word_raise(server):
    server.enqueue(job("cancelled"))
    with pytest.raises(errors.JobCancelled):
        wait(server)
    server.queue[:] = [job("evaporated")]
    with pytest.raises(errors.JobFailed, match="'evaporated'"):
        wait(server)


def test_a_cancelling_job_is_waited_for(server):
    server.enqueue(job("cancelling"), job("cancelled"))
    with pytest.raises(errors.JobCancelled):
        wait(server)
    assert len(server.asked) == 2


def test_a_slow_job_that_moves_is_never_given_up_on(server):
    moving = [job("running", steps_completed=step) for step in range(50)]
    server.enqueue(*moving, job("completed"))
    clock = Clock()
    wait(server, clock, poll=100.0, stall_timeout=150.0)
    assert clock.now == 5000.0


def test_a_job_that_stands_still_is_called_stalled(server):
    server.enqueue(job("running", steps_completed=3, status_logs=[{"message": "TrainingJobRunning"}]))
    with pytest.raises(errors.JobStalled) as caught:
        wait(server, poll=10.0, stall_timeout=60.0)
    assert "has not moved for 70 s (status running)" in str(caught.value)
    assert "run this cell again to attach" in str(caught.value)
    assert 'helpers.customizer.cancel(platform, "cust-1")' in str(caught.value)


def test_passing_time_alone_is_no_movement(server):
    standing = [job("running", steps_completed=3, elapsed_time=float(n), updated_at=f"t{n}") for n in range(20)]
    server.enqueue(*standing)
    with pytest.raises(errors.JobStalled):
        wait(server, poll=10.0, stall_timeout=60.0)


def test_a_job_that_waits_for_a_gpu_says_so(server):
    server.enqueue(job("pending", status_logs=[{"message": "NotEnoughResources", "detail": "0/2 nodes"}]))
    with pytest.raises(errors.JobStalled, match="free one"):
        wait(server, poll=10.0, stall_timeout=30.0)


def test_a_restarting_service_is_waited_for(server):
    server.enqueue(
        job("running", steps_completed=1),
        Reply(503, body=b""),
        Reply(json={}, fault="reset"),
        Reply(500, json={"detail": "starting"}),
        job("running", steps_completed=1),
        job("completed"),
    )
    assert wait(server)["status"] == "completed"


def test_a_service_that_stays_away_is_reported(server):
    server.enqueue(job("running"), Reply(503, body=b""))
    with pytest.raises(errors.ServiceFailed):
        wait(server, poll=10.0, outage_timeout=60.0)


def test_an_unknown_job_is_an_error_at_once(server):
    server.enqueue(Reply(404, json={"detail": "no job cust-1"}))
    with pytest.raises(errors.NotFound, match="no job cust-1"):
        wait(server)
    assert len(server.asked) == 1


def test_interrupting_leaves_the_job_alone_and_says_how_to_go_on(server):
    server.enqueue(job("running"))
    stream = io.StringIO()

    def interrupt(seconds: float) -> None:
        raise KeyboardInterrupt

    service = Service("NeMo", server.url)
    with pytest.raises(KeyboardInterrupt):
        jobs.wait_for_job(service, jobs.CUSTOMIZATION, "cust-1", sleep=interrupt, line=Line(stream=stream))
    assert server.calls() == [f"GET {PATH}"]
    assert "cust-1 keeps running" in stream.getvalue()
    assert "run this cell again" in stream.getvalue()
    assert 'helpers.customizer.cancel(platform, "cust-1")' in stream.getvalue()


def test_one_line_stays_behind_with_step_loss_and_speed(server):
    metrics = {"metrics": {"train_loss": [{"step": 9, "value": 0.51234}], "val_loss": [{"step": 9, "value": 0.4}]}}
    details = {"steps_completed": 10, "metrics": metrics, "tokens_per_second": 301.2}
    server.enqueue(job("running", steps_completed=1), job("completed", **details))
    stream = io.StringIO()
    wait(server, total=40, stream=stream)
    assert len(stream.getvalue().splitlines()) == 1
    for part in ("customization completed", "10/40 steps", "loss 0.512", "val loss 0.400", "301 tokens/s"):
        assert part in stream.getvalue()


def test_an_evaluation_without_numbers_yet_can_be_described():
    fresh = {"id": "eval-1", "status": "running", "status_details": {"progress": None, "message": None}}
    assert "evaluation running" in jobs.describe(jobs.EVALUATION, fresh, elapsed=3.0, total=200)
    half = {"id": "eval-1", "status": "running", "status_details": {"progress": 50.0, "samples_processed": 100}}
    assert "100/200 rows" in jobs.describe(jobs.EVALUATION, half, elapsed=3.0, total=200)


def test_steps_come_from_the_epoch_length_of_the_service():
    details = {"steps_completed": 219, "steps_per_epoch": 219}
    known = {"id": "c", "status": "running", "hyperparameters": {"epochs": 2}, "status_details": details}
    assert "219/438 steps" in jobs.describe(jobs.CUSTOMIZATION, known, elapsed=60.0)
