"""The five routes that every kind of entity has: create, list, get, patch, delete. One factory instead of ten copies.

    router = entity_router("dataset", "/v1/datasets", NewDataset, DatasetPatch, tag="Entity Store")

Contract: create answers 200 (409 if the name is taken), list answers a page, patch replaces the fields that the request
names and keeps the others, delete answers `{id, deleted_at, message}`. Routes of one kind that differ are added to the
returned router by the caller.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field, create_model

from local_nemo.api.context import Context
from local_nemo.api.errors import ApiError
from local_nemo.store.entities import now
from local_nemo.store.query import LARGEST_PAGE, LAST_PAGE, PAGE_SIZE, ListQuery

Entity = dict[str, Any]
NAME = r"^\w[\w.@+:-]*$"  # no slash: a reference is namespace/name
Name = Annotated[str, Field(pattern=NAME, max_length=255, examples=["xlam-ft-dataset"])]
NameInPath = Annotated[str, Path(max_length=255)]


class Body(BaseModel):
    """A request body; fields that this release does not know are left out."""

    model_config = ConfigDict(extra="ignore", protected_namespaces=())


class Ownership(Body):
    """Who made an entity; stored and given back, not enforced."""

    created_by: str | None = None
    updated_by: str | None = None
    access_policies: dict[str, str] | None = None


class EntityPatch(Body):
    """The fields that most kinds share and that may change."""

    description: str | None = Field(None, examples=["Tool-calling data"])
    project: str | None = Field(None, examples=["tool_calling"])
    custom_fields: dict[str, Any] | None = Field(None, examples=[{}])
    ownership: Ownership | None = None


class NewEntity(EntityPatch):
    """The fields that most kinds share when they are created."""

    name: Name | None = Field(None, description="unique in the namespace; the generated id unless given")
    namespace: Name | None = Field(None, description="`default` unless given", examples=["xlam-tutorial-ns"])


class Deleted(BaseModel):
    """The answer to a delete."""

    id: str = Field(examples=["dataset-3ozLsXkX7TqvQm9fCuCUGT"])
    deleted_at: str = Field(examples=["2025-04-08T07:05:42.895214"])
    message: str = "Resource deleted successfully."


class Pagination(BaseModel):
    page: int
    page_size: int
    current_page_size: int
    total_pages: int
    total_results: int


Responses = dict[int | str, dict[str, Any]]  # what answers look like, for the OpenAPI document


def ok(model: Any) -> Responses:
    """An answer of this type."""
    return {200: {"model": model}}


class EntityPage(BaseModel):
    """One page of a list; a page past the end is empty."""

    object: str = "list"
    data: list[dict[str, Any]]
    pagination: Pagination
    sort: str
    filter: dict[str, Any] | None = None
    search: dict[str, Any] | None = None


def list_query(listed: type[BaseModel], aliases: Mapping[str, str] | None = None) -> Callable[..., ListQuery]:
    """A dependency that reads `page`, `page_size`, `sort`, `filter[..]` and `search[..]` of a list of `listed`."""
    fields = frozenset(listed.model_fields)

    def read(
        request: Request,
        page: Annotated[int, Query(ge=1, le=LAST_PAGE)] = 1,  # declared for the documentation and its 422
        page_size: Annotated[int, Query(ge=1, le=LARGEST_PAGE)] = PAGE_SIZE,
        sort: Annotated[str, Query(description="a field name, with `-` in front for descending")] = "created_at",
    ) -> ListQuery:
        return ListQuery.from_request(request, fields, aliases)

    return read


def entity_router(
    kind: str,
    path: str,
    new: type[BaseModel],
    changed: type[BaseModel],
    *,
    tag: str,
    prepare: Callable[[Entity, Any], Entity] | None = None,
    prepare_patch: Callable[[Entity, Entity, Any], Entity] | None = None,
    present: Callable[[Entity], Entity] = dict,
    on_change: Callable[[Entity, Any], None] | None = None,
    on_delete: Callable[[Entity, Any], None] | None = None,
    aliases: Mapping[str, str] | None = None,
) -> APIRouter:
    """The routes of a kind.

    - prepare(data, services): the object to store, from a valid create body with its defaults; may raise `ApiError`.
    - prepare_patch(changes, current, services): the same for the fields that a patch names.
    - present(entity): the object as answers show it.
    - on_change(entity, services): called after the entity is stored, new or patched.
    - on_delete(entity, services): called after the entity is gone.
    - aliases: where documented filter keys are kept, see `ListQuery.from_request`.
    """
    router = APIRouter(tags=[tag])
    noun = kind.replace("_", " ")
    one = f"an {noun}" if noun[0] in "aeiou" else f"a {noun}"
    entity, page_of = answer_models(kind, new)

    @router.post(path, summary=f"Create {one}", operation_id=f"create_{kind}", responses=entity)
    def create(body: new, services: Context) -> Entity:
        data = body.model_dump()
        entity = services.entities.create(kind, prepare(data, services) if prepare else data)
        if on_change:
            on_change(entity, services)
        return present(entity)

    @router.get(path, summary=f"List {noun}s", operation_id=f"list_{kind}s", responses=page_of)
    def list_all(services: Context, query: Annotated[ListQuery, Depends(list_query(new, aliases))]) -> Entity:
        page = services.entities.page(kind, query)
        return page | {"data": [present(entity) for entity in page["data"]]}

    @router.get(path + "/{namespace}/{name}", summary=f"Get {one}", operation_id=f"get_{kind}", responses=entity)
    def get(namespace: NameInPath, name: NameInPath, services: Context) -> Entity:
        return present(services.entities.get(kind, namespace, name))

    @router.patch(
        path + "/{namespace}/{name}", summary=f"Change {one}", operation_id=f"update_{kind}", responses=entity
    )
    def patch(namespace: NameInPath, name: NameInPath, body: changed, services: Context) -> Entity:
        current = services.entities.get(kind, namespace, name)
        changes = named_fields(body, new)
        changes = prepare_patch(changes, current, services) if prepare_patch else changes
        entity = services.entities.update(kind, namespace, name, changes)
        if on_change:
            on_change(entity, services)
        return present(entity)

    @router.delete(path + "/{namespace}/{name}", summary=f"Delete {one}", operation_id=f"delete_{kind}")
    def delete(namespace: NameInPath, name: NameInPath, services: Context) -> Deleted:
        gone = services.entities.delete(kind, namespace, name)
        if on_delete:
            on_delete(gone, services)
        return deleted(gone)

    return router


def answer_models(kind: str, new: type[BaseModel]) -> tuple[Responses, Responses]:
    """OpenAPI entries, with named schemas, of the answers that hold an entity and a page of them."""
    title = "".join(word.capitalize() for word in kind.split("_"))
    stamps = {"id": (str, ...), "created_at": (str, ...), "updated_at": (str, ...)}
    entity = create_model(title, __base__=new, __doc__=f"A {kind.replace('_', ' ')} as answers show it.", **stamps)
    page = create_model(f"{title}Page", __base__=EntityPage, data=(list[entity], ...))
    return ok(entity), ok(page)


def named_fields(body: BaseModel, new: type[BaseModel]) -> Entity:
    """The fields that a patch names. Raises `ApiError` where it would empty one that the kind can't do without."""
    changes = body.model_dump(include=body.model_fields_set)
    for field, value in changes.items():
        known = new.model_fields.get(field)
        if value is None and known is not None and known.is_required():
            reason = "this field is required and can't be set to null"
            raise ApiError(422, [{"loc": ["body", field], "msg": reason, "type": "missing"}])
    return changes


def deleted(entity: Entity) -> Deleted:
    return Deleted(id=entity["id"], deleted_at=now())
