"""The helpers read objects as the real services have answered them in April and June 2025, with all their nulls.

Jobs, progress and oddities of the wire are in `test_real_replies.py`.
"""

import io

from helpers import customizer, data_store, deployments, entity_store, evaluator, guardrails, nim
from helpers.progress import Line
from tests.recorder import Reply

NS, REPO = "xlam-tutorial-ns", "xlam-tutorial-ns/xlam-ft-dataset"
BASE = "meta/llama-3.2-1b-instruct"
TUNED = "xlam-tutorial-ns/llama-3.2-1b-xlam-run1@cust-BTkGbfifLfEAjV2THu3tas"
TIMES = {"created_at": "2025-04-08T07:05:42.895214", "updated_at": "2025-04-08T07:05:42.895217"}
NAMESPACE = {"id": NS, **TIMES, "description": None, "project": None, "custom_fields": {}, "ownership": None}
DATASET = {
    "name": "xlam-ft-dataset", "namespace": NS, "id": "dataset-3ozLsXkX7TqvQm9fCuCUGT",
    "files_url": f"hf://datasets/{REPO}", "description": "…", "format": None, "hf_endpoint": None, "split": None,
    "limit": None, "project": "tool_calling", "custom_fields": {}, **TIMES,
}  # fmt: skip
MODEL = {
    **TIMES, "name": TUNED.split("/")[1], "namespace": NS, "description": "None", "base_model": BASE,
    "spec": {"num_parameters": 1000000000, "context_size": 4096, "num_virtual_tokens": 0, "is_chat": True},
    "artifact": {"gpu_arch": "Ampere", "precision": "bf16-mixed", "tensor_parallelism": 1, "backend_engine": "nemo",
                 "status": "upload_completed", "files_url": f"hf://{TUNED}"},
    "peft": {"finetuning_type": "lora"}, "schema_version": "1.0", "custom_fields": {},
}  # fmt: skip
TARGET = {
    "schema_version": "1.0", "id": "eval-target-Djry", "type_prefix": "eval-target", "namespace": "default",
    "name": "eval-target-Djry", "type": "model", "model": TUNED, "cached_outputs": None, "retriever": None,
    "rag": None, "custom_fields": {},
}  # fmt: skip
CONFIG = {
    "schema_version": "1.0", "id": "eval-config-Cp7s", "name": "eval-config-Cp7s", "namespace": "default",
    "type": "custom", "params": None, "groups": None,
    "tasks": {"custom-tool-calling": {"type": "chat-completion", "params": {}, "metrics": {}, "dataset": {
        "id": "dataset-Trhs", "files_url": "hf://…", "limit": 50, "version_id": "main", "version_tags": []}}},
}  # fmt: skip
EVALUATION = {
    "id": "eval-RMbUCrxKuzuE5cJdhwh3Uo", "namespace": "default", **TIMES, "description": None, "target": TARGET,
    "config": CONFIG, "result": None, "output_files_url": None, "status": "created",
    "status_details": {"message": None, "task_status": {}, "progress": None},
    "project": None, "custom_fields": {}, "ownership": None,
}  # fmt: skip
JUNE_JOB = {
    "id": "cust-FarcM8gwhL1XFDXQ57qGLL", "namespace": "default", **TIMES, "config": f"{BASE}@v1.0.0+80GB",
    "dataset": REPO, "output_model": f"{NS}/llama-3.2-1b-xlam-run1@cust-FarcM8gwhL1XFDXQ57qGLL",
    "config_snapshot": {"base_model": BASE, "max_seq_length": 4096, "precision": "bf16-mixed",
                        "prompt_template": "{prompt} {completion}",
                        "training_option": {"training_type": "sft", "finetuning_type": "lora", "num_gpus": 1}},
    "hyperparameters": {"training_type": "sft", "finetuning_type": "lora", "batch_size": 16, "epochs": 2,
                        "learning_rate": 0.0001, "lora": {"adapter_dim": 32, "alpha": 16, "adapter_dropout": 0.1},
                        "sequence_packing_enabled": False},
    "status": "created", "warnings": [],
    "status_details": {**TIMES, "status": "created", "elapsed_time": 0.0, "steps_completed": 0, "epochs_completed": 0,
                       "percentage_done": 0.0, "status_logs": [{"updated_at": "…", "message": "created"}]},
}  # fmt: skip
DEPLOYMENT = {
    "async_enabled": False, "created_at": "2025-04-08T16:25:49.447403115Z", "deployed": False, "name": "n8cs",
    "namespace": "nvidia", "url": "",
    "config": {"model": "nvidia/…", "nim_deployment": {"gpu": 1, "image_name": "…", "image_tag": "1.0.0",
                                                       "additional_envs": {}}},
    "status_details": {"status": "pending", "description": "Model deployment created"},
}  # fmt: skip
ROLLED_OUT = 'deployment "modeldeployment-nvidia-n8cs" successfully rolled out\n'
READY = DEPLOYMENT | {"deployed": True, "status_details": {"status": "ready", "description": ROLLED_OUT}}
FACTORY = [
    {"name": name, "namespace": "default", "files_url": f"file:///app/services/guardrails/config-store/{name}", **TIMES}
    for name in ("default", "self-check", "abc")
]  # without id and data
SERVED = [
    {"id": BASE, "object": "model", "created": 1744130000, "owned_by": "system", "root": BASE, "parent": None},
    {"id": TUNED, "object": "model", "created": 1744131000, "owned_by": "system", "root": BASE, "parent": None},
    {"id": "nvidia/llama-3.1-nemoguard-8b-content-safety", "object": "model", "created": 1, "owned_by": "system"},
]


