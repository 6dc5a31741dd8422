"""Evaluator: configs, targets, jobs, results, and small evaluations at once (`/v1/evaluation/*`).

Checks and stores; `services.evaluations` does the work. Whatever can't be evaluated here is refused when the config,
target or job is created, with what is supported or there.
"""

import io
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from fastapi.responses import FileResponse, Response

from local_nemo.api.context import Context
from local_nemo.api.entity_routes import (
    Deleted,
    Entity,
    NameInPath,
    deleted,
    entity_router,
    list_query,
    named_fields,
)
from local_nemo.api.errors import ApiError
from local_nemo.api.evaluator_bodies import (
    ConfigPatch,
    NewConfig,
    NewJob,
    NewResult,
    NewTarget,
    ResultPatch,
    TargetPatch,
)
from local_nemo.evaluation.errors import EvaluationMissing, EvaluationRefused
from local_nemo.evaluation.plan import check_config, check_target
from local_nemo.evaluation.results import live_result
from local_nemo.evaluation.target import allowed_url, withhold_key
from local_nemo.store.entities import new_id
from local_nemo.store.query import ListQuery

TAG = "Evaluator"
router = APIRouter(tags=[TAG])


@contextmanager
def refusals() -> Iterator[None]:
    """Turn what the evaluation refuses into 404 or 422."""
    try:
        yield
    except EvaluationMissing as error:
        raise ApiError(404, str(error)) from error
    except EvaluationRefused as error:
        raise ApiError(422, str(error)) from error


def stored_form(data: Entity, prefix: str) -> Entity:
    return data | {"schema_version": "1.0", "type_prefix": prefix, "custom_fields": data.get("custom_fields") or {}}


def prepare_config(data: Entity, _services: Any) -> Entity:
    with refusals():
        check_config(data)
    return stored_form(data, "eval-config")


def prepare_target(data: Entity, services: Any) -> Entity:
    """Checked, and without a key sent in clear: that one stays in memory."""
    with refusals():
        check_target(data)
        if isinstance(data.get("model"), dict):
            allowed_url(data["model"]["api_endpoint"]["url"], services.settings.allowed_hosts)
    target, key = withhold_key(stored_form(data | {"id": new_id("evaluation_target")}, "eval-target"))
    if key:
        services.evaluations.keys[target["id"]] = key
    return target


def prepare_config_patch(changes: Entity, current: Entity, services: Any) -> Entity:
    prepare_config(current | changes, services)
    return changes


def prepare_target_patch(changes: Entity, current: Entity, services: Any) -> Entity:
    if "model" not in changes:
        return changes
    return {name: value for name, value in prepare_target(current | changes, services).items() if name in changes}


router.include_router(
    entity_router(
        "evaluation_config",
        "/v1/evaluation/configs",
        NewConfig,
        ConfigPatch,
        tag=TAG,
        prepare=prepare_config,
        prepare_patch=prepare_config_patch,
    )
)
router.include_router(
    entity_router(
        "evaluation_target",
        "/v1/evaluation/targets",
        NewTarget,
        TargetPatch,
        tag=TAG,
        prepare=prepare_target,
        prepare_patch=prepare_target_patch,
    )
)


@router.post("/v1/evaluation/jobs", summary="Create and queue a job", operation_id="create_evaluation_job")
def create_job(body: NewJob, services: Context) -> Entity:
    config, target, key = read_references(body, services)
    with refusals():
        pinned_config, pinned_target = services.evaluations.prepare(config, target, key)
        if body.output_files_url:
            services.evaluations.check_output(body.output_files_url)
    pinned_config = store_inline("evaluation_config", config, pinned_config, services)
    pinned_target = store_inline("evaluation_target", target, pinned_target, services)
    details = {"message": None, "progress": None, "samples_processed": 0}
    tasks = dict.fromkeys(pinned_config["tasks"], "pending")
    job = body.model_dump(exclude={"config", "target"})
    job |= {"id": new_id("evaluation_job"), "config": pinned_config, "target": pinned_target, "result": None}
    job |= {"status": "created", "status_details": {**details, "task_status": tasks}}
    job["custom_fields"] = job["custom_fields"] or {}
    if key:
        services.evaluations.keys[job["id"]] = key
    stored = services.entities.create("evaluation_job", job, key=job["id"])
    services.evaluations.submit(job["id"])
    return stored


@router.get("/v1/evaluation/jobs", summary="List jobs", operation_id="list_evaluation_jobs")
def list_jobs(services: Context, query: Annotated[ListQuery, Depends(list_query())]) -> Entity:
    return services.entities.page("evaluation_job", query)


@router.get("/v1/evaluation/jobs/{id}", summary="Get a job", operation_id="get_evaluation_job")
def get_job(id: NameInPath, services: Context) -> Entity:
    return services.entities.find("evaluation_job", id)


@router.get("/v1/evaluation/jobs/{id}/status", summary="A job's progress", operation_id="get_evaluation_job_status")
def get_status(id: NameInPath, services: Context) -> Entity:
    return services.entities.find("evaluation_job", id)["status_details"]


