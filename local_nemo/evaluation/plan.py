"""What a job will do, decided and checked before its first row: tasks, templates, metrics, rows, endpoint, limits.

Anything that is not supported here raises `EvaluationRefused` with what is; nothing is silently left out.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from local_nemo.evaluation.errors import EvaluationRefused
from local_nemo.evaluation.metric_types import METRIC_TYPES, MetricType
from local_nemo.evaluation.target import OFFLINE, PATHS, Endpoint
from local_nemo.evaluation.template import BadTemplate, check

TASK_TYPES = (*PATHS, "data")
TARGET_TYPES = ("model", *sorted(OFFLINE))
BOUNDS = {"parallelism": (1, 128), "request_timeout": (1, 3600), "max_retries": (0, 20), "limit_samples": (1, 10**9)}
SAMPLING = ("max_tokens", "temperature", "top_p", "stop")  # of params; a task's template wins over them


@dataclass(frozen=True)
class Metric:
    name: str
    type: MetricType
    template: Any


@dataclass(frozen=True)
class Task:
    """`template` is the request body over the row, None when the rows already hold the answers."""

    name: str
    type: str
    template: dict[str, Any] | None
    metrics: tuple[Metric, ...]

    def score_key(self, metric: Metric, score: str) -> str:
        """The score's name in a record: plain, unless two metrics of the task have a score of that name."""
        shared = sum(score in other.type.scores for other in self.metrics) > 1
        return f"{metric.name}.{score}" if shared else score


@dataclass(frozen=True)
class Params:
    """Limits of the asking, with the defaults for what the config leaves open."""

    parallelism: int = 16
    request_timeout: float = 300.0  # seconds for one answer, waiting in the target's queue included
    max_retries: int = 3
    limit_samples: int | None = None
    requests_per_minute: float | None = None  # params.extra.requests_per_minute


@dataclass(frozen=True)
class Plan:
    tasks: tuple[Task, ...]
    params: Params
    endpoint: Endpoint | None  # None when nobody is asked


def check_config(config: Mapping[str, Any]) -> tuple[Task, ...]:
    """The tasks of a config; raises `EvaluationRefused` that names the place and what is supported."""
    if config.get("type") != "custom":
        raise EvaluationRefused(
            f"config.type {config.get('type')!r} is not supported here: local_nemo evaluates 'custom' configs (tasks of"
            f" type {', '.join(TASK_TYPES)} with the metrics {', '.join(METRIC_TYPES)}); benchmarks need a NeMo cluster"
        )
    if config.get("groups"):
        raise EvaluationRefused("config.groups is not supported here: give the tasks alone and aggregate their results")
    tasks = config.get("tasks")
    if not tasks:
        raise EvaluationRefused("config.tasks is empty: name at least one task")
    read_params(config.get("params") or {})
    return tuple(_task(name, task, config.get("params") or {}) for name, task in tasks.items())


def check_target(target: Mapping[str, Any]) -> None:
    """Refuse a target that nobody here can ask."""
    kind = target.get("type")
    if kind not in TARGET_TYPES:
        raise EvaluationRefused(f"target.type {kind!r} is not supported here; supported: {', '.join(TARGET_TYPES)}")
    if not target.get(kind):
        raise EvaluationRefused(f"a target of type {kind!r} needs its field {kind!r}")


def read_params(params: Mapping[str, Any]) -> Params:
    """The config's `params` with defaults; raises `EvaluationRefused` for what makes no sense."""
    extra = params.get("extra") or {}
    unknown = set(extra) - {"requests_per_minute"}
    if unknown:
        raise EvaluationRefused(f"config.params.extra knows requests_per_minute, not {', '.join(sorted(unknown))}")
    given = {name: params[name] for name in BOUNDS if params.get(name) is not None}
    for name, value in given.items():
        _within(f"config.params.{name}", value, *BOUNDS[name])
    if (rate := extra.get("requests_per_minute")) is not None:
        _within("config.params.extra.requests_per_minute", rate, 0.1, 10**6)
    return Params(**given, requests_per_minute=rate)


def _task(name: str, task: Mapping[str, Any], params: Mapping[str, Any]) -> Task:
    where = f"config.tasks.{name}"
    kind, own = task.get("type"), task.get("params") or {}
    if kind not in TASK_TYPES:
        raise EvaluationRefused(f"{where}.type {kind!r} is not supported here; supported: {', '.join(TASK_TYPES)}")
    template = None if kind == "data" else _request_template(where, kind, own, params)
    metrics = task.get("metrics") or {}
    if not metrics:
        raise EvaluationRefused(f"{where}.metrics is empty: name at least one of {', '.join(METRIC_TYPES)}")
    return Task(name, kind, template, tuple(_metric(where, key, value) for key, value in metrics.items()))


def _request_template(where: str, kind: str, own: Mapping[str, Any], params: Mapping[str, Any]) -> dict[str, Any]:
    template = own.get("template")
    if isinstance(template, str) and kind == "completion":
        template = {"prompt": template}
    content = "prompt" if kind == "completion" else "messages"
    if not isinstance(template, Mapping) or content not in template:
        raise EvaluationRefused(f"{where}.params.template must be the request body, an object with {content!r}")
    _check(template, f"{where}.params.template")
    defaults = {key: params[key] for key in SAMPLING if params.get(key) is not None}
    return {**defaults, **template}


def _metric(where: str, name: str, value: Mapping[str, Any]) -> Metric:
    kind = value.get("type")
    if kind not in METRIC_TYPES:
        raise EvaluationRefused(
            f"{where}.metrics.{name}.type {kind!r} is not supported here; supported: {', '.join(METRIC_TYPES)}"
        )
    template = METRIC_TYPES[kind].template(name, value.get("params") or {})
    _check(template, f"{where}.metrics.{name}.params")
    return Metric(name, METRIC_TYPES[kind], template)


def _check(template: Any, where: str) -> None:
    try:
        check(template, where)
    except BadTemplate as error:
        raise EvaluationRefused(str(error)) from error


def _within(name: str, value: Any, low: float, high: float) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not number or not low <= value <= high:
        raise EvaluationRefused(f"{name} must be a number from {low:g} to {high:g}, not {value!r}")
