"""Evaluator: score a model on rows, and open the result file.

    job = evaluator.run(platform, config=config_body, target=target_body, dataset_commit=commit)
    scores = evaluator.scores(evaluator.results(platform, job["id"]))
    records = evaluator.download_records(platform, job["id"], folder)

`run` reuses a completed evaluation of the same configuration, target and dataset commit, and says so. What the records
say about the model is `records`' business, not this file's.
"""

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

from . import errors, jobs
from .platform import Platform

JOBS = "/v1/evaluation/jobs"
RECIPE = "recipe"


def run(
    platform: Platform, *, config: dict, target: dict, dataset_commit: str = "", rows: int = 0, **options: Any
) -> dict:
    """The completed evaluation job. `rows` is their number where known; `options` are those of jobs.wait_for_job."""
    job = ensure_job(platform, config=config, target=target, dataset_commit=dataset_commit)
    return wait(platform, job["id"], total=rows, **options)


def ensure_job(platform: Platform, *, config: dict, target: dict, dataset_commit: str = "") -> dict:
    """The job that asks this: an existing one (completed or under way) of the same commit if known, else a new one."""
    if dataset_commit and (existing := find_job(platform, recipe(config, target, dataset_commit))) is not None:
        print(
            f"Reusing evaluation {existing['id']} ({existing['status']}): same model, configuration and dataset "
            f"commit {dataset_commit[:8]}."
        )
        return existing
    return create_job(platform, config=config, target=target, dataset_commit=dataset_commit)


def create_job(platform: Platform, *, config: dict, target: dict, dataset_commit: str = "") -> dict:
    """Start an evaluation; sent once and never repeated by itself."""
    body: dict[str, Any] = {"config": config, "target": target}
    if dataset_commit:
        fields = {"dataset_commit": dataset_commit, RECIPE: recipe(config, target, dataset_commit)}
        body["custom_fields"] = fields
    return platform.nemo.post(JOBS, json=body)


def find_job(platform: Platform, wanted: str) -> dict | None:
    """The newest job with this recipe that is completed, else one under way, else None."""
    everything = platform.nemo.pages(JOBS, params={"sort": "-created_at"})
    same = [job for job in everything if (job.get("custom_fields") or {}).get(RECIPE) == wanted]
    completed = [job for job in same if job.get("status") == "completed"]
    active = [job for job in same if job.get("status") in {"created", "pending", "running"}]
    return next(iter(completed or active), None)


def recipe(config: dict, target: dict, dataset_commit: str) -> str:
    """A short text that is equal for two evaluations exactly if they ask the same."""
    text = json.dumps([config, target, dataset_commit], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def wait(platform: Platform, job_id: str, **options: Any) -> dict:
    """The job once it is completed."""
    return jobs.wait_for_job(platform.nemo, jobs.EVALUATION, job_id, **options)


def cancel(platform: Platform, job_id: str) -> Any:
    """Ask for the end of an evaluation."""
    return platform.nemo.post(f"{JOBS}/{job_id}/cancel", repeatable=True)


def results(platform: Platform, job_id: str) -> dict:
    """The result object of a completed evaluation."""
    return platform.nemo.get(f"{JOBS}/{job_id}/results")


def scores(result: dict) -> dict[str, dict]:
    """Score name -> {"value": mean, "count": rows} over all tasks of a result."""
    found = {}
    for task in (result.get("tasks") or {}).values():
        for metric in (task.get("metrics") or {}).values():
            for name, score in (metric.get("scores") or {}).items():
                found[name] = {"value": score["value"], "count": (score.get("stats") or {}).get("count")}
    return found


def download(platform: Platform, job_id: str, folder: str | Path) -> Path:
    """The result ZIP as `<folder>/<job id>.zip`. Raises UnexpectedReply if what came is no ZIP."""
    path = platform.nemo.download(
        f"{JOBS}/{job_id}/download-results", Path(folder) / f"{job_id}.zip", accept="application/zip"
    )
    if not zipfile.is_zipfile(path):
        start = path.read_bytes()[:60]
        path.unlink()
        raise errors.UnexpectedReply(
            f"The results of evaluation {job_id} are not a ZIP file.",
            now=f"the answer starts {start!r}.",
            next_step="check NEMO_URL in config.py; then download again.",
        )
    return path


def records(archive: str | Path) -> list[dict]:
    """The per-row records of a result ZIP: the JSON lines files under `results/`, in order."""
    with zipfile.ZipFile(archive) as file:
        names = sorted(name for name in file.namelist() if name.endswith(".jsonl") and "results/" in name)
        lines = [line for name in names for line in file.read(name).decode("utf-8").splitlines() if line.strip()]
    if not lines:
        raise errors.DatasetError(
            f"{Path(archive).name} holds no per-row records.",
            next_step="open it with `unzip -l`; records are expected as results/*.jsonl.",
        )
    return [json.loads(line) for line in lines]


def download_records(platform: Platform, job_id: str, folder: str | Path) -> list[dict]:
    """Download the result ZIP and return its per-row records."""
    return records(download(platform, job_id, folder))


def logs(platform: Platform, job_id: str) -> str:
    """The text of the job's log files."""
    content = platform.nemo.content(f"{JOBS}/{job_id}/logs", accept="application/zip")
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        return "\n".join(f"--- {name}\n{file.read(name).decode('utf-8', 'replace')}" for name in file.namelist())