@router.get("/v1/evaluation/jobs/{id}/results", summary="A job's scores", operation_id="get_evaluation_job_results")
def get_results(id: NameInPath, services: Context) -> Entity:
    job = services.entities.find("evaluation_job", id)
    if not job["result"]:
        raise ApiError(404, no_results(job))
    return services.entities.find("evaluation_result", job["result"])


@router.get(
    "/v1/evaluation/jobs/{id}/download-results",
    summary="Scores and one raw record a row, as ZIP",
    operation_id="download_evaluation_job_results",
    response_class=FileResponse,
)
def download_results(id: NameInPath, services: Context) -> FileResponse:
    job = services.entities.find("evaluation_job", id)
    archive = services.evaluations.folder(id) / "results.zip"
    if job["status"] not in ("completed", "failed") or not archive.exists():
        raise ApiError(404, no_results(job))
    return FileResponse(archive, media_type="application/zip", filename=f"{id}.zip")


@router.get(
    "/v1/evaluation/jobs/{id}/logs",
    summary="A job's log, as ZIP",
    operation_id="download_evaluation_job_logs",
    response_class=Response,
)
def download_logs(id: NameInPath, services: Context) -> Response:
    services.entities.find("evaluation_job", id)
    log = services.evaluations.folder(id) / "log.txt"
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("logs/log.txt", log.read_bytes() if log.exists() else b"")
    return Response(packed.getvalue(), media_type="application/zip")


@router.post("/v1/evaluation/jobs/{id}/cancel", summary="Cancel a job", operation_id="cancel_evaluation_job")
def cancel_job(id: NameInPath, services: Context) -> Entity:
    job = services.evaluations.cancel(id)
    if job["status"] in ("completed", "failed"):
        raise ApiError(409, f"evaluation job '{id}' has {job['status']} already; there is nothing left to cancel")
    return job


@router.delete(
    "/v1/evaluation/jobs/{id}",
    summary="Delete a job with its results",
    operation_id="delete_evaluation_job",
    status_code=204,
    response_class=Response,
)
def delete_job(id: NameInPath, services: Context) -> None:
    services.evaluations.forget(id)


@router.post("/v1/evaluation/live", summary="Evaluate a few rows at once", operation_id="live_evaluation")
def live(body: NewJob, services: Context) -> Entity:
    config, target, key = read_references(body, services)
    with refusals():
        plan, records = services.evaluations.live(*services.evaluations.prepare(config, target, key), key)
    return live_result(plan.tasks, records)


@router.post("/v1/evaluation/results", summary="Store a result", operation_id="create_evaluation_result")
def create_result(body: NewResult, services: Context) -> Entity:
    data = body.model_dump()
    filled = {field: data[field] or {} for field in ("tasks", "groups", "custom_fields")}
    return services.entities.create("evaluation_result", data | filled)


@router.get("/v1/evaluation/results", summary="List results", operation_id="list_evaluation_results")
def list_results(services: Context, query: Annotated[ListQuery, Depends(list_query({"job_id": "job"}))]) -> Entity:
    return services.entities.page("evaluation_result", query)


@router.get("/v1/evaluation/results/{id}", summary="Get a result", operation_id="get_evaluation_result")
def get_result(id: NameInPath, services: Context) -> Entity:
    return services.entities.find("evaluation_result", id)


@router.patch("/v1/evaluation/results/{id}", summary="Change a result", operation_id="update_evaluation_result")
def update_result(id: NameInPath, body: ResultPatch, services: Context) -> Entity:
    changes = named_fields(body, NewResult)
    return services.entities.edit("evaluation_result", id, lambda result: result | changes)


@router.delete("/v1/evaluation/results/{id}", summary="Delete a result", operation_id="delete_evaluation_result")
def delete_result(id: NameInPath, services: Context) -> Deleted:
    result = services.entities.find("evaluation_result", id)
    return deleted(services.entities.delete("evaluation_result", result["namespace"], result["name"]))


def read_references(body: NewJob, services: Any) -> tuple[Entity, Entity, str | None]:
    """Config and target as stored or sent, the target without a key in clear, and that key."""
    found = []
    for kind, given in (("evaluation_config", body.config), ("evaluation_target", body.target)):
        if isinstance(given, str):
            namespace, _, name = given.rpartition("/")
            found.append(services.entities.get(kind, namespace or "default", name))
        else:
            found.append(given.model_dump() | {"namespace": given.namespace or body.namespace})
    target, key = withhold_key(found[1])
    return found[0], target, key or services.evaluations.keys.get(target.get("id", ""))


def store_inline(kind: str, sent: Entity, pinned: Entity, services: Any) -> Entity:
    """The object that a job carries: an inline one is stored first, under its name or a generated one."""
    if "id" in sent:
        return pinned
    stored = services.entities.create(kind, stored_form(sent, "eval-" + kind.removeprefix("evaluation_")))
    return stored | {field: value for field, value in pinned.items() if value != sent[field]}


def no_results(job: Entity) -> str:
    details = job["status_details"]
    text = f"evaluation job '{job['id']}' is {job['status']} and has no results"
    if job["status"] in ("failed", "cancelled"):
        return f"{text}: {details['message']}"
    return f"{text} yet ({details['samples_processed']} rows done); ask again when its status is 'completed'"
