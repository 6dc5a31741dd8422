"""Who may send a request and what a body may hold: hosts, origins, sizes, depths, and no traceback in any answer."""

import re
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from local_nemo.api.guards import BODY_LIMIT
from tests.faults import FOREIGN
from tests.store_app import StoreServices, client, open_services

JSON = {"content-type": "application/json"}


@pytest.fixture
def services(tmp_path: Path) -> StoreServices:
    return open_services(tmp_path)


@pytest.fixture
def http(services: StoreServices) -> TestClient:
    return client(services)


@pytest.mark.parametrize("host", ["localhost", "localhost:1", "127.0.0.1:8900", "[::1]:8900", "LOCALHOST:80"])
def test_loopback_hosts_are_answered(http: TestClient, host: str) -> None:
    assert http.get("/health", headers={"host": host}).status_code == 200


@pytest.mark.faults
@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8900", "127.0.0.1.evil.example", "localhost@evil", "", "10.0.0.1"]
)
@FOREIGN.trial()
def test_a_name_that_was_rebound_to_loopback_is_refused(http: TestClient, host: str) -> None:
    answer = http.get("/health", headers={"host": host})
    assert answer.status_code == 403
    assert "is not this machine" in answer.json()["detail"]


@pytest.mark.faults
@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:8888", "https://127.0.0.1.evil:8900"]
)
@FOREIGN.trial()
def test_a_page_of_another_origin_may_not_post(http: TestClient, origin: str) -> None:
    answer = http.post("/v1/datastore/namespaces", data={"namespace": "ns"}, headers={"origin": origin})
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers
    assert http.get("/v1/datastore/namespaces/ns").status_code == 404


def test_our_own_page_may_post(http: TestClient) -> None:
    headers = {"origin": "http://127.0.0.1:8900", "sec-fetch-site": "same-origin"}
    assert http.post("/v1/namespaces", json={"id": "ns"}, headers=headers).status_code == 200
    assert http.post("/v1/namespaces", json={"id": "n"}, headers={"sec-fetch-site": "cross-site"}).status_code == 403


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"{", "JSON decode error"),
        (b"[" * 100_000, "nested deeper than 100 levels"),
        (b'{"a":' * 1000 + b"1" + b"}" * 1000, "nested deeper"),
        (b'{"custom_fields": {"a": NaN}}', "NaN is not a JSON number"),
        (b'{"custom_fields": {"a": 1e999}}', "out of range"),
        (b'{"custom_fields": {"a": ' + b"9" * 5000 + b"}}", "JSON decode error"),
        (b'{"description": "\\ud800"}', "surrogates"),
        (b'{"description": "\xff"}', "utf-8"),
    ],
)
def test_json_that_could_not_be_given_back_is_422(http: TestClient, body: bytes, reason: str) -> None:
    answer = http.post("/v1/models", content=body, headers=JSON)
    assert answer.status_code == 422
    assert reason in answer.text


def test_braces_inside_text_are_not_depth(http: TestClient) -> None:
    assert http.post("/v1/models", json={"description": '[{"' * 1000}).status_code == 200


def test_a_body_above_the_limit_is_413_declared_or_not(http: TestClient) -> None:
    def pieces():
        for _ in range(BODY_LIMIT // 2**20 + 1):
            yield b" " * 2**20

    assert http.post("/v1/models", content=pieces(), headers=JSON).status_code == 413
    declared = {"content-length": str(BODY_LIMIT + 1)} | JSON
    assert http.post("/v1/models", content=b"{}", headers=declared).status_code == 413


def test_a_compressed_body_is_415(http: TestClient) -> None:
    assert http.post("/v1/models", content=b"\x1f\x8b", headers=JSON | {"content-encoding": "gzip"}).status_code == 415


def test_delete_with_json_content_type_and_no_body_is_fine(http: TestClient) -> None:
    http.post("/v1/namespaces", json={"id": "ns"})
    assert http.delete("/v1/namespaces/ns", headers=JSON).status_code == 200


def test_unknown_paths_and_methods_are_json_and_say_where_to_look(http: TestClient) -> None:
    for answer, status in ((http.get("/v1/nothing"), 404), (http.put("/v1/models"), 405)):
        assert answer.status_code == status
        assert "/docs" in answer.json()["detail"]


def test_who_asks_a_model_without_nim_in_the_path_is_told(http: TestClient) -> None:
    detail = http.post("/v1/chat/completions", json={}).json()["detail"]
    assert "models are asked under /nim: POST /nim/v1/chat/completions" in detail


def test_an_unexpected_error_is_500_without_a_traceback(http: TestClient, services: StoreServices) -> None:
    services.entities.page = None  # type: ignore[method-assign, assignment]
    answer = http.get("/v1/models")
    assert answer.status_code == 500
    assert "Traceback" not in answer.text and "NoneType" not in answer.text
    assert "server.log" in answer.json()["detail"]


def test_a_trailing_slash_is_tolerated(http: TestClient) -> None:
    assert http.post("/v1/namespaces/", json={"id": "ns"}).status_code == 200
    assert http.get("/v1/namespaces/ns/").status_code == 200


@pytest.mark.endpoint("GET /health", "GET /v1/health", "GET /v1/health/live", "GET /v1/health/ready")
def test_health_is_answered(http: TestClient) -> None:
    for path in ("/health", "/v1/health", "/v1/health/live", "/v1/health/ready"):
        assert http.get(path).status_code == 200


def test_the_page_of_the_api_loads_nothing_from_elsewhere(http: TestClient) -> None:
    page = http.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "/v1/datasets/{namespace}/{name}" in page.text
    assert "<script" not in page.text and "src=" not in page.text and "url(" not in page.text
    assert all(link.startswith(("/", "#")) for link in re.findall(r"href='([^']*)", page.text))


def test_every_operation_has_a_summary_a_tag_and_an_id_of_its_own(http: TestClient) -> None:
    schema = http.get("/openapi.json").json()
    operations = [one for methods in schema["paths"].values() for one in methods.values()]
    assert all(one.get("summary") and one.get("tags") for one in operations)
    ids = [one["operationId"] for one in operations]
    assert len(ids) == len(set(ids))
