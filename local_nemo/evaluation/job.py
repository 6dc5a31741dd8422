"""One evaluation job, from its stored entity to its result: resumes where its records end, reports progress.

Lives in a thread of `runner`'s lanes and runs an event loop of its own; `interrupt` ends it from any other thread.
"""

import asyncio
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from local_nemo.evaluation.errors import EvaluationRefused
from local_nemo.evaluation.evaluate import evaluate_plan
from local_nemo.evaluation.plan import Plan, Task
from local_nemo.evaluation.records import Record, RecordFile
from local_nemo.evaluation.results import aggregate, write_zip
from local_nemo.evaluation.rows import Row, read_rows
from local_nemo.evaluation.target import OFFLINE
from local_nemo.store.entities import Entities, Entity
from local_nemo.store.files import Blob
from local_nemo.store.repos import Files

REPORT_EVERY_S = 0.5  # each report is a synced database write
READY_WITHIN_S = 900.0  # a first start converts the base model


class JobRun:
    """`run` evaluates what has no record yet and returns the id of the result. Raises `EvaluationRefused`."""

    def __init__(self, job: Entity, folder: Path, entities: Entities, files: Files) -> None:
        self.job, self.folder, self.entities, self.files = job, folder, entities, files
        self.records = RecordFile(folder / "records.jsonl")
        self.done = self.records.done()
        self.total = 0
        self._reported = 0.0

    async def run(self, plan: Plan, nim_url: str) -> str:
        counts = {task.name: sum(1 for _ in self._rows(plan, task)) for task in plan.tasks}
        self.total = sum(counts.values())
        note(self.folder, f"{len(self.done)} of {self.total} rows have a record; target {self.job['target']['name']}")
        if plan.endpoint and plan.endpoint.local:
            self._report(message="waiting until the base model is loaded")
            await until_ready(nim_url)
        await evaluate_plan(plan, lambda task: self._rest(plan, task), on_task=self._on_task, on_record=self._on_record)
        self.records.sync()
        return self._finish(plan)

    def _rows(self, plan: Plan, task: Task) -> Iterator[Row]:
        return job_rows(self.job["config"], self.job["target"], task, self.files, plan)

    def _rest(self, plan: Plan, task: Task) -> Iterator[tuple[int, Row]]:
        return ((index, row) for index, row in enumerate(self._rows(plan, task)) if (task.name, index) not in self.done)

    def _on_task(self, task: Task, status: str) -> None:
        note(self.folder, f"task {task.name}: {status}")
        self._report(task_status={task.name: status}, message=None)

    def _on_record(self, record: Record) -> None:
        self.records.append(record)
        self.done.add((record.task, record.index))
        if record.error:
            note(self.folder, f"task {record.task}, row {record.index}: {record.error[:500]}")
        if time.monotonic() - self._reported > REPORT_EVERY_S:
            self._report()

    def _report(self, task_status: dict[str, str] | None = None, **details: Any) -> None:
        """Write progress into the job entity."""
        counted = {"samples_processed": len(self.done), "progress": 100 * len(self.done) / max(1, self.total)}

        def change(job: Entity) -> Entity:
            old = job["status_details"]
            tasks = {**old["task_status"], **(task_status or {})}
            return {**job, "status_details": {**old, **counted, **details, "task_status": tasks}}

        self.entities.edit("evaluation_job", self.job["id"], change)
        self._reported = time.monotonic()

    def _finish(self, plan: Plan) -> str:
        """Store result and ZIP; returns the result's id. Raises `EvaluationRefused` when no row has any score."""
        tasks = aggregate(plan.tasks, self.records)
        failed = sum(task["data"]["failed_rows"] for task in tasks.values())
        if self.total and failed == self.total and not any(_has_scores(task) for task in tasks.values()):
            reason = next(reason for task in tasks.values() for reason in task["data"]["errors"])
            self._pack({"tasks": tasks})
            raise EvaluationRefused(f"none of the {self.total} rows could be evaluated; most frequent reason: {reason}")
        existing = self.entities.all("evaluation_result", job=self.job["id"])  # a server was killed after storing it
        shared = {key: self.job.get(key) for key in ("namespace", "project", "ownership")}
        files_url = self.job.get("output_files_url")
        data = {"job": self.job["id"], **shared, "tasks": tasks, "groups": {}, "custom_fields": {}}
        data |= {"files_url": files_url}
        result = existing[0] if existing else self.entities.create("evaluation_result", data)
        self._pack(result)
        if files_url:
            publish(self.files, files_url, result, self.records.path)
        note(self.folder, f"{self.total} rows have a record, {failed} of them failed")
        return result["id"]

    def _pack(self, result: Entity) -> None:
        files = {"results.json": result, "config.json": self.job["config"], "target.json": self.job["target"]}
        files |= {"results/records.jsonl": self.records.path, "logs/log.txt": self.folder / "log.txt"}
        write_zip(self.folder / "results.zip", files)


def job_rows(config: Entity, target: Entity, task: Task, files: Files, plan: Plan) -> Iterator[Row]:
    """The rows that a task evaluates, in order."""
    limit = plan.params.limit_samples
    if target["type"] == "rows":
        return iter(target["rows"][:limit])
    dataset = target[target["type"]] if target["type"] in OFFLINE else config["tasks"][task.name]["dataset"]
    limits = [one for one in (limit, dataset.get("limit")) if one is not None]
    return read_rows(dataset, files, min(limits, default=None))


def publish(files: Files, url: str, result: Entity, records: Path) -> None:
    """Commit result and records under a Data Store URL. Raises `EvaluationRefused` if that is not possible."""
    try:
        repo_type, repo, path, _ = files.resolve(url)
        prefix = f"{path.rstrip('/')}/" if path else ""
        scores = json.dumps(result, indent=2).encode()
        add: dict[str, bytes | Path | Blob] = {
            f"{prefix}results.json": scores,
            f"{prefix}results/records.jsonl": records,
        }
        files.commit(repo_type, repo, add=add, message=f"Results of {result['job']}")
    except (LookupError, ValueError) as error:
        raise EvaluationRefused(f"the results can't be written to output_files_url {url!r}: {error}") from error


async def until_ready(nim_url: str, seconds: float = READY_WITHIN_S) -> None:
    """Wait until this server's NIM answers that it is ready. Raises `EvaluationRefused` after `seconds`."""
    said = "nothing"
    async with httpx.AsyncClient(trust_env=False, timeout=10) as client:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                reply = await client.get(f"{nim_url}/v1/health/ready")
                if reply.status_code == 200:
                    return
                said = f"HTTP {reply.status_code}: {reply.text[:300]}"
                if reply.status_code not in (429, 503):
                    break
            except httpx.TransportError as error:
                said = str(error) or type(error).__name__
            await asyncio.sleep(0.5)
    raise EvaluationRefused(f"the models of {nim_url} were not ready within {seconds:g} s; it last said {said}")


def note(folder: Path, text: str) -> None:
    """Add a line to the job's log."""
    with (folder / "log.txt").open("a", encoding="utf-8", errors="backslashreplace") as file:
        file.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {' '.join(text.split())}\n")


def _has_scores(task: dict[str, Any]) -> bool:
    return any(score["stats"]["count"] for metric in task["metrics"].values() for score in metric["scores"].values())
