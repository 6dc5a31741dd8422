"""Evaluation jobs: checked, queued, run, resumed after a restart, cancelled.

The job entities are the queue. Jobs that ask this server's own models run one after the other, because they share one
engine; jobs that ask other servers have a lane of their own. A finished row is never asked again: its record is in the
job's folder before its progress is reported. A job fails only if nothing could be evaluated; failed rows are counted.
"""

import asyncio
import logging
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import OperationalError

from local_nemo.evaluation.errors import EvaluationRefused
from local_nemo.evaluation.evaluate import evaluate_plan
from local_nemo.evaluation.job import JobRun, job_rows, note
from local_nemo.evaluation.plan import Params, Plan, Task, check_config, check_target, read_params
from local_nemo.evaluation.records import Record
from local_nemo.evaluation.rows import pin_dataset, read_rows
from local_nemo.evaluation.target import Endpoint, endpoint
from local_nemo.settings import Settings
from local_nemo.store.entities import Entities, Entity, NotFound
from local_nemo.store.repos import Files

if TYPE_CHECKING:  # importing it would load the model's packages
    from local_nemo.lm.engine import Engine

log = logging.getLogger("local_nemo.evaluation")
KIND = "evaluation_job"
QUEUED, ACTIVE = ("created", "pending"), ("created", "pending", "running", "cancelling")
EXTERNAL_JOBS_AT_ONCE = 4
MOST_LIVE_ROWS, LIVE_WITHIN_S = 100, 120.0
STORAGE_S = 5.0  # between two tries to store what cannot be stored now
END_WITHIN_S = 5.0  # an interrupted job has ended within this time


