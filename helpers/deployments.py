"""Deployment Management: start and stop the NIMs behind NIM_URL.

On a cluster the base model of the tutorial needs a NIM on a GPU of its own; `ensure_nim` starts it and waits until NIM
lists the model. Where the model is served already (always so with local_nemo) nothing is deployed.
"""

import time
from collections.abc import Callable
from typing import Any

from . import errors, nim
from .platform import Platform
from .progress import Line

DEPLOYMENTS = "/v1/deployment/model-deployments"
START_SECONDS = 1800.0  # about ten minutes are usual; pulling the image may take longer


def nim_request(
    model: str, *, image_tag: str = "1.8.3", pvc_size: str = "25Gi", gpu: int = 1, calls_tools: bool = True
) -> dict:
    """The body that deploys `namespace/name` as a NIM.

    A model that calls tools gets fast_outlines, because with other backends of guided decoding its calls are slow; one
    that does not (a safety model) keeps the defaults of its image.
    """
    namespace, name = model.split("/", 1)
    return {
        "name": name,
        "namespace": namespace,
        "config": {
            "model": model,
            "nim_deployment": {
                "image_name": f"nvcr.io/nim/{model}",
                "image_tag": image_tag,
                "pvc_size": pvc_size,
                "gpu": gpu,
                "additional_envs": {"NIM_GUIDED_DECODING_BACKEND": "fast_outlines"} if calls_tools else {},
            },
        },
    }


def ensure_nim(platform: Platform, request: dict, **options: Any) -> str:
    """Make NIM serve the model of `request` and return its id; `options` are those of wait_until_ready."""
    model = request["config"]["model"]
    if model in nim.models(platform):
        print(f"{model} is already served: nothing to deploy.")
        return model
    try:
        platform.nemo.post(DEPLOYMENTS, json=request)
    except errors.ServiceError as error:
        if "already exists" not in error.detail:  # the real service says so with status 500, others with 409
            raise
    wait_until_ready(platform, f"{request['namespace']}/{request['name']}", **options)
    return nim.wait_until_served(platform, model)


def wait_until_ready(
    platform: Platform,
    reference: str,
    *,
    timeout: float = START_SECONDS,
    poll: float = 5.0,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> dict:
    """The deployment once it is ready. Raises DeploymentFailed when it fails or takes longer than `timeout` seconds."""
    began = clock()
    with Line() as line:
        while True:
            deployment = get(platform, reference)
            details = deployment.get("status_details") or {}
            status, waited = details.get("status", "unknown"), clock() - began
            line.show(f"deployment {reference}: {status}, {waited:.0f} s. {details.get('description') or ''}".strip())
            if status == "ready":
                return deployment
            if status == "failed" or waited > timeout:
                raise errors.DeploymentFailed(
                    f"The deployment {reference} is {status} after {waited:.0f} s.",
                    now=details.get("description") or "the service gives no reason.",
                    next_step="free a GPU (deployments.delete) or read the events of its pod.",
                )
            sleep(poll)


def get(platform: Platform, reference: str) -> dict:
    """The deployment `namespace/name`."""
    return platform.nemo.get(f"{DEPLOYMENTS}/{reference}")


def list_all(platform: Platform) -> list[dict]:
    """All deployments."""
    return list(platform.nemo.pages(DEPLOYMENTS))


def delete(platform: Platform, reference: str) -> None:
    """Stop a deployment and free its GPU; one that does not exist is fine."""
    try:
        platform.nemo.delete(f"{DEPLOYMENTS}/{reference}")
    except errors.NotFound:
        print(f"There is no deployment {reference}: nothing to delete.")
