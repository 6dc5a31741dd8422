"""From records to the result object of an evaluation, and to the ZIP that a client downloads.

A row whose score could not be computed (a failed request, unreadable arguments) is counted in `nan_count` and left out
of `value`, as the published service does; how many rows failed, and why, is in the task's `data`.
"""

import json
import math
import os
import zipfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from local_nemo.evaluation.plan import Task
from local_nemo.evaluation.records import Record
from local_nemo.store.entities import new_id, now

MOST_REASONS = 20


class Sums:
    """Running sums of one score."""

    def __init__(self) -> None:
        self.values: Counter[float] = Counter()  # few distinct ones: a score is 0.0, 1.0 or a ratio
        self.missing = 0

    def add(self, value: float | None) -> None:
        if value is None:
            self.missing += 1
        else:
            self.values[value] += 1

    def score(self) -> dict[str, Any]:
        """`{"value", "stats"}` with population variance; value and stats are None where no row has a score."""
        count = self.values.total()
        stats: dict[str, Any] = {"count": count, "nan_count": self.missing}
        if not count:
            return {"value": None, "stats": stats | {"sum": 0.0, "mean": None}}
        total = math.fsum(value * times for value, times in self.values.items())
        mean = total / count
        variance = math.fsum((value - mean) ** 2 * times for value, times in self.values.items()) / count
        return {
            "value": mean,
            "stats": stats
            | {
                "sum": total,
                "sum_squared": math.fsum(value**2 * times for value, times in self.values.items()),
                "mean": mean,
                "min": min(self.values),
                "max": max(self.values),
                "variance": variance,
                "stddev": math.sqrt(variance),
                "stderr": math.sqrt(variance / count),
            },
        }


def aggregate(tasks: Sequence[Task], records: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The `tasks` of a result object, recounted from the records."""
    sums = {(task.name, key): Sums() for task in tasks for key, _, _ in _scores(task)}
    rows: Counter[str] = Counter()
    reasons: dict[str, Counter[str]] = {task.name: Counter() for task in tasks}
    for record in records:
        rows[record["task"]] += 1
        if record["error"]:
            reasons[record["task"]][record["error"][:200]] += 1
        for (name, key), running in sums.items():
            if name == record["task"]:
                running.add(record["scores"].get(key))
    return {task.name: _task_result(task, sums, rows[task.name], reasons[task.name]) for task in tasks}


def write_zip(path: Path, files: Mapping[str, Path | Any]) -> None:
    """Pack files (paths) and objects (written as JSON) under the given names; the ZIP appears whole or not at all."""
    draft = path.with_suffix(".tmp")
    with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, content in files.items():
            if isinstance(content, Path):
                archive.write(content, name)
            else:
                archive.writestr(name, json.dumps(content, indent=2, ensure_ascii=False))
    os.replace(draft, path)


def _scores(task: Task) -> list[tuple[str, str, str]]:
    """(name in the records, metric, score) of everything that a task scores."""
    return [
        (task.score_key(metric, score), metric.name, score) for metric in task.metrics for score in metric.type.scores
    ]


def _task_result(task: Task, sums: Mapping[tuple[str, str], Sums], rows: int, reasons: Counter[str]) -> dict[str, Any]:
    metrics: dict[str, Any] = {metric.name: {"scores": {}} for metric in task.metrics}
    for key, metric, score in _scores(task):
        metrics[metric]["scores"][score] = sums[task.name, key].score()
    data = {"rows": rows, "failed_rows": reasons.total(), "errors": dict(reasons.most_common(MOST_REASONS))}
    return {"metrics": metrics, "data": data}


def live_result(tasks: Sequence[Task], records: Sequence[Record]) -> dict[str, Any]:
    """What `/v1/evaluation/live` answers: result and log lines of an evaluation that nothing stores."""
    rows = [record.as_json() for record in records]
    failed = bool(rows) and all(row["error"] for row in rows)
    status = "failed" if failed else "completed"
    result = {"id": new_id("evaluation_result"), "job": "live", "namespace": "default", "created_at": now()}
    log = {task.name: [_line(row) for row in rows if row["task"] == task.name] for task in tasks}
    return {
        "status": status,
        "result": result | {"updated_at": result["created_at"], "tasks": aggregate(tasks, rows), "groups": {}},
        "logs": log,
        "status_details": {
            "message": next((row["error"] for row in rows), None) if failed else None,
            "progress": 100.0,
            "samples_processed": len(rows),
            "task_status": {task.name: status for task in tasks},
        },
    }


def _line(row: Mapping[str, Any]) -> str:
    return f"row {row['index']}: {row['error'] or row['scores']}"
