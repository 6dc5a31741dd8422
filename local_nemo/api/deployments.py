"""Deployment Management: which models are loaded, and the configurations that say so.

The requests are those for a cluster; `jobs.deploying` says what they mean on one machine. A configuration may describe
an external endpoint (its key is not stored), but deploying one is refused on purpose: models here run here.
"""

from typing import Any

from fastapi import APIRouter
from pydantic import Field

from local_nemo.api.entity_routes import Body, Entity, EntityPatch, NewEntity, entity_router
from local_nemo.api.errors import ApiError
from local_nemo.jobs import deploying
from local_nemo.store.entities import NotFound

TAG = "Deployment Management"
router = APIRouter()


class NimDeployment(Body):
    """How a cluster starts the NIM; kept and given back, without effect on one machine."""

    image_name: str = Field(examples=["nvcr.io/nim/meta/llama-3.2-1b-instruct"])
    image_tag: str = Field(examples=["1.8.3"])
    gpu: int = Field(ge=0, examples=[1])
    pvc_size: str | None = Field(None, examples=["25Gi"])
    additional_envs: dict[str, str] | None = Field(None, examples=[{"NIM_GUIDED_DECODING_BACKEND": "fast_outlines"}])
    namespace: str | None = None
    disable_lora_support: bool | None = None


class ExternalEndpoint(Body):
    """A model that runs elsewhere; kept and given back."""

    host_url: str = Field(examples=["https://models.example.com/v1"])
    api_key: str | None = Field(None, exclude=True, description="never stored")
    enabled_models: list[str] | None = None


class DeploymentConfigPatch(EntityPatch):
    model: str | dict[str, Any] | None = Field(None, examples=["huggingfacetb/smollm2-135m-instruct"])
    nim_deployment: NimDeployment | None = None
    external_endpoint: ExternalEndpoint | None = Field(None, description="can be described, but not deployed here")


class NewDeploymentConfig(DeploymentConfigPatch, NewEntity):
    pass


class DeploymentPatch(EntityPatch):
    config: str | NewDeploymentConfig | None = None
    models: list[str] | None = None
    async_enabled: bool | None = None
    hf_token: str | None = Field(None, exclude=True, description="never stored; set HF_TOKEN where local_nemo runs")


class NewDeployment(DeploymentPatch, NewEntity):
    config: str | NewDeploymentConfig


def check_config(config: Entity | str, services: Any) -> None:
    """Raise `ApiError` 422 or 404 unless the configuration can be deployed here."""
    try:
        deploying.wanted_model(config, services.entities)
    except deploying.NoModel as error:
        raise ApiError(422, str(error)) from error
    except NotFound as error:
        raise ApiError(404, f"{error}; create it, or send the configuration itself") from error


def prepare_config(data: Entity, services: Any) -> Entity:
    if not data["external_endpoint"]:
        check_config(data, services)
    return data | {"custom_fields": data["custom_fields"] or {}, "schema_version": "1.0"}


def patch_config(changes: Entity, current: Entity, services: Any) -> Entity:
    merged = current | changes
    if not merged["external_endpoint"]:
        check_config(merged, services)
    return changes


def prepare_deployment(data: Entity, services: Any) -> Entity:
    check_config(data["config"], services)
    data["config"] = without_nulls(data["config"])
    facts = {"async_enabled": bool(data["async_enabled"]), "custom_fields": data["custom_fields"] or {}}
    facts |= {"models": data["models"] or [], "schema_version": "1.0"}
    return data | facts | deploying.pending("Model deployment created")


def patch_deployment(changes: Entity, current: Entity, services: Any) -> Entity:
    """Another configuration is deployed anew; other changes leave the model alone."""
    if "config" not in changes:
        return changes
    check_config(changes["config"], services)
    deploying.withdraw(current, services)
    new_config = {"config": without_nulls(changes["config"])}
    return changes | new_config | deploying.pending("Model deployment changed")


def begin_pending(deployment: Entity, services: Any) -> None:
    if deployment["status_details"]["status"] == "pending":
        deploying.begin(deployment, services)


def shown(deployment: Entity) -> Entity:
    """As the real service shows it: times with nanoseconds and zone, nothing of our own book-keeping."""
    times = {field: f"{deployment[field]}000Z" for field in ("created_at", "updated_at")}
    return {key: value for key, value in deployment.items() if key != "loaded"} | times


def without_nulls(config: Entity | str) -> Entity | str:
    """An inline configuration as it was sent."""
    if isinstance(config, str):
        return config
    return {
        key: without_nulls(value) if isinstance(value, dict) else value
        for key, value in config.items()
        if value is not None
    }


router.include_router(
    entity_router(
        deploying.CONFIG_KIND,
        "/v1/deployment/configs",
        NewDeploymentConfig,
        DeploymentConfigPatch,
        tag=TAG,
        prepare=prepare_config,
        prepare_patch=patch_config,
    )
)
router.include_router(
    entity_router(
        deploying.KIND,
        "/v1/deployment/model-deployments",
        NewDeployment,
        DeploymentPatch,
        tag=TAG,
        prepare=prepare_deployment,
        prepare_patch=patch_deployment,
        present=shown,
        on_change=begin_pending,
        on_delete=deploying.withdraw,
    )
)
