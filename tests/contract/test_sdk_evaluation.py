"""The official SDK, unchanged, on the Evaluator: every method of configs, targets, jobs, results and live, judged."""

import io
import json
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nemo_microservices
import pytest
from nemo_microservices import NeMoMicroservices

from tests.contract.sdk_judge import judged
from tests.evaluator_app import FILE, Evaluator, as_target, config, number_of, row
from tests.scripted_model import ScriptedModel, completion

OWNED = {
    "description": "d",
    "project": "tool_calling",
    "custom_fields": {"run": "1"},
    "ownership": {"created_by": "me"},
}


@pytest.fixture
def here(tmp_path: Path) -> Iterator[SimpleNamespace]:
    """A running Evaluator with twelve rows, a model that answers them, and the SDK."""
    with Evaluator(tmp_path) as evaluator, ScriptedModel() as model:
        evaluator.upload(FILE, [row(number) for number in range(12)])
        model.respond = lambda body: completion(calls=[("f", {"i": number_of(body)})])
        with NeMoMicroservices(base_url=evaluator.url) as sdk:
            yield SimpleNamespace(evaluator=evaluator, model=model, sdk=sdk)


def resource(sdk: NeMoMicroservices, name: str) -> Any:
    return getattr(sdk.evaluation, name)


FULL_PARAMS = {"parallelism": 2, "request_timeout": 60, "max_retries": 1, "limit_samples": 9, "max_tokens": 50,
               "temperature": 0.1, "top_p": 0.9, "stop": ["x"], "extra": {"requests_per_minute": 6000}}  # fmt: skip
KINDS = {
    "configs": (config(limit=3, **FULL_PARAMS) | OWNED, {"description": "new", "params": {"parallelism": 3}}),
    "targets": (as_target("http://127.0.0.1:1/v1/chat/completions") | OWNED, {"description": "new"}),
}


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("configs", marks=pytest.mark.endpoint("CRUD /v1/evaluation/configs")),
        pytest.param("targets", marks=pytest.mark.endpoint("CRUD /v1/evaluation/targets")),
    ],
)
def test_configs_and_targets_are_answered_as_declared(here, kind: str) -> None:
    body, changes = KINDS[kind]
    calls, where = resource(here.sdk, kind).with_raw_response, {"namespace": "ns"}
    made = judged(calls.create(**body, name="x", **where))
    assert (made.name, made.namespace, made.custom_fields) == ("x", "ns", {"run": "1"})
    assert judged(calls.retrieve("x", **where)).id == made.id
    path = {"path_namespace": "ns"} if kind == "configs" else where
    assert judged(calls.update("x", **path, **changes)).description == "new"
    assert made.description == "d"
    page = judged(calls.list(filter={"namespace": "ns"}, sort="-created_at", page_size=5))
    assert [one.id for one in page.data] == [made.id]
    assert len(list(resource(here.sdk, kind).list())) == 1
    with pytest.raises(nemo_microservices.ConflictError):
        resource(here.sdk, kind).create(**body, name="x", **where)
    assert judged(calls.delete("x", **where)).id == made.id
    with pytest.raises(nemo_microservices.NotFoundError):
        resource(here.sdk, kind).retrieve("x", **where)


@pytest.mark.endpoint(
    "POST /v1/evaluation/jobs",
    "GET /v1/evaluation/jobs",
    "GET /v1/evaluation/jobs/{id}",
    "GET /v1/evaluation/jobs/{id}/status",
    "GET /v1/evaluation/jobs/{id}/results",
    "GET /v1/evaluation/jobs/{id}/download-results",
    "GET /v1/evaluation/jobs/{id}/logs",
    "DELETE /v1/evaluation/jobs/{id}",
)
def test_a_job_is_answered_as_declared_from_creation_to_deletion(here, tmp_path: Path) -> None:
    calls = here.sdk.evaluation.jobs.with_raw_response
    job = judged(calls.create(config=config(), target=as_target(here.model.url), **OWNED))
    assert job.status == "created"
    judged(calls.retrieve(job.id))
    here.evaluator.finished(job.id)
    done = judged(calls.retrieve(job.id))
    assert (done.status, done.target.model.api_endpoint.api_key) == ("completed", None)
    status = judged(calls.status(job.id))
    assert (status.progress, status.samples_processed, status.task_status) == (100.0, 12, {"tools": "completed"})
    result = judged(calls.results(job.id))
    assert result.tasks["tools"].metrics["accuracy"].scores["function_name_accuracy"].value == 1.0
    assert (result.id, result.job) == (done.result, job.id)
    here.sdk.evaluation.jobs.download_results(job.id).write_to_file(tmp_path / "results.zip")
    with zipfile.ZipFile(tmp_path / "results.zip") as archive:
        assert json.loads(archive.read("results.json"))["id"] == result.id
    logs = calls.download_logs(job.id)
    assert "12 rows" in zipfile.ZipFile(io.BytesIO(logs.read())).read("logs/log.txt").decode()
    page = judged(calls.list(filter={"status": "completed"}, search={"status": "complet"}, sort="created_at"))
    assert [one.id for one in page.data] == [job.id]
    assert list(here.sdk.evaluation.jobs.list(filter={"status": "running"})) == []
    here.sdk.evaluation.jobs.delete(job.id)
    with pytest.raises(nemo_microservices.NotFoundError):
        here.sdk.evaluation.jobs.results(job.id)