def quiet() -> Line:
    return Line(stream=io.StringIO())


def test_namespace_and_dataset_that_are_there_are_left_alone(recorder, platform):
    recorder.route("GET", f"/v1/namespaces/{NS}", Reply(json=NAMESPACE))
    recorder.route("GET", f"/v1/datasets/{REPO}", Reply(json=DATASET))
    assert entity_store.ensure_namespace(platform, NS) is False
    wanted = {"files_url": f"hf://datasets/{REPO}", "project": "tool_calling"}
    assert entity_store.ensure_dataset(platform, namespace=NS, name="xlam-ft-dataset", **wanted) == DATASET
    assert {asked.method for asked in recorder.asked} == {"GET"}


def test_a_repository_is_created_though_its_url_is_bare(recorder, platform):
    missing = Reply(404, json={"error": "not found"}, headers={"X-Error-Code": "RepoNotFound"})
    recorder.route("GET", f"/v1/hf/api/datasets/{REPO}", missing)
    recorder.route("POST", "/v1/hf/api/repos/create", Reply(json={"url": f"datasets/{REPO}", "name": REPO, "id": "1"}))
    assert data_store.ensure_repo(platform, REPO) is True


def test_the_model_that_a_job_has_registered_is_described(recorder, platform):
    recorder.route("GET", f"/v1/models/{TUNED}", Reply(json=MODEL))
    recorder.route("PATCH", f"/v1/models/{TUNED}", Reply(json=MODEL | {"description": "tuned"}))
    assert entity_store.ensure_model(platform, TUNED, description="tuned")["description"] == "tuned"
    recorder.route("GET", "/v1/models", Reply(json={"data": [MODEL]}), Reply(json={"data": []}))
    assert [one["base_model"] for one in entity_store.models(platform, namespace=NS)] == [BASE]


def test_a_job_of_june_2025_is_created_and_found_again(recorder, platform):
    request = {"config": JUNE_JOB["config"], "dataset": {"name": "xlam-ft-dataset", "namespace": NS}}
    request |= {"hyperparameters": {"epochs": 2}, "output_model": f"{NS}/llama-3.2-1b-xlam-run1"}
    recorder.route("POST", "/v1/customization/jobs", Reply(json=JUNE_JOB))
    job = customizer.create_job(platform, request, dataset_commit="c0ffee")
    assert job["output_model"].endswith("@" + job["id"])
    kept = {"custom_fields": {"recipe": customizer.recipe(request, "c0ffee")}}
    recorder.route("GET", "/v1/customization/jobs", Reply(json={"data": [JUNE_JOB, JUNE_JOB | kept]}))
    assert customizer.find_job(platform, request, dataset_commit="c0ffee") == JUNE_JOB | kept


def test_an_evaluation_whose_config_and_target_are_expanded_is_waited_for(recorder, platform):
    details = {"message": None, "task_status": {"custom-tool-calling": "completed"}, "progress": 100.0}
    done = EVALUATION | {"status": "completed", "result": "evaluation_result-UgxzD", "status_details": details}
    running = EVALUATION | {"status": "running"}
    recorder.route("GET", f"/v1/evaluation/jobs/{EVALUATION['id']}", *(Reply(json=one) for one in (running, done)))
    ended = evaluator.wait(platform, EVALUATION["id"], sleep=lambda _: None, line=quiet())
    assert ended["result"] == "evaluation_result-UgxzD"
    recorder.route("GET", "/v1/evaluation/jobs", Reply(json={"data": [EVALUATION]}))
    assert evaluator.find_job(platform, "a recipe") is None


def test_a_deployment_gets_ready(recorder, platform):
    place = "/v1/deployment/model-deployments/nvidia/n8cs"
    recorder.route("GET", place, Reply(json=DEPLOYMENT), Reply(json=READY))
    assert deployments.wait_until_ready(platform, "nvidia/n8cs", poll=0.01)["deployed"] is True


def test_factory_configurations_without_data_are_listed(recorder, platform):
    recorder.route("GET", "/v1/guardrail/configs", Reply(json={"data": FACTORY}), Reply(json={"data": []}))
    assert [one["name"] for one in guardrails.configs(platform)] == ["default", "self-check", "abc"]


def test_the_models_of_all_deployments_are_in_one_list(recorder, platform):
    recorder.route("GET", "/nim/v1/models", Reply(json={"object": "list", "data": SERVED}))
    assert nim.models(platform) == [one["id"] for one in SERVED]
    assert nim.wait_until_served(platform, TUNED) == TUNED
