"""The helpers read what the real services have answered: recorded shapes of 2025, oddities included."""

import io

import pytest

from helpers import customizer, data_store, deployments, entity_store, errors, evaluator, guardrails, jobs
from helpers.http import Timeouts
from helpers.progress import Line
from tests.recorder import Reply

REPO = "xlam-tutorial-ns/xlam-ft-dataset"


APRIL_STATUS = {
    "created_at": "2025-04-08T07:05:53.328702",
    "updated_at": "2025-04-08T07:26:36.749083",
    "status": "completed",
    "steps_completed": 438,
    "epochs_completed": 2,
    "percentage_done": 100.0,
    "best_epoch": 1,
    "train_loss": 0.0528,
    "val_loss": 0.0474,
    "metrics": {
        "keys": ["train_loss", "val_loss"],
        "metrics": {
            "train_loss": [{"value": 1.7395, "step": 9, "timestamp": "2025-04-08T07:07:50.318152"}],
            "val_loss": [
                {"value": 0.0474, "step": 218, "timestamp": "2025-04-08T07:16:50"},
                {"value": 0.0457, "step": 437, "timestamp": "2025-04-08T07:26:30"},
            ],
        },
    },
    "status_logs": [
        {"updated_at": "2025-04-08T07:05:53", "message": "PVCCreated", "detail": None},
        {"updated_at": "2025-04-08T07:05:53", "message": "EntityHandler_0_Created", "detail": None},
        {"updated_at": "2025-04-08T07:05:53", "message": "created", "detail": None},
    ],
}
APRIL_JOB = {
    "id": "cust-BTkGbfifLfEAjV2THu3tas",
    "config": {"base_model": "meta/llama-3.2-1b-instruct", "precision": "bf16-mixed", "num_gpus": 1},
    "dataset": REPO,
    "output_model": "xlam-tutorial-ns/llama-3.2-1b-xlam-run1@cust-BTkGbfifLfEAjV2THu3tas",
    "hyperparameters": {"training_type": "sft", "finetuning_type": "lora", "epochs": 2},
    "status": "completed",
    "status_details": APRIL_STATUS,
}


def test_the_training_of_april_2025_is_read(recorder, platform):
    recorder.enqueue(Reply(json=APRIL_JOB))
    stream = io.StringIO()
    job = customizer.wait(platform, APRIL_JOB["id"], line=Line(stream=stream))
    assert "loss 1.740, val loss 0.046" in stream.getvalue()
    assert customizer.losses(job)["val_loss"][-1]["value"] == 0.0457
    figures = customizer.figures(job)
    assert figures["steps"] == 438
    assert figures["wall_s"] == pytest.approx(1243.4, abs=0.1)
    assert figures["train_loss"] == [1.7395]


def test_the_job_of_june_2025_that_failed_at_100_percent_is_a_failure(recorder, platform):
    details = APRIL_STATUS | {"status": "failed", "elapsed_time": 0.0, "steps_per_epoch": 219}
    recorder.enqueue(Reply(json=APRIL_JOB | {"status": "failed", "status_details": details}))
    with pytest.raises(errors.JobFailed, match=r"'failed' at 100 %"):
        customizer.wait(platform, APRIL_JOB["id"], line=Line(stream=io.StringIO()))


def test_a_job_without_any_details_can_be_waited_for(recorder, platform):
    bare = {"id": "cust-1", "status": "running"}
    recorder.enqueue(
        Reply(json=bare), Reply(json=bare | {"status_details": None}), Reply(json={**bare, "status": "completed"})
    )
    customizer.wait(platform, "cust-1", sleep=lambda _: None, line=Line(stream=io.StringIO()))


def test_a_namespace_that_is_answered_with_201_on_get_exists(recorder, platform):
    recorder.enqueue(Reply(201, json={"namespace": "xlam-tutorial-ns", "created_at": "2025-06-20T03:56:39Z"}))
    assert data_store.ensure_namespace(platform, "xlam-tutorial-ns") is False
    assert recorder.calls() == ["GET /v1/datastore/namespaces/xlam-tutorial-ns"]


def test_a_namespace_that_somebody_else_creates_meanwhile_is_fine(recorder, platform):
    recorder.enqueue(Reply(404, json={"detail": "not found"}), Reply(409, json={"detail": "exists"}))
    assert data_store.ensure_namespace(platform, "xlam-tutorial-ns") is False