@pytest.mark.endpoint("POST /v1/evaluation/jobs/{id}/cancel")
def test_a_running_job_can_be_cancelled(here) -> None:
    gate = threading.Event()
    here.model.respond = lambda body: (gate.wait(60), completion("x"))[1]
    job = here.sdk.evaluation.jobs.create(config=config(), target=as_target(here.model.url))
    here.evaluator.until(job.id, lambda job: job["status"] == "running")
    assert judged(here.sdk.evaluation.jobs.with_raw_response.cancel(job.id)).status == "cancelling"
    here.evaluator.finished(job.id, "cancelled")
    gate.set()


def test_a_row_with_unreadable_arguments_is_counted_as_declared(here) -> None:
    here.model.respond = lambda body: completion(calls=[("f", "{" if number_of(body) else '{"i": 0}')])
    job = here.sdk.evaluation.jobs.create(config=config(), target=as_target(here.model.url))
    here.evaluator.finished(job.id)
    result = judged(here.sdk.evaluation.jobs.with_raw_response.results(job.id))
    stats = result.tasks["tools"].metrics["accuracy"].scores["function_name_and_args_accuracy"].stats
    assert (stats.count, stats.nan_count, stats.mean) == (1, 11, 1.0)


@pytest.mark.endpoint("CRUD /v1/evaluation/results")
def test_results_are_answered_as_declared(here) -> None:
    calls = here.sdk.evaluation.results.with_raw_response
    score = {"value": 0.5, "stats": {"count": 2, "sum": 1.0, "mean": 0.5}}
    tasks = {"t": {"metrics": {"m": {"scores": {"s": score}}}}}
    made = judged(calls.create(job="eval-elsewhere", tasks=tasks, namespace="ns", **OWNED))
    assert judged(calls.retrieve(made.id)).tasks["t"].metrics["m"].scores["s"].value == 0.5
    assert judged(calls.update(made.id, description="new")).description == "new"
    assert [one.id for one in judged(calls.list(filter={"job_id": "eval-elsewhere"})).data] == [made.id]
    assert judged(calls.delete(made.id)).id == made.id


@pytest.mark.endpoint("POST /v1/evaluation/live")
def test_a_live_evaluation_is_answered_as_declared(here) -> None:
    rows = [row(1, response=completion(calls=[("f", {"i": 1})]))]
    calls = here.sdk.evaluation.with_raw_response
    answer = judged(calls.live(config=config(), target={"type": "rows", "rows": rows}))
    assert answer.status == "completed"
    assert answer.result.tasks["tools"].metrics["accuracy"].scores["function_name_accuracy"].value == 1.0
    asked = judged(calls.live(config=config(limit=2), target=as_target(here.model.url)))
    assert asked.status_details.samples_processed == 2


@pytest.mark.partly(
    "POST /v1/evaluation/configs", status=422, missing="type `custom` only; benchmarks and judge metrics are refused"
)
def test_what_is_wrong_raises_the_sdk_s_own_errors(here) -> None:
    jobs = here.sdk.evaluation.jobs
    with pytest.raises(nemo_microservices.UnprocessableEntityError, match="tool-calling"):
        here.sdk.evaluation.configs.create(type="mmlu")
    with pytest.raises(nemo_microservices.NotFoundError, match="smollm2"):
        jobs.create(config=config(), target={"type": "model", "model": "nobody/nothing"})
    with pytest.raises(nemo_microservices.NotFoundError, match="ns/none"):
        jobs.create(config="ns/none", target=as_target(here.model.url))
    done = jobs.create(config=config(limit=1), target=as_target(here.model.url))
    here.evaluator.finished(done.id)
    with pytest.raises(nemo_microservices.ConflictError, match="nothing left to cancel"):
        jobs.cancel(done.id)
