"""Customizer: targets, configurations, training jobs (`/v1/customization/*`).

Checks and stores; `services.jobs` does the work. What can't be trained here is refused when the job is created, with
what is supported or there. A W&B key travels in a header, reaches the job's worker and is stored nowhere.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header

from local_nemo.api.context import Context
from local_nemo.api.customizer_bodies import (
    ContainerLogs,
    CustomizationConfigPatch,
    CustomizationJob,
    CustomizationJobPage,
    CustomizationStatus,
    CustomizationTargetPatch,
    NewCustomizationConfig,
    NewCustomizationJob,
    NewCustomizationTarget,
)
from local_nemo.api.entity_routes import Entity, NameInPath, Responses, entity_router, list_query, ok
from local_nemo.api.errors import ApiError
from local_nemo.jobs.plan import (
    CONFIG,
    TARGET_FACTS,
    Missing,
    Plan,
    Refused,
    check_base,
    find_target,
    plan_job,
    target_facts,
)
from local_nemo.jobs.queue import KIND, NothingToCancel
from local_nemo.jobs.report import container_logs
from local_nemo.store.entities import NotFound, new_id, now
from local_nemo.store.query import ListQuery

TAG = "Customizer"
JOB_FILTERS = {
    "base_model": "config_snapshot.base_model",
    "batch_size": "hyperparameters.batch_size",
    "epochs": "hyperparameters.epochs",
    "log_every_n_steps": "hyperparameters.log_every_n_steps",
    "finetuning_type": "hyperparameters.finetuning_type",
    "training_type": "hyperparameters.training_type",
}
CONFIG_FILTERS = {
    "training_type": "training_options[].training_type",
    "finetuning_type": "training_options[].finetuning_type",
} | {key: key for key in TARGET_FACTS}
JOB: Responses = ok(CustomizationJob)  # for the documentation
JOBS: Responses = ok(CustomizationJobPage)
PROGRESS: Responses = ok(CustomizationStatus)
LOGS: Responses = ok(ContainerLogs)
router = APIRouter(tags=[TAG])


@contextmanager
def refusals() -> Iterator[None]:
    """Turn what the planning refuses into 404 or 422."""
    try:
        yield
    except Missing as error:
        raise ApiError(404, str(error)) from error
    except Refused as error:
        raise ApiError(422, str(error)) from error


def prepare_target(data: Entity, services: Any) -> Entity:
    base_model = data.get("base_model") or f"{data['namespace'] or 'default'}/{data['name'] or ''}".partition("@")[0]
    with refusals():
        check_base(base_model, services.settings)
    found = {
        "base_model": base_model,
        "model_path": data["model_path"] or services.settings.base_model,  # the SDK's type wants one
        "status": "ready",
        "model_type": "hf",
        "custom_fields": data["custom_fields"] or {},
    }
    return data | found


def prepare_target_patch(changes: Entity, _current: Entity, services: Any) -> Entity:
    if changes.get("base_model"):
        with refusals():
            check_base(changes["base_model"], services.settings)
    return changes


def prepare_config(data: Entity, services: Any) -> Entity:
    with refusals():
        target = find_target(data, services.settings, services.entities)
    reference = f"{target['namespace']}/{target['name']}"
    return data | {"target": reference, "custom_fields": data["custom_fields"] or {}} | target_facts(target)


def tell_configs(target: Entity, services: Any) -> None:
    """The configurations of a changed target keep in step with it."""
    reference = f"{target['namespace']}/{target['name']}"
    for config in services.entities.all(CONFIG):
        if config["target"] == reference:
            services.entities.edit(CONFIG, config["id"], lambda old: old | target_facts(target))


def prepare_config_patch(changes: Entity, current: Entity, _services: Any) -> Entity:
    """`add_training_options` and `remove_training_options` change the list that is there."""
    added = changes.pop("add_training_options", None) or []
    removed = changes.pop("remove_training_options", None) or []
    if added or removed:
        gone = {(option["training_type"], option["finetuning_type"]) for option in [*removed, *added]}
        kept = changes.get("training_options") or current["training_options"]
        kept = [option for option in kept if (option["training_type"], option["finetuning_type"]) not in gone]
        changes["training_options"] = kept + added
    return changes


router.include_router(
    entity_router(
        "customization_target",
        "/v1/customization/targets",
        NewCustomizationTarget,
        CustomizationTargetPatch,
        tag=TAG,
        prepare=prepare_target,
        prepare_patch=prepare_target_patch,
        on_change=tell_configs,
        aliases={field: field for field in ("status", "model_type")},
    )
)
router.include_router(
    entity_router(
        CONFIG,
        "/v1/customization/configs",
        NewCustomizationConfig,
        CustomizationConfigPatch,
        tag=TAG,
        prepare=prepare_config,
        prepare_patch=prepare_config_patch,
        aliases=CONFIG_FILTERS,
    )
)


@router.post(
    "/v1/customization/jobs",
    summary="Create and queue a training",
    operation_id="create_customization_job",
    responses=JOB,
)
def create_job(
    body: NewCustomizationJob, services: Context, wandb_api_key: Annotated[str | None, Header()] = None
) -> Entity:
    data = body.model_dump()
    with refusals():
        plan = plan_job(data, services.settings, services.entities, services.files)
    job = new_job(data, plan)
    if job["output_model"]:
        announce_model(job, services)
    stored = services.entities.create(KIND, job, key=job["id"])
    services.jobs.submit(job["id"], wandb_api_key)
    return stored


@router.get("/v1/customization/jobs", summary="List trainings", operation_id="list_customization_jobs", responses=JOBS)
def list_jobs(
    services: Context, query: Annotated[ListQuery, Depends(list_query(CustomizationJob, JOB_FILTERS))]
) -> Entity:
    return services.entities.page(KIND, query)


@router.get(
    "/v1/customization/jobs/{id}", summary="Get a training", operation_id="get_customization_job", responses=JOB
)
def get_job(id: NameInPath, services: Context) -> Entity:
    return services.entities.find(KIND, id)


@router.get(
    "/v1/customization/jobs/{id}/status",
    summary="A training's progress",
    operation_id="get_customization_status",
    responses=PROGRESS,
)
def get_status(id: NameInPath, services: Context) -> Entity:
    return services.entities.find(KIND, id)["status_details"]


@router.post(
    "/v1/customization/jobs/{id}/cancel",
    summary="Cancel a training",
    operation_id="cancel_customization_job",
    responses=JOB,
)
@router.post("/v1/customizations/{id}/cancel", include_in_schema=False)  # the path before the first release
def cancel_job(id: NameInPath, services: Context) -> Entity:
    try:
        return services.jobs.cancel(id)
    except NothingToCancel as error:
        raise ApiError(409, str(error)) from error


@router.get(
    "/v1/customization/jobs/{id}/container-logs",
    summary="What a training wrote",
    operation_id="get_customization_logs",
    responses=LOGS,
)
def get_container_logs(id: NameInPath, services: Context) -> Entity:
    return container_logs(services.entities.find(KIND, id), services.jobs.folder(id))


def new_job(data: Entity, plan: Plan) -> Entity:
    """The job as it is stored: the request in its normal form, and where it stands."""
    stamp, job_id = now(), new_id(KIND)
    output = data["output_model"]
    if output and "@" not in output:
        output = f"{output}@{job_id}"
    config = data["config"]
    return data | {
        "id": job_id,
        "output_model": output,
        "config": config if isinstance(config, str) else data["config"] | plan.config_snapshot,
        "config_snapshot": plan.config_snapshot,
        "dataset": plan.dataset,
        "dataset_snapshot": plan.dataset_snapshot,
        "hyperparameters": {key: value for key, value in data["hyperparameters"].items() if value is not None},
        "custom_fields": data["custom_fields"] or {},
        "warnings": plan.warnings,
        "status": "created",
        "status_details": {
            "created_at": stamp,
            "updated_at": stamp,
            "status": "created",
            "elapsed_time": 0.0,
            "steps_completed": 0,
            "epochs_completed": 0,
            "percentage_done": 0.0,
            "status_logs": [{"updated_at": stamp, "message": "created", "detail": None}],
        },
    }


def announce_model(job: Entity, services: Any) -> None:
    """Register the model that the job will make. Raises 409 if a finished or coming one has its name."""
    namespace, name = job["output_model"].split("/", 1)
    try:
        there = services.entities.get("model", namespace, name)
    except NotFound:
        there = None
    if there and (there.get("artifact") or {}).get("status") != "upload_failed":
        raise ApiError(
            409,
            f"model '{job['output_model']}' exists already; leave the version out of output_model to get a new one "
            "for every job, choose another, or delete the model",
        )
    snapshot, lora = job["config_snapshot"], job["hyperparameters"]["lora"]
    services.adapters.announce(
        job["output_model"],
        {
            "base_model": snapshot["base_model"],
            "description": job["description"],
            "project": job["project"],
            "custom_fields": {},
            "ownership": job["ownership"],
            "spec": {
                "num_parameters": snapshot["num_parameters"],
                "context_size": snapshot["max_seq_length"],
                "num_virtual_tokens": 0,
                "is_chat": True,
            },
            "peft": {"finetuning_type": "lora", "lora": {"alpha": lora["alpha"], "adapter_dim": lora["adapter_dim"]}},
            "prompt": None,
            "api_endpoint": None,
            "guardrails": None,
            "model_providers": None,
        },
    )