class Evaluations:
    """The evaluation jobs of a server: `prepare` checks a request, `submit` and `cancel` take ids of stored jobs."""

    def __init__(self, settings: Settings, entities: Entities, files: Files, engine: "Engine") -> None:
        self.settings, self.entities, self.files, self.engine = settings, entities, files, engine
        self.keys: dict[str, str] = {}  # API keys sent in clear, by id of job or target; never written
        self._own = ThreadPoolExecutor(1, "evaluation")
        self._external = ThreadPoolExecutor(EXTERNAL_JOBS_AT_ONCE, "evaluation-external")
        self._running: dict[str, tuple[asyncio.AbstractEventLoop, asyncio.Task[Any]]] = {}
        self._changed = threading.Condition()
        self._stopping = False

    def start(self) -> None:
        """Take up the jobs that a previous server left unfinished."""
        for job in self.entities.all(KIND):
            if job["status"] in ACTIVE:
                self.submit(job["id"])

    def stop(self) -> None:
        """Interrupt what runs; `start` of the next server resumes it."""
        self._stopping = True
        with self._changed:
            self._changed.notify_all()
            for loop, task in self._running.values():
                loop.call_soon_threadsafe(task.cancel)
        for lane in (self._own, self._external):
            lane.shutdown(wait=True, cancel_futures=True)

    def prepare(self, config: Entity, target: Entity, key: str | None = None) -> tuple[Entity, Entity]:
        """Config and target as a job keeps them: checked, datasets fixed to a commit, every row read once.

        Raises `EvaluationRefused` or `EvaluationMissing`, which say what is supported or there.
        """
        tasks = check_config(config)
        check_target(target)
        params = read_params(config.get("params") or {})
        if target["type"] == "model":
            self._endpoint(target, key)
            pinned = {task.name: self._pin(config["tasks"][task.name], f"tasks.{task.name}", params) for task in tasks}
            return {**config, "tasks": {**config["tasks"], **pinned}}, target
        if target["type"] == "rows":
            return config, target
        dataset = self._pin({"dataset": target[target["type"]]}, f"target.{target['type']}", params)["dataset"]
        return config, {**target, target["type"]: dataset}

    def submit(self, job_id: str) -> None:
        """Queue a stored job."""

        def queue(job: Entity) -> Entity:
            return {**job, "status": "pending"} if job["status"] == "created" else job

        job = self.entities.edit(KIND, job_id, queue)
        lane = self._own if isinstance(self._model(job["target"]), str) else self._external
        lane.submit(self._run, job_id)

    def cancel(self, job_id: str) -> Entity:
        """Ask a job to end; returns it. In the queue it ends at once; a finished one stays as it is."""

        def change(job: Entity) -> Entity:
            if job["status"] in QUEUED:
                return _with(job, "cancelled", "cancelled before it started")
            return {**job, "status": "cancelling"} if job["status"] == "running" else job

        job = self.entities.edit(KIND, job_id, change)
        with self._changed:
            if job_id in self._running:
                loop, task = self._running[job_id]
                loop.call_soon_threadsafe(task.cancel)
        return job

    def forget(self, job_id: str) -> None:
        """Cancel a job if need be, and remove it with its results and records. Raises `NotFound`."""
        job = self.cancel(job_id)
        with self._changed:
            self._changed.wait_for(lambda: job_id not in self._running, END_WITHIN_S)
        for result in self.entities.all("evaluation_result", job=job_id):
            self.entities.delete("evaluation_result", result["namespace"], result["name"])
        self.entities.delete(KIND, job["namespace"], job["id"])
        self.keys.pop(job_id, None)
        shutil.rmtree(self.folder(job_id), ignore_errors=True)

    def folder(self, job_id: str) -> Path:
        """Where a job's records, log and ZIP are."""
        return self.settings.state / "jobs" / job_id

    def live(self, config: Entity, target: Entity, key: str | None) -> tuple[Plan, list[Record]]:
        """Evaluate a prepared config at once, in the calling thread; nothing is stored."""
        plan = self._plan(config, target, key)
        records: list[Record] = []
        rows = {task.name: enumerate(job_rows(config, target, task, self.files, plan)) for task in plan.tasks}
        count = sum(1 for task in plan.tasks for _ in job_rows(config, target, task, self.files, plan))
        if count > MOST_LIVE_ROWS:
            raise EvaluationRefused(f"{count} rows are too many to wait for (at most {MOST_LIVE_ROWS}): create a job")
        work = evaluate_plan(plan, lambda task: rows[task.name], on_task=_unheard, on_record=records.append)
        try:
            asyncio.run(asyncio.wait_for(work, LIVE_WITHIN_S))
        except TimeoutError as error:
            done = f"{len(records)} of {count} rows were done in {LIVE_WITHIN_S:g} s"
            raise EvaluationRefused(f"{done}: create a job") from error
        return plan, records

    def check_output(self, url: str) -> None:
        """Raise `EvaluationRefused` unless results can be written to this Data Store URL."""
        try:
            repo_type, repo, _, _ = self.files.resolve(url)
            self.files.info(repo_type, repo)
        except (ValueError, NotFound) as error:
            raise EvaluationRefused(f"output_files_url {url!r} can't be written: {error}") from error

    def _run(self, job_id: str) -> None:
        """One job, in a thread of its lane. Ends with the job's entity in a final state, unless the server stops."""
        while not self._stopping:
            try:
                return self._run_once(job_id)
            except OperationalError as error:  # a full disk, say: not even a failure could be stored
                log.error("evaluation job %s waits until it can be stored again: %s", job_id, error.orig)
                with self._changed:
                    self._changed.wait_for(lambda: self._stopping, STORAGE_S)

    def _run_once(self, job_id: str) -> None:
        try:
            if self._stopping or (job := self.entities.edit(KIND, job_id, _begun))["status"] != "running":
                return
            self.folder(job_id).mkdir(parents=True, exist_ok=True)
            try:
                result = asyncio.run(self._interruptible(job))
                self._end(job_id, "completed", None, result)
            except asyncio.CancelledError:
                if not self._stopping:
                    self._end(job_id, "cancelled", "cancelled on request")
            except EvaluationRefused as error:
                self._end(job_id, "failed", str(error))
            except OSError as error:
                self._end(job_id, "failed", f"the job's files could not be written: {error.strerror}")
        except NotFound as error:
            log.info("evaluation job %s: %s", job_id, error)  # deleted meanwhile
        except OperationalError:
            raise
        except Exception:
            log.exception("evaluation job %s", job_id)
            self._end(job_id, "failed", "unexpected error; server.log in the state folder has the details")
        finally:
            with self._changed:
                self._running.pop(job_id, None)
                self._changed.notify_all()

    async def _interruptible(self, job: Entity) -> str:
        task = asyncio.current_task()
        assert task, "a coroutine runs in a task"
        with self._changed:
            self._running[job["id"]] = (asyncio.get_running_loop(), task)
        if self._stopping or self.entities.find(KIND, job["id"])["status"] != "running":  # before the line above
            raise asyncio.CancelledError
        plan = self._plan(job["config"], job["target"], self.keys.get(job["id"]))
        return await JobRun(job, self.folder(job["id"]), self.entities, self.files).run(plan, self.settings.nim_url)

    def _end(self, job_id: str, status: str, message: str | None, result: str | None = None) -> None:
        def change(job: Entity) -> Entity:
            final = "cancelled" if job["status"] == "cancelling" else status
            return {**_with(job, final, message), "result": result}

        job = self.entities.edit(KIND, job_id, change)
        note(self.folder(job_id), f"{job['status']}: {message or 'all rows done'}")
        self.keys.pop(job_id, None)

    def _plan(self, config: Entity, target: Entity, key: str | None) -> Plan:
        address = self._endpoint(target, key) if target["type"] == "model" else None
        return Plan(check_config(config), read_params(config.get("params") or {}), address)

    def _endpoint(self, target: Entity, key: str | None) -> Endpoint:
        return endpoint(self._model(target) or "", self.settings, self._served(), key)

    def _served(self) -> list[str]:
        return [model.id for model in self.engine.models()]

    def _model(self, target: Entity) -> str | Entity | None:
        """The target's model; a name that the Entity Store knows with an `api_endpoint` stands for that endpoint."""
        model = target.get("model")
        if isinstance(model, str) and model not in self._served():
            namespace, _, name = model.partition("/")
            try:
                entity = self.entities.get("model", namespace, name)
            except NotFound:
                return model
            return entity if entity.get("api_endpoint") else model
        return model

    def _pin(self, holder: Entity, where: str, params: Params) -> Entity:
        """The object with its `dataset` fixed and read once, so that a bad line is named before anything starts."""
        if not holder.get("dataset"):
            raise EvaluationRefused(f"{where} needs a dataset: 'namespace/name', or an object with files_url")
        dataset = pin_dataset(holder["dataset"], self.entities, self.files)
        limits = [limit for limit in (dataset.get("limit"), params.limit_samples) if limit is not None]
        if not sum(1 for _ in read_rows(dataset, self.files, min(limits, default=None))):
            raise EvaluationRefused(f"{where}: {dataset['files_url']} holds no rows")
        return {**holder, "dataset": dataset}


def _unheard(_task: Task, _status: str) -> None:
    """Nobody watches the tasks of a live evaluation."""


def _begun(job: Entity) -> Entity:
    if job["status"] in ("created", "pending", "running"):
        return {**job, "status": "running"}
    return _with(job, "cancelled", "cancelled on request") if job["status"] == "cancelling" else job


def _with(job: Entity, status: str, message: str | None) -> Entity:
    details = job["status_details"]
    tasks = details["task_status"]
    if status != "completed":
        tasks = {name: "failed" if word == "running" else word for name, word in tasks.items()}
    done = {"progress": 100.0} if status == "completed" else {}
    return {**job, "status": status, "status_details": {**details, **done, "message": message, "task_status": tasks}}
