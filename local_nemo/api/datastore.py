"""Data Store: the namespaces that file repositories live in, and a check that stored files are what they were.

Files themselves travel through the Hub-compatible API (`hub`). A namespace arrives form-encoded (as NVIDIA's tutorial
sends it), as multipart or as JSON.
"""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import BaseModel, Field, ValidationError

from local_nemo.api.context import Context
from local_nemo.api.entity_routes import Entity, EntityPage, NameInPath, list_query, ok
from local_nemo.api.errors import ApiError
from local_nemo.store.names import PART
from local_nemo.store.query import ListQuery

router = APIRouter(prefix="/v1/datastore", tags=["Data Store"])
KIND = "datastore_namespace"
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


class NewDatastoreNamespace(BaseModel):
    namespace: str = Field(pattern=rf"^{PART}$", examples=["xlam-tutorial-ns"])


class DatastoreNamespace(NewDatastoreNamespace):
    """A namespace of repositories; times have seconds and a zone."""

    created_at: str = Field(examples=["2025-06-20T03:56:39Z"])
    updated_at: str = Field(examples=["2025-06-20T03:56:39Z"])


class DatastoreNamespacePage(EntityPage):
    data: list[DatastoreNamespace]  # type: ignore[assignment]  # narrower than any entity


class Integrity(BaseModel):
    """Whether every stored file is what it was, and those that are not."""

    status: Literal["ok", "damaged"]
    damaged: list[Any] = Field(examples=[[]])


async def sent_namespace(request: Request) -> NewDatastoreNamespace:
    """The body in any of the three encodings. Raises `ApiError` 422 or 400."""
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    try:
        if kind in FORMS:
            async with request.form(max_files=0, max_fields=16) as form:
                return NewDatastoreNamespace.model_validate(dict(form))
        return NewDatastoreNamespace.model_validate_json(await request.body() or b"{}")
    except ValidationError as error:
        found = [{"loc": ["body", *one["loc"]], "msg": one["msg"], "type": one["type"]} for one in error.errors()]
        raise ApiError(422, found) from error
    except UnicodeDecodeError as error:
        raise ApiError(400, "the form is not UTF-8 text") from error


def documented(schema: type[BaseModel]) -> dict[str, Any]:
    """The OpenAPI entry of a body that may come in three encodings."""
    content = {kind: {"schema": schema.model_json_schema()} for kind in ("application/json", *FORMS)}
    return {"requestBody": {"required": True, "content": content}}


@router.post(
    "/namespaces",
    status_code=201,
    summary="Create a namespace",
    openapi_extra=documented(NewDatastoreNamespace),
    responses={201: {"model": DatastoreNamespace}},
)
def create(body: Annotated[NewDatastoreNamespace, Depends(sent_namespace)], services: Context) -> Entity:
    return shown(services.entities.create(KIND, {"id": body.namespace}))


@router.get("/namespaces", summary="List namespaces", responses=ok(DatastoreNamespacePage))
def list_all(
    services: Context,
    query: Annotated[ListQuery, Depends(list_query(DatastoreNamespace, {"namespace": "id", "name": "id"}))],
) -> Entity:
    page = services.entities.page(KIND, query)
    return page | {"data": [shown(entity) for entity in page["data"]]}


@router.get(
    "/namespaces/{namespace}",
    status_code=201,
    summary="Get a namespace (201, as the real service answers)",
    responses={201: {"model": DatastoreNamespace}},
)
def get(namespace: NameInPath, services: Context) -> Entity:
    return shown(services.entities.get(KIND, "default", namespace))


@router.delete("/namespaces/{namespace}", status_code=204, summary="Delete an empty namespace")
def delete(namespace: NameInPath, services: Context) -> Response:
    held = [repo.name for kind in ("datasets", "models") for repo in services.files.repos(kind, namespace)]
    if held:
        raise ApiError(
            409, f"namespace '{namespace}' holds {len(held)} repositories ({held[0]}, ...); delete them first"
        )
    services.entities.delete(KIND, "default", namespace)
    return Response(status_code=204)


@router.get(
    "/integrity",
    summary="Read every stored file and compare it with its hash (local_nemo only)",
    responses=ok(Integrity),
)
def integrity(services: Context) -> dict[str, Any]:
    damaged = services.files.damaged()
    return {"status": "damaged" if damaged else "ok", "damaged": damaged}


def shown(entity: Entity) -> Entity:
    return {
        "namespace": entity["id"],
        **{field: entity[field][:19] + "Z" for field in ("created_at", "updated_at")},
    }
