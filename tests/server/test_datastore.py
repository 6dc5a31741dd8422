"""Data Store over HTTP: namespaces in three encodings, the Hub protocol's bodies and headers, and bad uploads."""

import base64
import hashlib
import json
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from tests.store_app import StoreServices, client, open_services

HUB = "/v1/hf"
REPO = f"{HUB}/api/datasets/ns/data"


@pytest.fixture
def services(tmp_path: Path) -> StoreServices:
    made = open_services(tmp_path)
    made.files.create_repo("datasets", "ns/data")
    return made


@pytest.fixture
def http(services: StoreServices) -> TestClient:
    return client(services)


def lines(*entries: dict) -> bytes:
    return b"\n".join(json.dumps(entry).encode() for entry in entries)


def header(**more: str) -> dict:
    return {"key": "header", "value": {"summary": "change", "description": "", **more}}


def file(path: str, content: bytes) -> dict:
    text = base64.b64encode(content).decode()
    return {"key": "file", "value": {"content": text, "path": path, "encoding": "base64"}}


def commit(http: TestClient, *entries: dict):
    return http.post(f"{REPO}/commit/main", content=lines(*entries), headers={"content-type": "application/x-ndjson"})


def read(http: TestClient, path: str, revision: str = "main", **options):
    return http.get(f"{HUB}/datasets/ns/data/resolve/{revision}/{path}", **options)


@pytest.mark.parametrize("how", ["data", "json", "files"])
@pytest.mark.endpoint(
    "POST /v1/datastore/namespaces",
    "GET /v1/datastore/namespaces",
    "GET /v1/datastore/namespaces/{namespace}",
    "DELETE /v1/datastore/namespaces/{namespace}",
)
def test_a_namespace_is_created_from_form_json_and_multipart(http: TestClient, how: str) -> None:
    body = {"namespace": (None, "my-ns")} if how == "files" else {"namespace": "my-ns"}
    made = http.post("/v1/datastore/namespaces", **{how: body})
    assert made.status_code == 201
    assert made.json()["namespace"] == "my-ns"
    assert made.json()["created_at"].endswith("Z") and len(made.json()["created_at"]) == 20
    assert http.post("/v1/datastore/namespaces/", **{how: body}).status_code == 409
    assert http.get("/v1/datastore/namespaces/my-ns").status_code == 201
    assert [one["namespace"] for one in http.get("/v1/datastore/namespaces/").json()["data"]] == ["my-ns"]
    assert http.delete("/v1/datastore/namespaces/my-ns").status_code == 204
    assert http.get("/v1/datastore/namespaces/my-ns").status_code == 404


@pytest.mark.parametrize(
    "request_",
    [
        {"data": {}},
        {"data": {"namespace": "../x"}},
        {"json": {"namespace": 5}},
        {"json": []},
        {"content": b"{", "headers": {"content-type": "application/json"}},
        {},
    ],
)
def test_a_namespace_body_that_is_none_is_422(http: TestClient, request_: dict) -> None:
    assert http.post("/v1/datastore/namespaces", **request_).status_code == 422


def test_a_form_in_another_encoding_is_400(http: TestClient) -> None:
    kind = {"content-type": "application/x-www-form-urlencoded"}
    answer = http.post("/v1/datastore/namespaces", content=b"namespace=%ff%fe\xff", headers=kind)
    assert answer.status_code in (400, 422)


def test_a_namespace_that_holds_repositories_is_not_deleted(http: TestClient) -> None:
    http.post("/v1/datastore/namespaces", data={"namespace": "ns"})
    answer = http.delete("/v1/datastore/namespaces/ns")
    assert answer.status_code == 409
    assert "holds 1 repositories" in answer.json()["detail"]


def test_create_answers_the_url_also_when_the_repository_exists(http: TestClient) -> None:
    body = {"name": "new", "organization": "ns", "type": "dataset", "visibility": "private"}
    made = http.post(f"{HUB}/api/repos/create", json=body)
    again = http.post(f"{HUB}/api/repos/create", json=body)
    assert (made.status_code, again.status_code) == (200, 409)
    assert made.json()["url"] == again.json()["url"] == "http://127.0.0.1:8900/v1/hf/datasets/ns/new"
    assert "already created" in again.json()["error"]


def test_a_commit_answers_oid_and_full_url(http: TestClient) -> None:
    answer = commit(http, header(), file("a.txt", b"hello"))
    assert answer.status_code == 200
    body = answer.json()
    assert body["success"] is True
    assert len(body["commitOid"]) == 40
    assert body["commitUrl"] == f"http://127.0.0.1:8900/v1/hf/datasets/ns/data/commit/{body['commitOid']}"
    assert read(http, "a.txt").content == b"hello"


