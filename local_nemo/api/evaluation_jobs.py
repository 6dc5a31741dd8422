"""Evaluation jobs (`/v1/evaluation/jobs`): create, watch, cancel, delete, and fetch what they left behind."""

import io
import zipfile
from typing import Annotated

from fastapi import APIRouter, Depends
from fastapi.responses import FileResponse, Response

from local_nemo.api.context import Context
from local_nemo.api.entity_routes import Entity, NameInPath, answer_models, list_query, ok
from local_nemo.api.errors import ApiError
from local_nemo.api.evaluator_bodies import EvaluationJobStatus, NewEvaluationJob, NewResult, StoredEvaluationJob
from local_nemo.api.evaluator_references import read_references, refusals, store_inline
from local_nemo.store.entities import new_id
from local_nemo.store.query import ListQuery

router = APIRouter(tags=["Evaluator"])
JOB, JOBS = answer_models("evaluation_job", StoredEvaluationJob)
RESULT, RESULTS = answer_models("evaluation_result", NewResult)


@router.post(
    "/v1/evaluation/jobs", summary="Create and queue a job", operation_id="create_evaluation_job", responses=JOB
)
def create_job(body: NewEvaluationJob, services: Context) -> Entity:
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


@router.get("/v1/evaluation/jobs", summary="List jobs", operation_id="list_evaluation_jobs", responses=JOBS)
def list_jobs(services: Context, query: Annotated[ListQuery, Depends(list_query(StoredEvaluationJob))]) -> Entity:
    return services.entities.page("evaluation_job", query)


@router.get("/v1/evaluation/jobs/{id}", summary="Get a job", operation_id="get_evaluation_job", responses=JOB)
def get_job(id: NameInPath, services: Context) -> Entity:
    return services.entities.find("evaluation_job", id)


@router.get(
    "/v1/evaluation/jobs/{id}/status",
    summary="A job's progress",
    operation_id="get_evaluation_job_status",
    responses=ok(EvaluationJobStatus),
)
def get_status(id: NameInPath, services: Context) -> Entity:
    return services.entities.find("evaluation_job", id)["status_details"]


@router.get(
    "/v1/evaluation/jobs/{id}/results",
    summary="A job's scores",
    operation_id="get_evaluation_job_results",
    responses=RESULT,
)
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


@router.post(
    "/v1/evaluation/jobs/{id}/cancel", summary="Cancel a job", operation_id="cancel_evaluation_job", responses=JOB
)
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


def no_results(job: Entity) -> str:
    details = job["status_details"]
    text = f"evaluation job '{job['id']}' is {job['status']} and has no results"
    if job["status"] in ("failed", "cancelled"):
        return f"{text}: {details['message']}"
    return f"{text} yet ({details['samples_processed']} rows done); ask again when its status is 'completed'"
