"""The table of what is there: every row OK, or with what is wrong and what to do. Against small HTTP servers."""

from types import SimpleNamespace

import pytest

from helpers import data_store, doctor, state
from helpers.platform import at
from tests.recorder import Recorder, Reply

BASE = "huggingfacetb/smollm2-135m-instruct"
LISTS = (
    "/v1/datastore/namespaces",
    "/v1/namespaces",
    "/v1/customization/configs",
    "/v1/evaluation/configs",
    "/v1/guardrail/configs",
    "/v1/deployment/model-deployments",
    "/v1/models",
)


@pytest.fixture
def config(tmp_path) -> SimpleNamespace:
    return SimpleNamespace(
        NEMO_URL="", NDS_URL="", NIM_URL="", NDS_TOKEN="", LOCAL_STATE=str(tmp_path / "state"), DATA_DIR=str(tmp_path),
        HF_TOKEN="", WANDB_API_KEY="", NVIDIA_API_KEY="", BASE_MODEL=BASE, BASE_MODEL_VERSION="v1.0.0+cpu",
        DATASET="bfcl", NMS_NAMESPACE="ns", DATASET_NAME="rows",
    )  # fmt: skip


@pytest.fixture
def server(monkeypatch, tmp_path):
    """All services up, nothing of the tutorial done yet."""
    monkeypatch.setattr("config.RESULTS_DIR", str(tmp_path / "results"))
    with Recorder() as recorder:
        recorder.enqueue(Reply(404, json={"detail": "not there"}))
        for path in LISTS:
            recorder.route("GET", path, Reply(json={"data": []}))
        recorder.route("GET", "/v1/datasets", Reply(json={"data": []}))
        recorder.route("GET", "/nim/v1/models", Reply(json={"data": [{"id": BASE}]}))
        recorder.route("GET", f"/v1/customization/configs/{BASE}@v1.0.0+cpu", Reply(json={}))
        yield recorder


def check(config, server) -> dict[str, doctor.Row]:
    return {row.part: row for row in doctor.check(config, at(server.url, server.url, server.url + "/nim"))}


def test_a_fresh_platform_has_nothing_wrong(config, server):
    rows = check(config, server)
    assert [row for row in rows.values() if row.status == "wrong"] == []
    assert rows["base model"].fact == f"{BASE} is served"
    assert (rows["dataset"].status, rows["dataset"].next_step) == ("later", "notebook 2 creates and fills it.")
    assert rows["files of notebook 1"].status == "later"
    assert rows["WANDB_API_KEY"].status == "not set"


def test_a_service_that_is_down_is_one_row_with_what_to_do(config, server):
    server.route("GET", "/v1/evaluation/configs", Reply(500, json={"detail": "database is locked"}))
    row = check(config, server)["Evaluator"]
    assert (row.status, "database is locked" in row.fact) == ("wrong", True)
    assert row.next_step


def test_a_base_model_that_is_not_served_lists_what_is(config, server):
    server.route("GET", "/nim/v1/models", Reply(json={"data": [{"id": "meta/other"}]}))
    row = check(config, server)["base model"]
    assert (row.status, row.fact) == ("wrong", f"{BASE} is not among meta/other")


def test_a_configuration_that_does_not_exist_lists_those_that_do(config, server):
    config.BASE_MODEL_VERSION = "v9"
    listed = {"data": [{"namespace": "meta", "name": "llama@v1"}]}
    server.route("GET", "/v1/customization/configs", Reply(json=listed))
    row = check(config, server)["model to train"]
    assert row.status == "wrong"
    assert "it has meta/llama@v1" in row.fact


def test_a_customized_model_that_vanished_is_wrong(config, server):
    state.save("customized_model", "ns/m@cust-1")
    assert check(config, server)["customized model"].status == "wrong"
    server.route("GET", "/nim/v1/models", Reply(json={"data": [{"id": BASE}, {"id": "ns/m@cust-1"}]}))
    assert check(config, server)["customized model"].status == "OK"


@pytest.mark.parametrize(("content", "status"), [(b'{"n": 1}\n', "OK"), (b'{"n": 3}\n', "wrong")])
def test_a_flipped_byte_in_the_store_is_named(config, server, content, status):
    entry = {"type": "file", "path": "training/t.jsonl", "size": 9, "oid": data_store.git_oid(b'{"n": 1}\n')}
    hub = "/v1/hf/api/datasets/ns/rows"
    server.route("GET", "/v1/datasets", Reply(json={"data": [{"files_url": "hf://datasets/ns/rows"}]}))
    server.route("GET", "/v1/datasets/ns/rows", Reply(json={"name": "rows"}))
    server.route("GET", hub, Reply(json={"id": "ns/rows", "sha": "a" * 40}))
    server.route("GET", f"{hub}/tree/main", Reply(json=[entry]))
    server.route("GET", "/v1/hf/datasets/ns/rows/resolve/main/training/t.jsonl", Reply(body=content))
    rows = check(config, server)
    assert rows["dataset"].fact == "ns/rows at commit aaaaaaaa"
    assert rows["stored files"].status == status
    assert ("ns/rows/training/t.jsonl" in rows["stored files"].fact) == (status == "wrong")


@pytest.mark.parametrize(("content", "status"), [(b"weights", "OK"), (b"weighty", "wrong")])
def test_the_files_of_a_model_are_those_of_its_version(config, server, content, status):
    """`hf://ns/m@cust-1` is revision cust-1 of ns/m; a model that is still being trained has no files yet."""
    models = [
        {"artifact": {"status": "upload_completed", "files_url": "hf://ns/m@cust-1"}},
        {"artifact": {"status": "created", "files_url": "hf://ns/m@cust-2"}},
    ]
    entry = {"type": "file", "path": "adapter", "size": 7, "oid": data_store.git_oid(b"weights")}
    server.route("GET", "/v1/models", Reply(json={"data": models}))
    server.route("GET", "/v1/hf/api/models/ns/m/tree/cust-1", Reply(json=[entry]))
    server.route("GET", "/v1/hf/ns/m/resolve/cust-1/adapter", Reply(body=content))
    assert check(config, server)["stored files"].status == status


def test_without_a_platform_the_rest_is_still_checked(config, tmp_path):
    rows = {row.part: row for row in doctor.check(config)}
    assert (rows["platform"].status, rows["files of notebook 1"].status) == ("wrong", "later")
    assert "make serve" in rows["platform"].next_step


def test_keys_are_never_shown(config, server):
    config.HF_TOKEN = config.WANDB_API_KEY = config.NVIDIA_API_KEY = config.NDS_TOKEN = "canary"
    rows = check(config, server)
    assert rows["WANDB_API_KEY"] == doctor.Row("WANDB_API_KEY", "OK", "set")
    assert "canary" not in str(rows) + doctor.table(list(rows.values())).to_string()


def test_the_command_ends_with_1_when_something_is_wrong(config, server, monkeypatch, capsys):
    monkeypatch.setattr(doctor, "check", lambda config: [doctor.Row("NIM", "wrong", "it is down", "start it.")])
    assert doctor.main() == 1
    assert capsys.readouterr().out.split() == ["wrong", "NIM", "it", "is", "down", "->", "start", "it."]
    monkeypatch.setattr(doctor, "check", lambda config: [doctor.Row("NIM", "later", "not yet")])
    assert doctor.main() == 0