def test_preupload_says_regular_and_the_oid_of_what_is_there(http: TestClient) -> None:
    commit(http, header(), file("a.txt", b"hello\n"))
    asked = {"files": [{"path": "a.txt", "sample": "", "size": 6}, {"path": "b.bin", "sample": "", "size": 10**10}]}
    answer = http.post(f"{REPO}/preupload/main", json=asked).json()
    assert [one["uploadMode"] for one in answer["files"]] == ["regular", "regular"]
    assert answer["files"][0]["oid"] == "ce013625030ba8dba906f756967f9e9ca394464a"
    assert "oid" not in answer["files"][1]


def test_head_and_get_carry_the_headers_that_clients_need(http: TestClient) -> None:
    oid = commit(http, header(), file("dir/a.html", b"<script>")).json()["commitOid"]
    answer = http.head(f"{HUB}/datasets/ns/data/resolve/main/dir/a.html")
    assert answer.status_code == 200
    assert answer.content == b""
    assert answer.headers["x-repo-commit"] == oid
    assert answer.headers["content-length"] == "8"
    assert answer.headers["accept-ranges"] == "bytes"
    assert answer.headers["etag"] == f'"{hashlib.sha1(b"blob 8" + bytes(1) + b"<script>").hexdigest()}"'
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")


def test_a_range_is_206_and_past_the_end_416(http: TestClient) -> None:
    commit(http, header(), file("a", b"0123456789"))
    part = read(http, "a", headers={"range": "bytes=4-"})
    assert (part.status_code, part.content, part.headers["content-range"]) == (206, b"456789", "bytes 4-9/10")
    assert read(http, "a", headers={"range": "bytes=10-"}).status_code == 416
    assert read(http, "a", headers={"range": "bytes=zz"}).status_code == 400


@pytest.mark.parametrize(
    ("path", "code"),
    [
        (f"{HUB}/api/datasets/ns/none", "RepoNotFound"),
        (f"{HUB}/api/datasets/ns/none/tree/main", "RepoNotFound"),
        (f"{REPO}/revision/nope", "RevisionNotFound"),
        (f"{REPO}/revision/refs/convert/parquet", "RevisionNotFound"),
        (f"{REPO}/tree/main/no/folder", "EntryNotFound"),
        (f"{HUB}/datasets/ns/data/resolve/main/no.txt", "EntryNotFound"),
        (f"{HUB}/datasets/ns/data/resolve/main/%2e%2e/%2e%2e/nemo.db", "EntryNotFound"),
        (f"{HUB}/datasets/ns/data/resolve/main/a%00b", "EntryNotFound"),
    ],
)
def test_what_is_missing_is_told_by_header(http: TestClient, path: str, code: str) -> None:
    answer = http.get(path)
    assert (answer.status_code, answer.headers["x-error-code"]) == (404, code)
    assert answer.json()["error"]
    if code == "EntryNotFound":
        assert len(answer.headers["x-repo-commit"]) == 40


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ([file("a", b"x")], "no header"),
        ([header(), {"key": "file", "value": {"content": "%%%", "path": "a", "encoding": "base64"}}], "line 2"),
        ([header(), {"key": "file", "value": {"path": "a"}}], "line 2"),
        ([header(), {"key": "magic", "value": {}}], "'magic' is not supported"),
        ([header(), file("../a", b"x")], "is refused"),
        ([header(), file("a\\b", b"x")], "is refused"),
        ([header(), {"key": "lfsFile", "value": {"path": "a", "oid": "0" * 64, "algo": "sha256"}}], "upload it first"),
        ([header(), {"key": "lfsFile", "value": {"path": "a", "oid": "../../x", "algo": "sha256"}}], "64 hex digits"),
        ([header(), ["list"]], "line 2"),
    ],
)
def test_a_commit_that_is_none_is_400_and_changes_nothing(
    http: TestClient, services: StoreServices, entries: list, reason: str
) -> None:
    answer = commit(http, *entries)
    assert answer.status_code == 400
    assert reason in answer.json()["error"]
    assert services.files.tree("datasets", "ns/data") == []


def test_a_commit_in_another_encoding_or_compressed_is_refused(http: TestClient) -> None:
    assert http.post(f"{REPO}/commit/main", content=b"\xff\xfe\x00").status_code == 400
    assert http.post(f"{REPO}/commit/main", content=b"x", headers={"content-encoding": "gzip"}).status_code == 415
    assert http.post(f"{REPO}/commit/dev", content=lines(header())).headers["x-error-code"] == "RevisionNotFound"


