"""Evaluator: configs, targets, jobs, results, and small evaluations at once (`/v1/evaluation/*`).

Checks and stores; `services.evaluations` does the work. Whatever can't be evaluated here is refused when the config,
target or job is created, with what is supported or there.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Depends

from local_nemo.api import evaluation_jobs
from local_nemo.api.context import Context
from local_nemo.api.entity_routes import (
    Deleted,
    Entity,
    NameInPath,
    deleted,
    entity_router,
    list_query,
    named_fields,
    ok,
)
from local_nemo.api.evaluation_jobs import RESULT, RESULTS
from local_nemo.api.evaluator_bodies import (
    EvaluationConfigPatch,
    EvaluationTargetPatch,
    LiveEvaluation,
    NewEvaluationConfig,
    NewEvaluationJob,
    NewEvaluationTarget,
    NewResult,
    ResultPatch,
)
from local_nemo.api.evaluator_references import read_references, refusals, stored_form
from local_nemo.evaluation.plan import check_config, check_target
from local_nemo.evaluation.results import live_result
from local_nemo.evaluation.target import allowed_url, withhold_key
from local_nemo.store.entities import new_id
from local_nemo.store.query import ListQuery

TAG = "Evaluator"
router = APIRouter(tags=[TAG])


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
    known = {"id": data.get("id") or new_id("evaluation_target")}  # a patched target has one
    target, key = withhold_key(stored_form(data | known, "eval-target"))
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
        NewEvaluationConfig,
        EvaluationConfigPatch,
        tag=TAG,
        prepare=prepare_config,
        prepare_patch=prepare_config_patch,
    )
)
router.include_router(
    entity_router(
        "evaluation_target",
        "/v1/evaluation/targets",
        NewEvaluationTarget,
        EvaluationTargetPatch,
        tag=TAG,
        prepare=prepare_target,
        prepare_patch=prepare_target_patch,
    )
)


router.include_router(evaluation_jobs.router)


@router.post(
    "/v1/evaluation/live",
    summary="Evaluate a few rows at once",
    operation_id="live_evaluation",
    responses=ok(LiveEvaluation),
)
def live(body: NewEvaluationJob, services: Context) -> Entity:
    config, target, key = read_references(body, services)
    with refusals():
        plan, records = services.evaluations.live(*services.evaluations.prepare(config, target, key), key)
    return live_result(plan.tasks, records)


@router.post(
    "/v1/evaluation/results", summary="Store a result", operation_id="create_evaluation_result", responses=RESULT
)
def create_result(body: NewResult, services: Context) -> Entity:
    data = body.model_dump()
    filled = {field: data[field] or {} for field in ("tasks", "groups", "custom_fields")}
    return services.entities.create("evaluation_result", data | filled)


@router.get("/v1/evaluation/results", summary="List results", operation_id="list_evaluation_results", responses=RESULTS)
def list_results(
    services: Context, query: Annotated[ListQuery, Depends(list_query(NewResult, {"job_id": "job"}))]
) -> Entity:
    return services.entities.page("evaluation_result", query)


@router.get(
    "/v1/evaluation/results/{id}", summary="Get a result", operation_id="get_evaluation_result", responses=RESULT
)
def get_result(id: NameInPath, services: Context) -> Entity:
    return services.entities.find("evaluation_result", id)


@router.patch(
    "/v1/evaluation/results/{id}", summary="Change a result", operation_id="update_evaluation_result", responses=RESULT
)
def update_result(id: NameInPath, body: ResultPatch, services: Context) -> Entity:
    changes = named_fields(body, NewResult)
    return services.entities.edit("evaluation_result", id, lambda result: result | changes)


@router.delete("/v1/evaluation/results/{id}", summary="Delete a result", operation_id="delete_evaluation_result")
def delete_result(id: NameInPath, services: Context) -> Deleted:
    result = services.entities.find("evaluation_result", id)
    return deleted(services.entities.delete("evaluation_result", result["namespace"], result["name"]))
