"""Entity Store: namespaces, projects, datasets and models by name.

Entities describe; the files they point to are in the Data Store. Deleting a model that a training made also withdraws
its adapter from the engine, so that a model is either stored and served, or gone.
"""

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import Field

from local_nemo.api.context import Context
from local_nemo.api.entity_routes import (
    Deleted,
    Entity,
    EntityPage,
    EntityPatch,
    Name,
    NameInPath,
    NewEntity,
    Responses,
    deleted,
    entity_router,
    list_query,
    named_fields,
)
from local_nemo.api.model_bodies import ModelPatch, NewModel
from local_nemo.store.query import ListQuery

TAG = "Entity Store"
router = APIRouter()


class NamespacePatch(EntityPatch):
    """A namespace's own fields."""


class NewNamespace(NamespacePatch):
    id: Name | None = Field(None, description="the namespace's name", examples=["xlam-tutorial-ns"])


class NewProject(NewEntity):
    """Projects group entities; other objects name one as free text."""


class ProjectPatch(EntityPatch):
    pass


class DatasetPatch(EntityPatch):
    files_url: str | None = Field(None, max_length=4096, examples=["hf://datasets/xlam-tutorial-ns/xlam-ft-dataset"])
    format: str | None = None
    hf_endpoint: str | None = Field(None, max_length=4096, description="the Data Store's Hub endpoint unless given")
    limit: int | None = Field(None, ge=0)
    split: str | None = None


class NewDataset(DatasetPatch, NewEntity):
    files_url: str = Field(min_length=1, max_length=4096, examples=["hf://datasets/xlam-tutorial-ns/xlam-ft-dataset"])


def with_fields(data: Entity, _services: Any) -> Entity:
    """Custom fields are an empty object, not null, when none are given."""
    return data | {"schema_version": "1.0", "custom_fields": data["custom_fields"] or {}}


def withdraw_adapter(model: Entity, services: Any) -> None:
    services.adapters.withdraw(f"{model['namespace']}/{model['name']}")


for kind, path, new, patch in (
    ("project", "/v1/projects", NewProject, ProjectPatch),
    ("dataset", "/v1/datasets", NewDataset, DatasetPatch),
):
    router.include_router(entity_router(kind, path, new, patch, tag=TAG, prepare=with_fields))
router.include_router(
    entity_router(
        "model",
        "/v1/models",
        NewModel,
        ModelPatch,
        tag=TAG,
        prepare=with_fields,
        on_delete=withdraw_adapter,
        aliases={"peft.lora": "peft.finetuning_type=lora"},
    )
)

namespaces = APIRouter(prefix="/v1/namespaces", tags=[TAG])


class Namespace(NewNamespace):
    """A namespace as answers show it."""

    id: Name = Field(examples=["xlam-tutorial-ns"])
    created_at: str
    updated_at: str


class NamespacePage(EntityPage):
    data: list[Namespace]  # type: ignore[assignment]  # narrower than any entity


ONE: Responses = {200: {"model": Namespace}}  # for the documentation
PAGE: Responses = {200: {"model": NamespacePage}}


@namespaces.post("", summary="Create a namespace", operation_id="create_namespace", responses=ONE)
def create_namespace(body: NewNamespace, services: Context) -> Entity:
    data = body.model_dump() | {"custom_fields": body.custom_fields or {}}
    return as_namespace(services.entities.create("namespace", data))


@namespaces.get("", summary="List namespaces", operation_id="list_namespaces", responses=PAGE)
def list_namespaces(
    services: Context, query: Annotated[ListQuery, Depends(list_query(Namespace, {"namespace": "id", "name": "id"}))]
) -> Entity:
    page = services.entities.page("namespace", query)
    return page | {"data": [as_namespace(entity) for entity in page["data"]]}


@namespaces.get("/{id}", summary="Get a namespace", operation_id="get_namespace", responses=ONE)
def get_namespace(id: NameInPath, services: Context) -> Entity:
    return as_namespace(services.entities.get("namespace", "default", id))


@namespaces.patch("/{id}", summary="Change a namespace", operation_id="update_namespace", responses=ONE)
def update_namespace(id: NameInPath, body: NamespacePatch, services: Context) -> Entity:
    return as_namespace(services.entities.update("namespace", "default", id, named_fields(body, NewNamespace)))


@namespaces.delete("/{id}", summary="Delete a namespace", operation_id="delete_namespace")
def delete_namespace(id: NameInPath, services: Context) -> Deleted:
    return deleted(services.entities.delete("namespace", "default", id))


def as_namespace(entity: Entity) -> Entity:
    """A namespace's id is its name, and it lies in no other namespace."""
    return {key: value for key, value in entity.items() if key not in ("name", "namespace")}


router.include_router(namespaces)