def test_a_stale_parent_is_412(http: TestClient, services: StoreServices) -> None:
    old = services.files.info("datasets", "ns/data").sha
    assert commit(http, header(parentCommit=old), file("a", b"1")).status_code == 200
    assert commit(http, header(parentCommit=old), file("a", b"2")).status_code == 412
    assert read(http, "a").content == b"1"


@pytest.mark.parametrize("size", [0, 1, 2**20 - 70, 2**20, 2**20 + 1, 4 * 2**20 + 3, 9 * 2**20 + 1])
def test_contents_of_any_size_arrive_whole_between_other_lines(http: TestClient, size: int) -> None:
    content = bytes(range(256)) * (size // 256) + bytes(range(size % 256))
    answer = commit(http, header(), file("first", b"1"), file("big", content), file("last", b"2"))
    assert answer.status_code == 200, answer.text
    assert [read(http, name).content for name in ("first", "big", "last")] == [b"1", content, b"2"]


def test_a_content_that_ends_too_early_is_400(http: TestClient, services: StoreServices) -> None:
    whole = lines(header(), file("big", b"x" * 3_000_000))
    answer = http.post(f"{REPO}/commit/main", content=whole[:2_000_000])
    assert answer.status_code == 400
    assert "ends inside a content" in answer.json()["error"]
    assert list(services.files.blobs.all()) == []


@pytest.mark.endpoint(
    "POST /v1/hf/datasets/{namespace}/{name}.git/info/lfs/objects/batch",
    "POST /v1/hf/{namespace}/{name}.git/info/lfs/objects/batch",
    "PUT /v1/hf/lfs/{oid}",
    "GET /v1/hf/lfs/{oid}",
    "POST /v1/hf/lfs/verify",
)
def test_lfs_uploads_are_verified_by_hash(http: TestClient) -> None:
    content = b"large" * 1000
    oid = hashlib.sha256(content).hexdigest()
    ask = {"operation": "upload", "transfers": ["basic"], "objects": [{"oid": oid, "size": len(content)}]}
    batch = f"{HUB}/datasets/ns/data.git/info/lfs/objects/batch"
    answer = http.post(batch, json=ask, headers={"content-type": "application/vnd.git-lfs+json"}).json()
    upload = answer["objects"][0]["actions"]["upload"]["href"]
    assert http.put(upload, content=content[:-1]).status_code == 400
    assert http.post(f"{HUB}/lfs/verify", json={"oid": oid, "size": len(content)}).status_code == 404
    assert http.put(upload, content=content).status_code == 200
    assert http.post(f"{HUB}/lfs/verify", json={"oid": oid, "size": len(content)}).status_code == 200
    assert "actions" not in http.post(batch, json=ask).json()["objects"][0]
    entry = {"key": "lfsFile", "value": {"path": "big.bin", "algo": "sha256", "oid": oid, "size": len(content)}}
    assert commit(http, header(), entry).status_code == 200
    assert read(http, "big.bin").content == content
    assert http.get(f"{HUB}/lfs/{oid}").content == content
    http.post(f"{HUB}/api/repos/create", json={"name": "model", "organization": "ns"})
    known = http.post(f"{HUB}/ns/model.git/info/lfs/objects/batch", json=ask).json()["objects"][0]
    assert "actions" not in known, "a content is stored once for all repositories"


def test_metadata_of_a_readme_is_checked(http: TestClient) -> None:
    def errors(content: str) -> list:
        return http.post(f"{HUB}/api/validate-yaml", json={"content": content, "repoType": "dataset"}).json()["errors"]

    assert errors("---\nlicense: mit\n---\ntext") == []
    assert errors("no block") == []
    assert len(errors("---\na: [\n---\n")) == 1


@pytest.mark.endpoint("GET /v1/datastore/integrity")
def test_integrity_finds_a_flipped_byte(http: TestClient, services: StoreServices) -> None:
    commit(http, header(), file("a", b"hello"))
    assert http.get("/v1/datastore/integrity").json() == {"status": "ok", "damaged": []}
    place = services.files.path("datasets", "ns/data", "a")
    place.chmod(0o644)
    place.write_bytes(b"hellO")
    answer = http.get("/v1/datastore/integrity").json()
    assert answer["status"] == "damaged"
    assert answer["damaged"][0].startswith("datasets/ns/data/a: ")
