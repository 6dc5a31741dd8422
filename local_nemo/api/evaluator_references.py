"""What the Evaluator's routes share: configs and targets by name or inline, their stored form, and refusals."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from local_nemo.api.entity_routes import Entity
from local_nemo.api.errors import ApiError
from local_nemo.api.evaluator_bodies import NewEvaluationJob
from local_nemo.evaluation.errors import EvaluationMissing, EvaluationRefused
from local_nemo.evaluation.target import withhold_key


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


def read_references(body: NewEvaluationJob, services: Any) -> tuple[Entity, Entity, str | None]:
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
