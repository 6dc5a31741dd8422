"""Waiting for a job of any service until it has ended.

Contract: success is the status `completed` and nothing else; a percentage decides nothing. `failed`, `cancelled` and
words this client does not know raise, with the last line the service logged. Slow is not stalled: the stall clock
starts again whenever anything about the job changes. A service that restarts meanwhile is waited for. Ctrl-C ends the
waiting, never the job.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import errors
from .http import Service
from .progress import Line, bar

ACTIVE = {"created", "pending", "running", "cancelling"}
STALL_SECONDS = 900.0  # without any movement
OUTAGE_SECONDS = 180.0  # without any answer from the service


@dataclass(frozen=True)
class Kind:
    """One family of jobs: where it lives, which verb sees it, how its progress reads."""

    name: str
    path: str
    module: str
    unit: str  # plural

    def url(self, job_id: str) -> str:
        return f"{self.path}/{job_id}"


CUSTOMIZATION = Kind("customization", "/v1/customization/jobs", "customizer", "steps")
EVALUATION = Kind("evaluation", "/v1/evaluation/jobs", "evaluator", "rows")


def wait_for_job(
    service: Service,
    kind: Kind,
    job_id: str,
    *,
    total: int = 0,
    stall_timeout: float = STALL_SECONDS,
    outage_timeout: float = OUTAGE_SECONDS,
    poll: float = 2.0,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    line: Line | None = None,
) -> dict:
    """The job once it is `completed`. `total` is the number of steps or rows, where the service does not say.

    Raises JobFailed, JobCancelled, JobStalled (no movement for `stall_timeout` seconds), or the ServiceError of a
    service that has not answered for `outage_timeout` seconds. All times are seconds; `clock` and `sleep` are seams.
    """
    began = moved = answered = clock()
    job: dict[str, Any] = {"id": job_id, "status": "unknown"}
    last = ""
    with line or Line() as display:
        try:
            while True:
                try:
                    job = service.get(kind.url(job_id))
                    answered = clock()
                except (errors.ServiceUnreachable, errors.ServiceFailed, errors.Busy) as error:
                    if clock() - answered > outage_timeout:
                        raise
                    moved = clock()  # nothing is known about the job while its service is away
                    display.show(f"{kind.name} {job_id}: the service does not answer, waiting ({type(error).__name__})")
                    sleep(poll)
                    continue
                display.show(describe(kind, job, elapsed=clock() - began, total=total))
                if job.get("status") == "completed":
                    return job
                if job.get("status") not in ACTIVE:
                    raise _ended_badly(kind, job)
                if (now := _signature(job)) != last:
                    last, moved = now, clock()
                if clock() - moved > stall_timeout:
                    raise _stalled(kind, job, clock() - moved)
                sleep(poll)
        except KeyboardInterrupt:
            display.show(
                f"{kind.name} job {job_id} keeps running; only the waiting was interrupted.\n"
                f"  attach again: run this cell again\n"
                f'  cancel:       helpers.{kind.module}.cancel(platform, "{job_id}")'
            )
            raise


def describe(kind: Kind, job: dict, *, elapsed: float, total: int = 0) -> str:
    """One line about a job: a bar while it works, its time when it is done. `elapsed` is seconds of waiting."""
    details = job.get("status_details") or {}
    status = job.get("status", "unknown")
    elapsed = details.get("elapsed_time") or elapsed  # of the work itself, where the service tells it
    label = f"{kind.name} {status}"
    done, of, unit = _progress(kind, job, total)
    if status in {"created", "pending"}:
        return f"{label}: {last_log(job) or 'waiting for its turn'} ({elapsed:.0f} s)"
    return bar(done, of, elapsed, label=label, unit=unit, facts=", ".join(_facts(details)))


def last_log(job: dict) -> str:
    """The newest line the service logged about this job, with its detail; empty if there is none."""
    details = job.get("status_details") or {}
    for entry in reversed(details.get("status_logs") or []):
        text = ": ".join(str(part) for part in (entry.get("message"), entry.get("detail")) if part)
        if text:
            return text
    return str(details.get("message") or "")


def _progress(kind: Kind, job: dict, total: int) -> tuple[float, float, str]:
    """(done, total, unit) in the unit of this kind, or in percent when the total is not known."""
    details = job.get("status_details") or {}
    percent = details.get("percentage_done") or details.get("progress") or 0.0
    if kind is EVALUATION:
        done = details.get("samples_processed")
        return (done, total, kind.unit) if total and done is not None else (percent, 100, "percent")
    done = details.get("steps_completed") or 0
    per_epoch, epochs = details.get("steps_per_epoch"), (job.get("hyperparameters") or {}).get("epochs")
    of = total or details.get("total_steps") or (per_epoch * epochs if per_epoch and epochs else 0)
    return (done, max(of, done), kind.unit) if of else (percent, 100, "percent")


def _facts(details: dict) -> list[str]:
    """Loss and speed, as far as the service tells them."""
    facts = []
    series = (details.get("metrics") or {}).get("metrics") or {}
    for name, label in (("train_loss", "loss"), ("val_loss", "val loss")):
        if points := series.get(name):
            facts.append(f"{label} {points[-1]['value']:.3f}")
    if speed := details.get("tokens_per_second"):
        facts.append(f"{speed:.0f} tokens/s")
    return facts


def _signature(job: dict) -> str:
    """Everything about a job that changes when it moves, as one comparable text (times do not count)."""
    details = job.get("status_details") or {}
    seen = {key: value for key, value in details.items() if key not in {"updated_at", "elapsed_time", "created_at"}}
    return json.dumps([job.get("status"), seen], sort_keys=True, default=str)


def _ended_badly(kind: Kind, job: dict) -> errors.JobError:
    status = job.get("status")
    log = last_log(job) or "the service logged nothing"
    if status == "cancelled":
        return errors.JobCancelled(
            f"The {kind.name} job {job['id']} was cancelled.",
            job=job,
            now=log,
            next_step="run the cell that creates the job again: it starts a new one.",
        )
    done = (job.get("status_details") or {}).get("percentage_done")
    return errors.JobFailed(
        f"The {kind.name} job {job['id']} ended with status {status!r}"
        + (f" at {done:.0f} % (the status counts, not the percentage)." if done else "."),
        job=job,
        now=f"last log line: {log}",
        next_step=f'helpers.{kind.module}.logs(platform, "{job["id"]}") shows the whole log; '
        "mend what it names and run the cell that creates the job again.",
    )


def _stalled(kind: Kind, job: dict, silent: float) -> errors.JobStalled:
    log = last_log(job)
    resources = "NotEnoughResources" in log or job.get("status") == "pending"
    return errors.JobStalled(
        f"The {kind.name} job {job['id']} has not moved for {silent:.0f} s (status {job.get('status')}).",
        job=job,
        now=f"it may still be running. Last log line: {log or 'none'}",
        next_step=("it waits for a free GPU or for the job before it: free one, then run this cell again to attach."
                   if resources else "run this cell again to attach once more, or cancel with "
                   f'helpers.{kind.module}.cancel(platform, "{job["id"]}").'),
    )  # fmt: skip
