"""Entities: named JSON objects of a kind (dataset, model, customization_job, ...), unique by namespace and name.

Contract: every call is one transaction; when it returns, its change survives a crash. Objects go in and come out as
plain dicts that the caller may change freely. Nothing here knows what the fields of a kind mean.
"""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, select

from local_nemo.store.database import Database, EntityRow
from local_nemo.store.query import ListQuery, equals

Entity = dict[str, Any]

ID_PREFIXES = {
    "customization_config": "cust-config",
    "customization_target": "cust-target",
    "customization_job": "cust",
    "evaluation_config": "eval-config",
    "evaluation_target": "eval-target",
    "evaluation_job": "eval",
    "guardrail_config": "guardrail",
    "deployment_config": "deployment-config",
    "model_deployment": "model-deployment",
}
BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
NAMESPACES = ("namespace", "datastore_namespace")  # lie in no other namespace: all are kept in "default"
FIXED = ("id", "namespace", "name", "created_at", "updated_at")


class NotFound(LookupError):
    """No object of this kind and name; `str` of it is a sentence for the reader."""

    def __init__(self, kind: str, name: str, hint: str = "") -> None:
        self.kind, self.name = kind, name
        super().__init__(f"{kind.replace('_', ' ')} '{name}' not found{'. ' + hint if hint else ''}")


class AlreadyExists(Exception):
    """An object of this kind and name is there already and was left as it was."""

    def __init__(self, kind: str, name: str) -> None:
        self.kind, self.name = kind, name
        super().__init__(f"{kind.replace('_', ' ')} already exists: '{name}'")


class Entities:
    """The entity table of a database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, kind: str, data: Entity, *, key: str | None = None) -> Entity:
        """Store a new object and return it with `id`, `namespace`, `name`, `created_at`, `updated_at` filled in.

        `key` replaces the name as the part that must be unique in the namespace; pass the id where names may repeat.
        Raises `AlreadyExists`.
        """
        stamp = now()
        entity = {**data, "id": data.get("id") or new_id(kind), "created_at": stamp, "updated_at": stamp}
        entity["namespace"] = data.get("namespace") or "default"
        entity["name"] = data.get("name") or entity["id"]
        columns = {field: entity[field] for field in FIXED}
        row = EntityRow(kind=kind, key=key or entity["name"], data=entity, **columns)
        try:
            with self._database.write() as session:
                session.add(row)
        except IntegrityError as error:
            raise AlreadyExists(kind, _reference(kind, entity["namespace"], row.key)) from error
        return entity

    def get(self, kind: str, namespace: str, name: str) -> Entity:
        """The object. Raises `NotFound`."""
        with self._database.read() as session:
            return _named(session, kind, namespace, name).data

    def find(self, kind: str, id: str) -> Entity:
        """The object with this id, in any namespace. Raises `NotFound`."""
        with self._database.read() as session:
            return _identified(session, kind, id).data

    def update(self, kind: str, namespace: str, name: str, changes: Entity) -> Entity:
        """Replace the given top-level fields, keep the others; returns the object. Raises `NotFound`."""
        with self._database.write() as session:
            row = _named(session, kind, namespace, name)
            return _store(row, {**row.data, **changes})

    def edit(self, kind: str, id: str, change: Callable[[Entity], Entity]) -> Entity:
        """Replace an object by `change(object)` with no other write in between. Raises `NotFound`.

        `change` must not call the store. An exception in it leaves the object as it was.
        """
        with self._database.write() as session:
            row = _identified(session, kind, id)
            return _store(row, change(dict(row.data)))

    def delete(self, kind: str, namespace: str, name: str) -> Entity:
        """Remove an object and return what it was. Raises `NotFound`."""
        with self._database.write() as session:
            row = _named(session, kind, namespace, name)
            session.delete(row)
            return row.data

    def page(self, kind: str, query: ListQuery) -> Entity:
        """One page of a kind, in the shape that list endpoints answer."""
        with self._database.read() as session:
            data, total = query.run(session, kind)
        return query.page_of(data, total)

    def all(self, kind: str, **fields: Any) -> list[Entity]:
        """Every object of a kind whose top-level fields equal the given ones, oldest first."""
        conditions = [equals(field, value) for field, value in fields.items()]
        chosen = select(EntityRow.data).where(EntityRow.kind == kind, *conditions)
        with self._database.read() as session:
            return list(session.exec(chosen.order_by(EntityRow.created_at, EntityRow.seq)))


def now() -> str:
    """The time as every entity writes it: ISO 8601 in UTC, microseconds, no zone."""
    return datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")


def new_id(kind: str) -> str:
    """A fresh id: the kind's prefix and a base58 UUID."""
    number, digits = uuid.uuid4().int, ""
    while number:
        number, digit = divmod(number, 58)
        digits = BASE58[digit] + digits
    return f"{ID_PREFIXES.get(kind, kind)}-{digits}"


def _reference(kind: str, namespace: str, name: str) -> str:
    return name if kind in NAMESPACES else f"{namespace}/{name}"


def _named(session: Session, kind: str, namespace: str, name: str) -> EntityRow:
    chosen = select(EntityRow).where(EntityRow.kind == kind, EntityRow.namespace == namespace, EntityRow.key == name)
    row = session.exec(chosen).one_or_none()
    if row is None:
        raise NotFound(kind, _reference(kind, namespace, name))
    return row


def _identified(session: Session, kind: str, id: str) -> EntityRow:
    row = session.exec(select(EntityRow).where(EntityRow.kind == kind, EntityRow.id == id)).one_or_none()
    if row is None:
        raise NotFound(kind, id)
    return row


def _store(row: EntityRow, entity: Entity) -> Entity:
    """Write a changed object; what identifies it can't be changed."""
    entity = {**entity, **{field: row.data[field] for field in FIXED}, "updated_at": now()}
    row.data, row.updated_at = entity, entity["updated_at"]
    return entity
