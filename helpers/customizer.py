"""Customizer: LoRA training jobs.

    job = customizer.ensure_job(platform, request, dataset_commit=upload.commit)
    job = customizer.wait(platform, job["id"])

`ensure_job` starts nothing twice: a job with the same configuration, hyperparameters, output name and dataset commit
that is completed or under way is returned instead, and it says so. The commit travels in the job's `custom_fields`,
because the API itself names a dataset without its version.
"""

import hashlib
import json
from datetime import datetime
from typing import Any

from . import errors, jobs
from .platform import Platform

JOBS = "/v1/customization/jobs"
RECIPE = "recipe"  # the key of custom_fields that says what a job was made of


def configs(platform: Platform) -> list[dict]:
    """The customization configurations: which models can be trained, and how."""
    return list(platform.nemo.pages("/v1/customization/configs"))


def require_config(platform: Platform, reference: str) -> dict:
    """The configuration `namespace/name@version`. Raises NotFound naming those that exist."""
    try:
        return platform.nemo.get(f"/v1/customization/configs/{reference}")
    except errors.NotFound as error:
        known = ", ".join(f"{config.get('namespace')}/{config.get('name')}" for config in configs(platform))
        raise errors.NotFound(
            f"Customizer has no configuration {reference}.",
            now=f"it has {known or 'none'}.",
            next_step="set BASE_MODEL and BASE_MODEL_VERSION in config.py to one of these, or choose another PROFILE.",
            call=error.call,
            status=404,
        ) from error


def ensure_job(platform: Platform, request: dict, *, dataset_commit: str, wandb_api_key: str = "") -> dict:
    """The job for this request on this dataset commit: an existing one if there is one, else a new one.

    `request` is the body of POST /v1/customization/jobs. The W&B key travels in a header of this one call.
    """
    existing = find_job(platform, request, dataset_commit=dataset_commit)
    if existing is not None:
        done = existing["status"] == "completed"
        print(
            f"Reusing job {existing['id']} ({existing['status']}): same dataset commit {dataset_commit[:8]}, "
            f"same hyperparameters. {'Nothing is trained again.' if done else 'It is under way.'}"
        )
        return existing
    return create_job(platform, request, dataset_commit=dataset_commit, wandb_api_key=wandb_api_key)


def create_job(platform: Platform, request: dict, *, dataset_commit: str = "", wandb_api_key: str = "") -> dict:
    """Start a training. Sent once and never repeated by itself: a repeated POST would train twice."""
    fields = dict(request.get("custom_fields") or {})
    if dataset_commit:
        fields |= {"dataset_commit": dataset_commit, RECIPE: recipe(request, dataset_commit)}
    body = request | ({"custom_fields": fields} if fields else {})
    headers = {"wandb-api-key": wandb_api_key} if wandb_api_key else None
    return platform.nemo.post(JOBS, json=body, headers=headers)


def find_job(platform: Platform, request: dict, *, dataset_commit: str) -> dict | None:
    """The job made of the same recipe: the newest completed one, else one that is under way, else None."""
    wanted = recipe(request, dataset_commit)
    same = [job for job in list_jobs(platform) if (job.get("custom_fields") or {}).get(RECIPE) == wanted]
    completed = [job for job in same if job.get("status") == "completed" and _is_there(platform, job)]
    active = [job for job in same if job.get("status") in {"created", "pending", "running"}]
    return next(iter(completed or active), None)


def find_completed(platform: Platform, request: dict, *, dataset_commit: str) -> dict | None:
    """The newest completed job of the same recipe whose model still exists, or None."""
    job = find_job(platform, request, dataset_commit=dataset_commit)
    return job if job is not None and job["status"] == "completed" else None


def list_jobs(platform: Platform) -> list[dict]:
    """All training jobs, newest first."""
    return list(platform.nemo.pages(JOBS, params={"sort": "-created_at"}))


def get(platform: Platform, job_id: str) -> dict:
    """The job as it is now."""
    return platform.nemo.get(f"{JOBS}/{job_id}")


def wait(platform: Platform, job_id: str, **options: Any) -> dict:
    """The job once it is completed; `options` are those of jobs.wait_for_job."""
    return jobs.wait_for_job(platform.nemo, jobs.CUSTOMIZATION, job_id, **options)


def cancel(platform: Platform, job_id: str) -> dict:
    """Ask for the end of a training. What it had learned is not kept."""
    return platform.nemo.post(f"{JOBS}/{job_id}/cancel", repeatable=True)


def logs(platform: Platform, job_id: str) -> str:
    """The text of the job's container logs, and its error if it failed."""
    reply = platform.nemo.get(f"{JOBS}/{job_id}/container-logs")
    lines = []
    for name, entry in (reply.get("entries") or {}).items():
        for container, text in (entry.get("logs") or {}).items():
            lines.append(f"--- {name}/{container}\n{text}")
    if error := reply.get("error"):
        lines.append(f"--- error\n{error.get('exception_type', '')}: {error.get('message', '')}".strip())
    return "\n".join(lines)


def losses(job: dict) -> dict[str, list[dict]]:
    """`{"train_loss": [{step, value, timestamp}], "val_loss": [...]}` of a job; empty lists before the first."""
    series = ((job.get("status_details") or {}).get("metrics") or {}).get("metrics") or {}
    return {name: list(series.get(name) or []) for name in ("train_loss", "val_loss")}


def figures(job: dict) -> dict:
    """The training's numbers for metrics.json; what the service does not tell is left out."""
    details = job.get("status_details") or {}
    known = {
        "wall_s": details.get("elapsed_time") or _seconds(details.get("created_at"), details.get("updated_at")),
        "steps": details.get("steps_completed"),
        "tokens": details.get("tokens"),
        "tokens_per_s": details.get("tokens_per_second"),
        "peak_rss_mb": details.get("peak_rss_mb"),
        **{name: [point["value"] for point in points] for name, points in losses(job).items()},
    }
    return {name: value for name, value in known.items() if value is not None}


def _seconds(start: str | None, end: str | None) -> float | None:
    """Seconds between two ISO times of the API (UTC, with or without a zone)."""
    if not start or not end:
        return None
    return (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()


def recipe(request: dict, dataset_commit: str) -> str:
    """A short text that is equal for two requests exactly if they would train the same thing."""
    parts = {name: request.get(name) for name in ("config", "dataset", "hyperparameters", "output_model")}
    text = json.dumps([parts, dataset_commit], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _is_there(platform: Platform, job: dict) -> bool:
    """Whether the model a completed job wrote has not been deleted since."""
    try:
        platform.nemo.get(f"/v1/models/{job['output_model']}")
        return True
    except (errors.NotFound, KeyError):
        return False
