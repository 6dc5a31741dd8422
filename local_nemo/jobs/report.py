"""A training's container logs: what its worker printed, the events of its life, and its error."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from local_nemo.store.entities import Entity

LOG_BYTES = 1 << 20  # the end of a longer log


def container_logs(job: Entity, folder: Path) -> Entity:
    """The answer to `container-logs`, for a job in any state."""
    events = [
        {
            "type": "Warning" if entry["message"] in ("failed", "TrainingJobRestarted") else "Normal",
            "reason": entry["message"],
            "message": entry.get("detail") or entry["message"],
            "count": "1",
            "first_seen": _seconds(entry["updated_at"]),
            "last_seen": _seconds(entry["updated_at"]),
        }
        for entry in job["status_details"]["status_logs"]
    ]
    entry = {"object": "Process", "status": {"phase": job["status"]}, "events": events}
    entry["logs"] = {"main": _tail(folder / "log.txt"), "events": _tail(folder / "events.jsonl")}
    answer: Entity = {"entries": {f"training-{job['id']}": entry}, "error": None}
    if job["status"] == "failed":
        answer["error"] = _error(job)
    return answer


def _error(job: Entity) -> Entity:
    last = job["status_details"]["status_logs"][-1]
    error = job.get("error") or {}
    known = {key: error.get(key) for key in ("exception_type", "file", "line", "stack_trace")}
    message = error.get("message") or last.get("detail")
    explanation = "The training ended with this error; its model was not made."
    return {"message": message, "explanation": explanation, "timestamp": last["updated_at"], **known}


def _tail(path: Path) -> str:
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - LOG_BYTES))
        return file.read().decode(errors="replace")


def _seconds(stamp: str) -> int:
    return int(datetime.fromisoformat(stamp).replace(tzinfo=UTC).timestamp())