def test_an_upload_with_an_empty_commit_url_has_succeeded(recorder, platform, tmp_path):
    file = tmp_path / "training.jsonl"
    file.write_text('{"messages": []}\n')
    hub = f"/v1/hf/api/datasets/{REPO}"
    stored = {
        "type": "file",
        "path": "training/training.jsonl",
        "size": 17,
        "oid": data_store.git_oid(file.read_bytes()),
    }
    upload = {"path": "training/training.jsonl", "uploadMode": "regular", "shouldIgnore": False}
    recorder.route("GET", hub, Reply(json={"id": REPO, "sha": "b" * 40}))
    recorder.route("GET", f"{hub}/tree/main", Reply(json=[]), Reply(json=[stored]))
    recorder.route("POST", f"{hub}/preupload/main", Reply(json={"files": [upload]}))
    recorder.route("POST", f"{hub}/commit/main", Reply(json={"success": True, "commitOid": "b" * 40, "commitUrl": ""}))
    first = data_store.upload(platform, REPO, {"training/training.jsonl": file})
    assert (first.commit, first.sent) == ("b" * 40, ("training/training.jsonl",))
    again = data_store.upload(platform, REPO, {"training/training.jsonl": file})
    assert (again.commit, again.sent) == ("b" * 40, ())
    assert recorder.calls().count(f"POST {hub}/commit/main") == 1


def test_a_list_page_without_pagination_is_read(recorder, platform):
    recorder.enqueue(Reply(json={"object": "list", "data": [{"id": "cust-1"}]}))
    assert customizer.list_jobs(platform) == [{"id": "cust-1"}]


def test_a_deployment_that_exists_is_answered_with_500_and_waited_for(recorder, platform, capsys):
    request = deployments.nim_request("meta/llama-3.2-1b-instruct")
    served = {"data": [{"id": "meta/llama-3.2-1b-instruct"}]}
    base = "/v1/deployment/model-deployments"
    exists = Reply(500, body=b"model deployment already exists", headers={"Content-Type": "text/plain"})
    pending = {"deployed": False, "status_details": {"status": "pending", "description": "Model deployment created"}}
    ready = {"deployed": True, "status_details": {"status": "ready", "description": "successfully rolled out\n"}}
    recorder.route("GET", "/nim/v1/models", Reply(json={"data": []}), Reply(json=served))
    recorder.route("POST", base, exists)
    recorder.route("GET", f"{base}/meta/llama-3.2-1b-instruct", Reply(json=pending), Reply(json=ready))
    assert deployments.ensure_nim(platform, request, poll=0.01) == "meta/llama-3.2-1b-instruct"


def test_a_deployment_that_fails_says_why(recorder, platform):
    failed = {"status_details": {"status": "failed", "description": "Insufficient nvidia.com/gpu"}}
    recorder.enqueue(Reply(json=failed))
    with pytest.raises(errors.DeploymentFailed, match="Insufficient nvidia.com/gpu"):
        deployments.wait_until_ready(platform, "meta/x")


def test_the_result_of_april_2025_is_read():
    stats = {"count": 50, "sum": 6.0, "mean": 0.12}
    result = {
        "tasks": {
            "custom-tool-calling": {
                "metrics": {
                    "tool-calling-accuracy": {"scores": {"function_name_accuracy": {"value": 0.12, "stats": stats}}}
                }
            }
        }
    }
    assert evaluator.scores(result) == {"function_name_accuracy": {"value": 0.12, "count": 50}}


def test_progress_that_is_null_at_first_is_no_trouble():
    details = {"message": None, "task_status": {}, "progress": None}
    text = jobs.describe(jobs.EVALUATION, {"id": "e", "status": "running", "status_details": details}, elapsed=1.0)
    assert "evaluation running" in text


def test_a_download_that_is_no_zip_is_refused(recorder, platform, tmp_path):
    recorder.enqueue(Reply(json={"detail": "not ready"}))
    with pytest.raises(errors.UnexpectedReply, match="not a ZIP file"):
        evaluator.download(platform, "eval-1", tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("success", "allowed"),
        ("blocked", "blocked"),
        ("unknown", "unreadable"),
        (None, "unreadable"),
        ("SUCCESS", "unreadable"),
    ],
)
def test_only_the_word_success_allows(status, outcome):
    assert guardrails.outcome({"status": status}) == outcome
    assert guardrails.outcome({}) == "unreadable"


