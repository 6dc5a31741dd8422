"""Deployment Management: what becomes ready, what fails and why, and what a delete frees."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from local_nemo.jobs import deploying
from tests.store_app import ServedNames, StoreServices, client, open_services

PATH = "/v1/deployment/model-deployments"
BASE = "huggingfacetb/smollm2-135m-instruct"
SAFETY = "nvidia/llama-3.1-nemoguard-8b-content-safety"
NIM = {"image_name": f"nvcr.io/nim/{SAFETY}", "image_tag": "1.0.0", "gpu": 1, "pvc_size": "25Gi"}


@pytest.fixture
def services(tmp_path: Path) -> Iterator[StoreServices]:
    made = open_services(tmp_path)
    made.engine = ServedNames(names=[BASE, SAFETY], loadable=("/models/other",))
    yield made


@pytest.fixture
def http(services: StoreServices) -> TestClient:
    return client(services)


def settled(http: TestClient, reference: str) -> dict:
    """The deployment once it is no longer pending."""
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        deployment = http.get(f"{PATH}/{reference}").json()
        if deployment["status_details"]["status"] != "pending":
            return deployment
        time.sleep(0.01)
    raise AssertionError(f"still pending: {deployment}")


def test_create_answers_pending_in_the_documented_shape(http: TestClient) -> None:
    body = {"name": "n8cs", "namespace": "nvidia", "config": {"model": SAFETY, "nim_deployment": NIM}}
    made = http.post(PATH, json=body)
    assert made.status_code == 200
    answer = made.json()
    assert answer["status_details"] == {"status": "pending", "description": "Model deployment created"}
    assert (answer["deployed"], answer["url"], answer["async_enabled"]) == (False, "", False)
    assert answer["config"] == body["config"]
    assert len(answer["created_at"]) == len("2025-04-08T16:25:49.447403115Z")
    assert "status" not in answer and "loaded" not in answer


@pytest.mark.parametrize("model", [BASE, SAFETY])
def test_a_model_that_is_served_already_becomes_ready_and_says_so(http: TestClient, model: str) -> None:
    http.post(PATH, json={"name": "x", "namespace": "ns", "config": {"model": model}})
    deployment = settled(http, "ns/x")
    assert deployment["status_details"]["status"] == "ready"
    assert f"model {model} is already served" in deployment["status_details"]["description"]
    assert deployment["deployed"] is True
    assert deployment["models"] == [model]


def test_the_model_may_follow_from_the_image(http: TestClient) -> None:
    http.post(PATH, json={"name": "x", "config": {"nim_deployment": NIM}})
    assert settled(http, "default/x")["models"] == [SAFETY]


def test_another_model_is_loaded_under_the_name_and_delete_frees_it(http: TestClient, services: StoreServices) -> None:
    http.post(PATH, json={"name": "mine", "namespace": "ns", "config": {"model": "/models/other"}})
    assert settled(http, "ns/mine")["models"] == ["ns/mine"]
    assert "ns/mine" in services.engine.names
    assert http.delete(f"{PATH}/ns/mine").json()["message"] == "Resource deleted successfully."
    assert "ns/mine" not in services.engine.names
    assert http.get(f"{PATH}/ns/mine").status_code == 404


def test_deleting_the_deployment_of_a_served_model_leaves_the_model(http: TestClient, services: StoreServices) -> None:
    http.post(PATH, json={"name": "x", "config": {"model": BASE}})
    settled(http, "default/x")
    http.delete(f"{PATH}/default/x")
    assert BASE in services.engine.names


def test_what_can_not_be_loaded_is_failed_with_the_reason(http: TestClient) -> None:
    http.post(PATH, json={"name": "x", "config": {"model": "meta/llama-3.2-1b-instruct"}})
    details = settled(http, "default/x")["status_details"]
    assert details["status"] == "failed"
    assert "neither a folder nor a hub id" in details["description"]


def test_an_engine_that_does_not_get_ready_is_a_failure(http: TestClient, services: StoreServices) -> None:
    services.engine.ready, services.engine.names = False, [SAFETY]
    http.post(PATH, json={"name": "y", "config": {"model": SAFETY}})
    assert settled(http, "default/y")["deployed"] is True, "the stand-in does not wait for the base model"
    http.post(PATH, json={"name": "x", "config": {"model": BASE}})
    assert "not ready" in settled(http, "default/x")["status_details"]["description"]


def test_the_same_name_twice_says_that_it_already_exists(http: TestClient) -> None:
    body = {"name": "x", "namespace": "ns", "config": {"model": BASE}}
    http.post(PATH, json=body)
    again = http.post(PATH, json=body)
    assert again.status_code == 409
    assert "model deployment already exists" in again.json()["detail"]


def test_a_stored_configuration_can_be_named(http: TestClient) -> None:
    http.post("/v1/deployment/configs", json={"name": "c", "namespace": "ns", "model": BASE, "nim_deployment": NIM})
    assert http.post(PATH, json={"name": "x", "config": "ns/c"}).json()["config"] == "ns/c"
    assert settled(http, "default/x")["models"] == [BASE]
    missing = http.post(PATH, json={"name": "y", "config": "ns/none"})
    assert (missing.status_code, "ns/none" in missing.json()["detail"]) == (404, True)


def test_another_configuration_is_deployed_anew(http: TestClient) -> None:
    http.post(PATH, json={"name": "x", "config": {"model": "meta/unknown"}})
    settled(http, "default/x")
    http.patch(f"{PATH}/default/x", json={"description": "new"})
    assert settled(http, "default/x")["status_details"]["status"] == "failed"
    http.patch(f"{PATH}/default/x", json={"config": {"model": BASE}})
    assert settled(http, "default/x")["status_details"]["status"] == "ready"


def test_a_model_that_was_loaded_leaves_memory_when_another_is_wanted(
    http: TestClient, services: StoreServices
) -> None:
    http.post(PATH, json={"name": "mine", "namespace": "ns", "config": {"model": "/models/other"}})
    settled(http, "ns/mine")
    http.patch(f"{PATH}/ns/mine", json={"config": {"model": BASE}})
    assert settled(http, "ns/mine")["models"] == [BASE]
    assert services.engine.names == [BASE, SAFETY]


def test_external_endpoints_are_described_but_not_deployed_and_keys_not_stored(
    http: TestClient, tmp_path: Path
) -> None:
    external = {"external_endpoint": {"host_url": "http://other.example", "api_key": "canary-77c2"}}
    assert http.post(PATH, json={"config": external}).status_code == 422
    described = http.post("/v1/deployment/configs", json={"name": "far", **external})
    assert described.json()["external_endpoint"] == {"host_url": "http://other.example", "enabled_models": None}
    refused = http.post(PATH, json={"config": "default/far"})
    assert (refused.status_code, "serves models of this machine" in refused.json()["detail"]) == (422, True)
    http.post(PATH, json={"name": "x", "config": {"model": BASE}, "hf_token": "canary-77c2"})
    settled(http, "default/x")
    assert all(b"canary-77c2" not in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_deployments_are_made_again_after_a_restart(http: TestClient, services: StoreServices) -> None:
    http.post(PATH, json={"name": "mine", "namespace": "ns", "config": {"model": "/models/other"}})
    settled(http, "ns/mine")
    services.engine = ServedNames(names=[BASE], loadable=("/models/other",))  # as a new process begins
    deploying.restore(services)
    assert settled(http, "ns/mine")["status_details"]["status"] == "ready"
    assert services.engine.names == [BASE, "ns/mine"]
