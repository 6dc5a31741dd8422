"""Entity Store: the names under which NeMo knows namespaces, datasets and models.

An entity describes; the files are in the Data Store. Every `ensure_` creates what is missing, brings an existing object
to the wanted values, and returns it, so a notebook may run any number of times.
"""

from typing import Any

from . import errors
from .platform import Platform


def ensure_namespace(platform: Platform, namespace: str) -> bool:
    """Create the namespace unless it exists; True if it was created."""
    try:
        platform.nemo.get(f"/v1/namespaces/{namespace}")
        return False
    except errors.NotFound:
        pass
    try:
        platform.nemo.post("/v1/namespaces", json={"id": namespace})
    except errors.Conflict:
        return False
    return True


def ensure_dataset(
    platform: Platform, *, namespace: str, name: str, files_url: str, project: str = "", description: str = ""
) -> dict:
    """The dataset entity `namespace/name`, pointing at `files_url` (hf://datasets/...)."""
    wanted: dict[str, Any] = {"files_url": files_url}
    wanted |= {"project": project} if project else {}
    wanted |= {"description": description} if description else {}
    path = f"/v1/datasets/{namespace}/{name}"
    try:
        existing = platform.nemo.get(path)
    except errors.NotFound:
        try:
            return platform.nemo.post("/v1/datasets", json={"name": name, "namespace": namespace, **wanted})
        except errors.Conflict:
            return platform.nemo.patch(path, json=wanted)  # somebody was quicker
    if all(existing.get(key) == value for key, value in wanted.items()):
        return existing
    return platform.nemo.patch(path, json=wanted)


def dataset(platform: Platform, namespace: str, name: str) -> dict:
    """The dataset entity. Raises NotFound."""
    return platform.nemo.get(f"/v1/datasets/{namespace}/{name}")


def model(platform: Platform, reference: str) -> dict:
    """The model entity `namespace/name[@version]`. Raises NotFound."""
    return platform.nemo.get(f"/v1/models/{reference}")


def models(platform: Platform, *, namespace: str) -> list[dict]:
    """The model entities of a namespace, newest first."""
    return list(platform.nemo.pages("/v1/models", params={"filter[namespace]": namespace, "sort": "-created_at"}))


def ensure_model(platform: Platform, reference: str, *, description: str) -> dict:
    """Put a description on the model entity that a training has registered. Raises NotFound when there is none."""
    existing = model(platform, reference)
    if existing.get("description") == description:
        return existing
    return platform.nemo.patch(f"/v1/models/{reference}", json={"description": description})