def test_the_dataset_entity_is_brought_to_the_wanted_values_and_then_left_alone(recorder, platform):
    stored = {"name": "d", "namespace": "ns", "files_url": "hf://datasets/ns/old", "description": None}
    recorder.enqueue(Reply(json=stored), Reply(json=stored | {"files_url": "hf://datasets/ns/d"}))
    wanted = {"namespace": "ns", "name": "d", "files_url": "hf://datasets/ns/d"}
    assert entity_store.ensure_dataset(platform, **wanted)["files_url"] == "hf://datasets/ns/d"
    assert entity_store.ensure_dataset(platform, **wanted)["files_url"] == "hf://datasets/ns/d"
    assert [asked.method for asked in recorder.asked] == ["GET", "PATCH", "GET"]
    assert recorder.asked[1].json == {"files_url": "hf://datasets/ns/d"}


RECIPE = {
    "config": "c",
    "dataset": {"name": "d", "namespace": "ns"},
    "hyperparameters": {"epochs": 2},
    "output_model": "ns/m",
}


def test_a_training_is_reused_only_if_everything_that_matters_is_equal(recorder, platform, capsys):
    def job(status: str, commit: str = "c1", **changes) -> dict:
        fields = {"recipe": customizer.recipe(RECIPE | changes, commit)}
        return {"id": f"cust-{status}", "status": status, "custom_fields": fields, "output_model": "ns/m@x"}

    def find(*stored: dict) -> dict | None:
        recorder.route("GET", "/v1/customization/jobs", Reply(json={"data": list(stored)}))
        return customizer.find_job(platform, RECIPE, dataset_commit="c1")

    recorder.route("GET", "/v1/models/ns/m@x", Reply(json={"name": "m@x"}))
    assert find(job("completed"))["id"] == "cust-completed"
    assert find(job("running"), job("completed"))["id"] == "cust-completed"
    assert find(job("running"))["id"] == "cust-running"
    assert find(job("failed"), job("cancelled")) is None
    assert find(job("completed", commit="c2")) is None
    assert find(job("completed", hyperparameters={"epochs": 3})) is None
    assert find({"id": "foreign", "status": "completed", "custom_fields": None}) is None
    recorder.route("GET", "/v1/models/ns/m@x", Reply(404, json={"detail": "gone"}))
    assert find(job("completed")) is None, "its model was deleted"


def test_reusing_is_said(recorder, platform, capsys):
    fields = {"recipe": customizer.recipe(RECIPE, "c1234567890")}
    done = {"id": "cust-1", "status": "completed", "custom_fields": fields, "output_model": "ns/m@x"}
    recorder.route("GET", "/v1/models/ns/m@x", Reply(json={}))
    recorder.enqueue(Reply(json={"data": [done]}))
    assert customizer.ensure_job(platform, RECIPE, dataset_commit="c1234567890")["id"] == "cust-1"
    assert "Reusing job cust-1 (completed): same dataset commit c1234567" in capsys.readouterr().out


def test_a_missing_configuration_lists_those_that_exist(recorder, platform):
    recorder.route("GET", "/v1/customization/configs/meta/x@v1", Reply(404, json={"detail": "no"}))
    listed = {"data": [{"namespace": "meta", "name": "llama-3.2-1b-instruct@v1.0.0+80GB"}]}
    recorder.route("GET", "/v1/customization/configs", Reply(json=listed))
    with pytest.raises(errors.NotFound, match=r"it has meta/llama-3\.2-1b-instruct@v1\.0\.0\+80GB"):
        customizer.require_config(platform, "meta/x@v1")


def test_creating_a_job_is_never_repeated(recorder, platform):
    recorder.route("GET", "/v1/customization/jobs", Reply(json={"data": []}))
    recorder.route("POST", "/v1/customization/jobs", Reply(503, body=b""))
    platform.nemo.timeouts = Timeouts(1, 1, 2)
    with pytest.raises(errors.ServiceFailed):
        customizer.ensure_job(platform, RECIPE, dataset_commit="c1")
    assert recorder.calls().count("POST /v1/customization/jobs") == 1
