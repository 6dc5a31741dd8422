"""The official SDK, unchanged, on Entity Store and Deployment Management: every method, every reply judged."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nemo_microservices
import pytest
from nemo_microservices import NeMoMicroservices

from tests.contract.sdk_judge import judged
from tests.store_app import open_services, served

BASE = "huggingfacetb/smollm2-135m-instruct"
FULL_MODEL = {
    "name": "tuned@cust-1",
    "namespace": "ns",
    "description": "made by a job",
    "base_model": BASE,
    "project": "tool_calling",
    "custom_fields": {"run": "1"},
    "prompt": {"system_prompt": "s", "inference_params": {"temperature": 0.5, "stop": ["x"]}},
    "ownership": {"created_by": "me", "access_policies": {"a": "b"}},
    "spec": {"num_parameters": 134_515_008, "context_size": 2048, "num_virtual_tokens": 0, "is_chat": True},
    "artifact": {
        "files_url": "hf://ns/tuned@cust-1",
        "status": "upload_completed",
        "backend_engine": "hugging_face",
        "gpu_arch": "none",
        "precision": "fp32",
        "tensor_parallelism": 1,
    },
    "peft": {
        "finetuning_type": "lora",
        "lora": {"alpha": 16, "apply_lora_to_mlp": True, "apply_lora_to_output": False},
    },
}
KINDS = {
    "projects": ({"name": "p", "namespace": "ns"}, {"description": "new"}),
    "datasets": (
        {"name": "d", "namespace": "ns", "files_url": "hf://datasets/ns/d", "limit": 5, "split": "all"},
        {"files_url": "hf://datasets/ns/e", "custom_fields": {"a": 1}},
    ),
    "models": (FULL_MODEL, {"description": "new", "spec": FULL_MODEL["spec"] | {"context_size": 4096}}),
    "deployment.configs": (
        {"name": "c", "namespace": "ns", "model": BASE,
         "nim_deployment": {"image_name": "nvcr.io/nim/x/y", "image_tag": "1.8.3", "gpu": 1, "pvc_size": "25Gi",
                            "additional_envs": {"NIM_GUIDED_DECODING_BACKEND": "fast_outlines"}}},
        {"description": "new",
         "external_endpoint": {"host_url": "https://example.com/v1", "api_key": "k", "enabled_models": ["m"]}},
    ),
    "deployment.model_deployments": (
        {"name": "x", "namespace": "ns", "config": {"model": BASE}, "async_enabled": False},
        {"description": "new", "config": {"model": BASE}},
    ),
}  # fmt: skip


@pytest.fixture
def sdk(tmp_path: Path) -> Iterator[NeMoMicroservices]:
    with (
        served(open_services(tmp_path)) as url,
        NeMoMicroservices(base_url=url, inference_base_url=f"{url}/nim") as made,
    ):
        yield made


def resource(sdk: NeMoMicroservices, path: str) -> Any:
    for name in path.split("."):
        sdk = getattr(sdk, name)
    return sdk


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param("projects", marks=pytest.mark.endpoint("CRUD /v1/projects")),
        pytest.param("datasets", marks=pytest.mark.endpoint("CRUD /v1/datasets")),
        pytest.param("models", marks=pytest.mark.endpoint("CRUD /v1/models")),
        pytest.param("deployment.configs", marks=pytest.mark.endpoint("CRUD /v1/deployment/configs")),
        pytest.param(
            "deployment.model_deployments", marks=pytest.mark.endpoint("CRUD /v1/deployment/model-deployments")
        ),
    ],
)
def test_every_method_of_a_resource_is_answered_as_declared(sdk: NeMoMicroservices, kind: str) -> None:
    body, changes = KINDS[kind]
    calls = resource(sdk, kind).with_raw_response
    where = {"namespace": "ns"}
    made = judged(calls.create(**body))
    assert made.name == body["name"]
    got = judged(calls.retrieve(body["name"], **where))
    assert got.namespace == "ns"
    changed = judged(calls.update(body["name"], **where, **changes))
    assert changed.description == changes.get("description", body.get("description"))
    page = judged(calls.list(page=1, page_size=10, sort="-created_at", filter={"namespace": "ns"}))
    assert [one.name for one in page.data] == [body["name"]]
    assert page.pagination.total_results == 1
    gone = judged(calls.delete(body["name"], **where))
    assert gone.message == "Resource deleted successfully."
    with pytest.raises(nemo_microservices.NotFoundError, match=body["name"]):
        calls.retrieve(body["name"], **where)


@pytest.mark.endpoint("CRUD /v1/namespaces")
def test_every_method_of_namespaces_is_answered_as_declared(sdk: NeMoMicroservices) -> None:
    calls = sdk.namespaces.with_raw_response
    assert judged(calls.create(id="ns", description="d", custom_fields={"a": 1})).id == "ns"
    assert judged(calls.retrieve("ns")).description == "d"
    assert judged(calls.update("ns", description="new")).custom_fields == {"a": 1}
    assert [one.id for one in judged(calls.list(filter={"namespace": "ns"}, search={"description": "NE"})).data] == [
        "ns"
    ]
    assert judged(calls.delete("ns")).id == "ns"


def test_iterating_a_list_visits_everything_once_and_ends(sdk: NeMoMicroservices) -> None:
    for number in range(25):
        sdk.datasets.create(name=f"d{number:02}", namespace="ns", files_url="hf://datasets/ns/d")
    assert [one.name for one in sdk.datasets.list(page_size=10, sort="name")] == [f"d{n:02}" for n in range(25)]


def test_filters_and_searches_of_the_sdk_find_what_they_say(sdk: NeMoMicroservices) -> None:
    sdk.models.create(**FULL_MODEL)
    sdk.models.create(name="plain", namespace="other")
    for found in (
        sdk.models.list(filter={"peft": {"lora": True}}),
        sdk.models.list(filter={"peft": True, "project": "tool_calling"}),
        sdk.models.list(filter={"base_model": {"name": BASE}}),
        sdk.models.list(filter={"base_model": BASE, "created_at": {"gte": "2025-01-01"}}),
        sdk.models.list(search={"name": ["tuned", "nothing"], "created_at": {"start": "2025-01-01T00:00:00Z"}}),
    ):
        assert [model.name for model in found.data] == ["tuned@cust-1"]


def test_errors_are_the_sdk_s_own_classes_and_a_conflict_is_sent_once(sdk: NeMoMicroservices) -> None:
    sdk.namespaces.create(id="ns")
    began = time.monotonic()
    with pytest.raises(nemo_microservices.ConflictError, match="409.*already exists"):
        sdk.namespaces.create(id="ns")
    assert time.monotonic() - began < 0.4, "a retry waits half a second at least"
    with pytest.raises(nemo_microservices.NotFoundError, match="dataset 'ns/none' not found"):
        sdk.datasets.retrieve("none", namespace="ns")
    with pytest.raises(nemo_microservices.UnprocessableEntityError, match="files_url"):
        sdk.post("/v1/datasets", body={"name": "d"}, cast_to=object)
    with pytest.raises(nemo_microservices.BadRequestError):
        sdk.post("/v1/hf/api/repos/create", body={"name": "bare"}, cast_to=object)


def test_a_deployment_of_a_served_model_gets_ready(sdk: NeMoMicroservices) -> None:
    sdk.deployment.model_deployments.create(name="x", namespace="ns", config={"model": BASE})
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        found = judged(sdk.deployment.model_deployments.with_raw_response.retrieve("x", namespace="ns"))
        if found.status_details.status == "ready":
            break
        time.sleep(0.02)
    assert found.deployed is True
    with pytest.raises(nemo_microservices.ConflictError, match="model deployment already exists"):
        sdk.deployment.model_deployments.create(name="x", namespace="ns", config={"model": BASE})


def test_a_deployment_names_its_configuration_and_says_why_it_failed(sdk: NeMoMicroservices) -> None:
    sdk.deployment.configs.create(name="c", namespace="ns", model="nobody/nothing")
    sdk.deployment.model_deployments.create(name="x", namespace="ns", config="ns/c", async_enabled=True)
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        found = judged(sdk.deployment.model_deployments.with_raw_response.retrieve("x", namespace="ns"))
        if found.status_details.status != "pending":
            break
        time.sleep(0.02)
    assert (found.status_details.status, found.deployed) == ("failed", False)
    assert "nobody/nothing" in found.status_details.description


@pytest.mark.partly(
    "POST /v1/deployment/model-deployments", status=422, missing="an `external_endpoint` is refused, models run here"
)
def test_an_external_endpoint_is_refused(sdk: NeMoMicroservices) -> None:
    config = {"external_endpoint": {"host_url": "https://example.com/v1", "api_key": "k"}}
    with pytest.raises(nemo_microservices.UnprocessableEntityError, match="serves models of this machine"):
        sdk.deployment.model_deployments.create(name="x", namespace="ns", config=config)
