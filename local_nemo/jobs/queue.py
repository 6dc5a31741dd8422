"""The training queue: one training at a time, oldest first, through crashes of worker and server.

The job entities are the queue; there is no second list. A thread takes the oldest unfinished job, starts its worker,
folds the worker's events into the entity, publishes the adapter and only then says `completed`. After a restart of the
server the same thread finds the job still `running` and starts its worker again, which goes on from its checkpoint.
A worker that dies without a word is started again too, as long as it gets further each time.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

from sqlalchemy.exc import OperationalError

from local_nemo.jobs.adapters import Adapters
from local_nemo.jobs.plan import ensure_defaults
from local_nemo.jobs.progress import Progress, read_events
from local_nemo.jobs.tracking import Tracker
from local_nemo.jobs.training import Worker, exit_reason, prepare_folder
from local_nemo.settings import Settings
from local_nemo.store.entities import Entities, Entity, NotFound, now
from local_nemo.store.repos import Files

log = logging.getLogger("local_nemo.jobs")
KIND = "customization_job"
WAITING, ACTIVE = ("created", "pending"), ("created", "pending", "running", "cancelling")
POLL_SECONDS = 0.3
STOP_SECONDS = 6.0
SERVED_SECONDS = 120.0
STORAGE_SECONDS = 5.0  # between two tries to store what cannot be stored now
FRUITLESS_RESTARTS = 2  # of a worker that dies without getting further than its predecessor


class NothingToCancel(ValueError):
    """The job has ended already."""


class Jobs:
    """The training jobs of a server. `submit` and `cancel` take ids of stored jobs."""

    def __init__(self, settings: Settings, entities: Entities, files: Files, adapters: Adapters) -> None:
        self.settings, self.entities, self.files, self.adapters = settings, entities, files, adapters
        self.wandb_keys: dict[str, str] = {}  # by job id; in memory only
        self._wake = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)

    def start(self) -> None:
        """Make the default configuration, then take up what a previous server left unfinished."""
        ensure_defaults(self.settings, self.entities)
        self._thread.start()

    def stop(self) -> None:
        """Interrupt what runs, with a checkpoint; the next server goes on."""
        self._stopping = True
        self._signal()
        self._thread.join(STOP_SECONDS + 2)

    def folder(self, job_id: str) -> Path:
        return self.settings.state / "jobs" / job_id

    def submit(self, job_id: str, wandb_key: str | None = None) -> None:
        """Queue a job that has been stored with the status `created`."""
        if wandb_key:
            self.wandb_keys[job_id] = wandb_key
        self._edit(job_id, lambda job: _logged(job, "EntityHandler_0_Created"))
        self._signal()

    def cancel(self, job_id: str) -> Entity:
        """End a job: at once if it waits, within seconds if it runs. Raises NotFound, NothingToCancel."""

        def change(job: Entity) -> Entity:
            if job["status"] in ("completed", "failed"):
                raise NothingToCancel(f"customization job '{job_id}' has {job['status']} already; nothing was changed")
            if job["status"] in WAITING:
                return _with_status(job, "cancelled", "cancelled", "cancelled before it started")
            return _with_status(job, "cancelling", "cancelling") if job["status"] == "running" else job

        job = self.entities.edit(KIND, job_id, change)
        if job["status"] == "cancelled":
            self._forget(job)
        self._signal()
        return job

    def _run(self) -> None:
        while not self._stopping:
            job = next((job for job in self.entities.all(KIND) if job["status"] in ACTIVE), None)
            if job is None:
                with self._wake:
                    self._wake.wait_for(lambda: self._stopping or self._has_work(), timeout=60)
                continue
            try:
                _Run(self, job["id"]).run()
            except NotFound:
                log.warning("job %s is gone", job["id"])
            except OperationalError as error:  # a full disk, say: not even the failure could be stored
                log.error("job %s waits until its progress can be stored again: %s", job["id"], error.orig)
                self.pause(STORAGE_SECONDS)
            except Exception as error:  # one job's failure must not end the queue
                log.exception("job %s failed", job["id"])
                self._fail_when_possible(job["id"], f"local_nemo could not run this job: {_described(error)}")

    def _fail_when_possible(self, job_id: str, reason: str) -> None:
        """The queue goes on also where a failure cannot be stored: the job is tried again then."""
        try:
            self._fail(job_id, reason)
        except OperationalError as error:
            log.error("the failure of job %s could not be stored: %s", job_id, error.orig)
            self.pause(STORAGE_SECONDS)

    def _has_work(self) -> bool:
        return any(job["status"] in ACTIVE for job in self.entities.all(KIND))

    def _fail(self, job_id: str, reason: str, error: dict | None = None) -> None:
        def change(job: Entity) -> Entity:
            if job["status"] not in ACTIVE:
                return job
            if job["status"] == "cancelling":
                return _with_status(job, "cancelled", "cancelled", reason)
            return _with_status(job, "failed", "failed", reason) | {"error": error}

        self._forget(self._edit(job_id, change))

    def _forget(self, job: Entity) -> None:
        """A job has ended without a model."""
        self.wandb_keys.pop(job["id"], None)
        if job.get("output_model"):
            self.adapters.give_up(job["output_model"])
        shutil.rmtree(self.folder(job["id"]) / "checkpoint", ignore_errors=True)

    def _edit(self, job_id: str, change: Callable[[Entity], Entity]) -> Entity:
        return self.entities.edit(KIND, job_id, change)

    def _signal(self) -> None:
        with self._wake:
            self._wake.notify_all()

    def pause(self, seconds: float) -> None:
        """Wait, but not longer than until something is submitted, cancelled or stopped."""
        with self._wake:
            self._wake.wait(seconds)

    @property
    def stopping(self) -> bool:
        return self._stopping


class _Run:
    """One job from the queue to its end, or to the stop of the server."""

    def __init__(self, jobs: Jobs, job_id: str) -> None:
        self.jobs, self.id, self.folder = jobs, job_id, jobs.folder(job_id)
        self.began = time.monotonic()

    def run(self) -> None:
        job = self.jobs._edit(self.id, _started)
        if job["status"] != "running":
            return self._end_cancelled(job)
        self.elapsed_before = job["status_details"].get("elapsed_time") or 0.0
        self.progress = Progress(job["hyperparameters"]["log_every_n_steps"], job["hyperparameters"]["epochs"])
        self.position = 0
        prepare_folder(self.folder, job, self.jobs.settings, self.jobs.files)
        self.jobs._edit(self.id, lambda job: _logged(_logged(job, "EntityHandler_0_Completed"), "TrainingJobCreated"))
        with Tracker(self.folder, job, self.jobs.wandb_keys.get(self.id)):
            ended = self._train()
        if ended:
            self._publish()

    def _train(self) -> bool:
        """Run workers until the training is done. False if the job ended otherwise or the server stops."""
        fruitless, before = 0, -1
        self._read_events()
        while self.progress.result is None:
            code = self._watch(Worker(self.folder))
            self._read_events()
            if self.jobs.stopping and self.progress.result is None and not self.progress.error:
                return False
            if self._status() != "running":
                self._end_cancelled(self.jobs.entities.find(KIND, self.id))
                return False
            if self.progress.error:
                self.jobs._fail(self.id, self.progress.error["message"], self.progress.error)
                return False
            if self.progress.result is None:
                fruitless = 0 if self.progress.steps > before else fruitless + 1
                before = self.progress.steps
                reason = exit_reason(code, self.folder / "log.txt")
                if fruitless >= FRUITLESS_RESTARTS:
                    self.jobs._fail(self.id, reason)
                    return False
                self._note("TrainingJobRestarted", reason)
        self._note("TrainingJobCompleted")
        return True

    def _watch(self, worker: Worker) -> int:
        """Follow a worker to its end, passing on what it reports; ends it on a cancel or stop."""
        code = None
        try:
            self._note("TrainingJobRunning", f"process {worker.pid}")
            while code is None:
                if self.jobs.stopping:
                    worker.interrupt(STOP_SECONDS)
                elif self._status() == "cancelling":
                    worker.kill()
                self._read_events()
                code = worker.wait(POLL_SECONDS)
        finally:
            worker.end()  # also when its progress could not be stored
        return code

    def _read_events(self) -> None:
        """Fold new events into the entity."""
        events, self.position = read_events(self.folder / "events.jsonl", self.position)
        for event in events:
            self.progress.add(event)
        if events:
            found = self.progress.details() | {"elapsed_time": round(self._elapsed(), 1)}
            self.jobs._edit(self.id, lambda job: _detailed(job, found))

    def _publish(self) -> None:
        """Store and serve the adapter; `completed` comes last."""
        self._note("EntityHandler_1_Created")
        reference = self.jobs.entities.find(KIND, self.id).get("output_model")
        if reference:
            self.jobs.adapters.publish(reference, self.folder / "adapter")
            deadline = time.monotonic() + SERVED_SECONDS
            while not self.jobs.adapters.is_served(reference):
                if self.jobs.stopping:
                    return None
                if time.monotonic() > deadline:
                    raise TimeoutError(f"the engine does not list {reference} after {SERVED_SECONDS:.0f} s")
                self.jobs.pause(POLL_SECONDS)
        found = {"elapsed_time": round(self._elapsed(), 1), "percentage_done": 100.0}

        def change(job: Entity) -> Entity:
            if job["status"] != "running":
                return _with_status(job, "cancelled", "cancelled")
            return _with_status(_detailed(_logged(job, "EntityHandler_1_Completed"), found), "completed", "completed")

        job = self.jobs._edit(self.id, change)
        if job["status"] == "cancelled":
            if reference:
                self.jobs.adapters.withdraw(reference)
            return self._end_cancelled(job)
        self.jobs.wandb_keys.pop(self.id, None)
        for name in ("checkpoint", "data"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        return None

    def _end_cancelled(self, job: Entity) -> None:
        if job["status"] == "cancelling":
            job = self.jobs._edit(self.id, lambda job: _with_status(job, "cancelled", "cancelled"))
        self.jobs._forget(job)

    def _note(self, message: str, detail: str | None = None) -> None:
        self.jobs._edit(self.id, lambda job: _logged(job, message, detail))

    def _status(self) -> str:
        return self.jobs.entities.find(KIND, self.id)["status"]

    def _elapsed(self) -> float:
        return self.elapsed_before + time.monotonic() - self.began


def _described(error: Exception) -> str:
    return f"{error.strerror}: {error.filename}" if isinstance(error, OSError) else f"{type(error).__name__}: {error}"


def _started(job: Entity) -> Entity:
    if job["status"] not in WAITING:
        return job
    return _with_status(_with_status(job, "pending", "EntityHandler_0_Pending"), "running", "running")


def _with_status(job: Entity, status: str, message: str, detail: str | None = None) -> Entity:
    job = _logged(job, message, detail)
    return job | {"status": status, "status_details": job["status_details"] | {"status": status}}


def _logged(job: Entity, message: str, detail: str | None = None) -> Entity:
    stamp = now()
    details = job["status_details"]
    logs = [*details["status_logs"], {"updated_at": stamp, "message": message, "detail": detail}]
    return job | {"status_details": details | {"status_logs": logs, "updated_at": stamp}}


def _detailed(job: Entity, found: dict) -> Entity:
    return job | {"status_details": job["status_details"] | found | {"updated_at": now()}}
