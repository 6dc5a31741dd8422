"""Entity Store over HTTP: status codes, error bodies, defaults, PATCH semantics and deletes."""

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from tests.store_app import StoreServices, client, open_services

DATASET = {"name": "d", "namespace": "ns", "files_url": "hf://datasets/ns/d", "project": "tools"}
CREATABLE = {
    "/v1/namespaces": {"id": "ns"},
    "/v1/projects": {"name": "p", "namespace": "ns"},
    "/v1/datasets": DATASET,
    "/v1/models": {"name": "m@cust-1", "namespace": "ns", "base_model": "meta/base"},
}


@pytest.fixture
def services(tmp_path: Path) -> StoreServices:
    return open_services(tmp_path)


@pytest.fixture
def http(services: StoreServices) -> TestClient:
    return client(services)


def place(path: str, body: dict) -> str:
    return f"{path}/{body['id']}" if "id" in body else f"{path}/{body['namespace']}/{body['name']}"


@pytest.mark.parametrize(("path", "body"), CREATABLE.items())
def test_every_kind_can_be_created_read_listed_changed_and_deleted(http: TestClient, path: str, body: dict) -> None:
    made = http.post(path, json=body)
    assert made.status_code == 200
    assert made.json().items() >= body.items()
    assert http.get(place(path, body)).json() == made.json()
    assert http.get(path).json()["data"] == [made.json()]
    changed = http.patch(place(path, body), json={"description": "new"})
    assert changed.json()["description"] == "new"
    assert changed.json().items() >= body.items()
    gone = http.delete(place(path, body))
    assert gone.status_code == 200
    assert gone.json()["id"] == made.json()["id"]
    assert gone.json()["message"] == "Resource deleted successfully."
    assert http.get(place(path, body)).status_code == 404


@pytest.mark.parametrize(("path", "body"), CREATABLE.items())
def test_a_taken_name_is_a_conflict_that_is_not_worth_a_retry(http: TestClient, path: str, body: dict) -> None:
    http.post(path, json=body)
    again = http.post(path, json=body)
    assert again.status_code == 409
    assert again.headers["x-should-retry"] == "false"
    assert "already exists" in again.json()["detail"]


def test_a_namespace_uses_its_name_as_id_and_has_no_other_name(http: TestClient) -> None:
    made = http.post("/v1/namespaces", json={"id": "xlam-tutorial-ns"}).json()
    assert set(made) == {"id", "created_at", "updated_at", "description", "project", "custom_fields", "ownership"}
    assert made["custom_fields"] == {}


def test_a_dataset_answers_the_documented_fields(http: TestClient) -> None:
    made = http.post("/v1/datasets", json={"files_url": "hf://datasets/ns/d"}).json()
    assert made["name"] == made["id"]
    assert made["namespace"] == "default"
    assert made["custom_fields"] == {}
    assert all(made[field] is None for field in ("description", "format", "hf_endpoint", "split", "limit", "project"))


def test_patch_replaces_what_it_names_and_keeps_the_rest(http: TestClient) -> None:
    http.post("/v1/datasets", json=DATASET | {"custom_fields": {"a": 1}, "limit": 5})
    changed = http.patch("/v1/datasets/ns/d", json={"custom_fields": {"b": 2}, "limit": None}).json()
    assert changed["custom_fields"] == {"b": 2}
    assert changed["limit"] is None
    assert changed["files_url"] == DATASET["files_url"]


def test_the_blueprint_may_patch_with_the_full_payload(http: TestClient) -> None:
    http.post("/v1/datasets", json=DATASET)
    assert http.patch("/v1/datasets/ns/d", json=DATASET | {"description": "x"}).json()["description"] == "x"


@pytest.mark.parametrize(
    ("method", "path", "body", "where"),
    [
        ("POST", "/v1/datasets", {}, ["body", "files_url"]),
        ("POST", "/v1/datasets", DATASET | {"name": "a/b"}, ["body", "name"]),
        ("POST", "/v1/datasets", DATASET | {"limit": "many"}, ["body", "limit"]),
        ("POST", "/v1/models", {"artifact": {"status": "created"}}, ["body", "artifact", "files_url"]),
        ("POST", "/v1/models", {"peft": {"finetuning_type": "magic"}}, ["body", "peft", "finetuning_type"]),
        ("PATCH", "/v1/datasets/ns/d", {"files_url": None}, ["body", "files_url"]),
        ("GET", "/v1/datasets?page=0", None, ["query", "page"]),
        ("GET", "/v1/datasets?filter[x", None, ["query", "filter[x"]),
    ],
)
def test_a_bad_request_is_422_and_says_where(http: TestClient, method: str, path: str, body: dict, where: list) -> None:
    http.post("/v1/datasets", json=DATASET)
    answer = http.request(method, path, json=body)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == where


def test_a_missing_object_is_404_and_named(http: TestClient) -> None:
    answer = http.get("/v1/datasets/ns/none")
    assert (answer.status_code, answer.json()) == (404, {"detail": "dataset 'ns/none' not found"})


def test_names_keep_at_and_plus_in_paths(http: TestClient) -> None:
    http.post("/v1/models", json={"name": "m@v1.0.0+80GB", "namespace": "meta"})
    assert http.get("/v1/models/meta/m@v1.0.0+80GB").status_code == 200
    assert http.get("/v1/models/meta/m%40v1.0.0%2B80GB").json()["name"] == "m@v1.0.0+80GB"


def test_deleting_a_model_withdraws_its_adapter(http: TestClient, services: StoreServices) -> None:
    http.post("/v1/models", json={"name": "m@cust-1", "namespace": "ns"})
    http.delete("/v1/models/ns/m@cust-1")
    assert services.withdrawn == ["ns/m@cust-1"]


def test_an_api_key_of_a_model_is_never_stored(http: TestClient, tmp_path: Path) -> None:
    endpoint = {"url": "http://127.0.0.1:1/v1", "model_id": "m", "api_key": "canary-5a1b"}
    answer = http.post("/v1/models", json={"name": "m", "api_endpoint": endpoint})
    assert "canary-5a1b" not in answer.text
    assert all(b"canary-5a1b" not in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


def test_models_are_found_by_adapter_base_and_time(http: TestClient) -> None:
    http.post("/v1/models", json={"name": "base", "namespace": "meta"})
    http.post(
        "/v1/models",
        json={"name": "m", "namespace": "ns", "base_model": "meta/base", "peft": {"finetuning_type": "lora"}},
    )
    for query in (
        "filter[peft][lora]=true",
        "filter%5Bbase_model%5D=meta%2Fbase",
        "filter[namespace]=ns&sort=-created_at",
        "filter[peft]=true&filter[created_at][gte]=2025-01-01",
        "search[name]=m&search[base_model]=base",
    ):
        page = http.get(f"/v1/models?{query}").json()
        assert [model["name"] for model in page["data"]] == ["m"], query
