"""Customizer over HTTP: what it offers, what it refuses and how it says so."""

import json

import pytest
import requests

from tests import stories
from tests.conftest import RunningServer

ROW = {"messages": [{"role": "user", "content": "Say yes"}, {"role": "assistant", "content": "yes"}]}
JOBS = "/v1/customization/jobs"


@pytest.fixture(scope="module")
def dataset(server: RunningServer) -> str:
    stories.upload(server, "customizer/rows", {"training/a.jsonl": [ROW] * 4, "validation/a.jsonl": [ROW]})
    return "customizer/rows"


def body(dataset: str, **changes: object) -> dict:
    return {"config": stories.CONFIG, "dataset": dataset, "hyperparameters": {"finetuning_type": "lora"}} | changes


def test_the_default_target_and_configuration_are_there(server: RunningServer) -> None:
    config = requests.get(f"{server.url}/v1/customization/configs/{stories.CONFIG}", timeout=30).json()
    assert config["training_options"][0]["finetuning_type"] == "lora"
    target = requests.get(f"{server.url}/v1/customization/targets/{config['target']}", timeout=30).json()
    assert (target["base_model"], target["status"]) == (stories.BASE, "ready")


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"epochs": 0}, "epochs"),
        ({"epochs": 10**9}, "epochs"),
        ({"batch_size": -1}, "batch_size"),
        ({"learning_rate": 0}, "learning_rate"),
        ({"learning_rate": float("nan")}, "NaN is not"),
        ({"learning_rate": float("inf")}, "Infinity is not"),
        ({"learning_rate": "fast"}, "learning_rate"),
        ({"learning_rate": 1e-4, "min_learning_rate": 1e-3}, "min_learning_rate"),
        ({"optimizer": "sgd"}, "optimizer"),
        ({"lora": {"adapter_dim": 12}}, "power of two"),
        ({"lora": {"adapter_dropout": 1.5}}, "adapter_dropout"),
        ({"lora": {"rank": 8}}, "rank"),
        ({"learning_rte": 1e-4}, "learning_rte"),
        ({"finetuning_type": "all_weights"}, "training_options offer"),
        ({"training_type": "dpo"}, "training_options offer"),
        ({"sft": {"hidden_dropout": 0.1}}, "adapter_dropout is"),
    ],
)
def test_hyperparameters_that_cannot_be_honoured_are_refused_by_name(
    server: RunningServer, dataset: str, wrong: dict, named: str
) -> None:
    request = body(dataset, hyperparameters={"finetuning_type": "lora"} | wrong)
    headers = {"Content-Type": "application/json"}
    answer = requests.post(server.url + JOBS, data=json.dumps(request), headers=headers, timeout=30)
    assert answer.status_code == 422, answer.text
    assert named in answer.text


@pytest.mark.parametrize(
    ("changes", "status", "named"),
    [
        ({"config": "nobody/nothing@v1"}, 404, stories.CONFIG),
        ({"dataset": "customizer/none"}, 404, "customizer/rows"),
        ({"dataset": {"files_url": "hf://datasets/customizer/none"}}, 404, "not found"),
        ({"dataset": {"files_url": "https://example.com/x"}}, 422, "Data Store reference"),
        ({"dataset": {}}, 422, "files_url"),
        ({"output_model": "no-namespace"}, 422, "output_model"),
        ({"output_model": "ns/../../x"}, 422, "output_model"),
    ],
)
def test_what_does_not_exist_is_named_with_what_does(
    server: RunningServer, dataset: str, changes: dict, status: int, named: str
) -> None:
    answer = requests.post(server.url + JOBS, json=body(dataset) | changes, timeout=30)
    assert answer.status_code == status, answer.text
    assert named in answer.text


def test_a_dataset_without_training_files_is_refused(server: RunningServer) -> None:
    stories.upload(server, "customizer/empty", {"testing/a.jsonl": [ROW]})
    answer = requests.post(server.url + JOBS, json=body("customizer/empty"), timeout=30)
    assert answer.status_code == 422 and "training/*.jsonl" in answer.json()["detail"]


def test_a_configuration_of_ones_own_with_more_gpus_works_and_warns(server: RunningServer, dataset: str) -> None:
    option = {"training_type": "sft", "finetuning_type": "lora", "num_gpus": 4, "micro_batch_size": 2}
    config = {"name": "mine@v1", "namespace": "customizer", "target": stories.BASE + "@v1.0.0",
              "max_seq_length": 512, "training_options": [option]}  # fmt: skip
    assert requests.post(server.url + "/v1/customization/configs", json=config, timeout=30).status_code == 200
    uneven = body(dataset, config="customizer/mine@v1", hyperparameters={"finetuning_type": "lora", "batch_size": 3})
    refused = requests.post(server.url + JOBS, json=uneven, timeout=30)
    assert refused.status_code == 422 and "multiple" in refused.json()["detail"]
    packed = {"finetuning_type": "lora", "batch_size": 4, "sequence_packing_enabled": True}
    job = requests.post(
        server.url + JOBS, json=body(dataset, config="customizer/mine@v1", hyperparameters=packed), timeout=30
    ).json()
    assert "Sequence packing" in job["warnings"][0]["message"]
    assert "num_gpus 4" in job["warnings"][1]["explanation"]
    cancelled = requests.post(f"{server.url}{JOBS}/{job['id']}/cancel", timeout=30).json()
    assert cancelled["status"] in ("cancelled", "cancelling")


def test_another_base_model_is_refused_with_what_to_do(server: RunningServer) -> None:
    target = {"name": "llama@2.0", "namespace": "meta", "num_parameters": 10**9, "precision": "bf16"}
    answer = requests.post(server.url + "/v1/customization/targets", json=target, timeout=30)
    assert answer.status_code == 422 and "LOCAL_NEMO_BASE_MODEL" in answer.json()["detail"]


def test_an_unknown_job_is_404_everywhere(server: RunningServer) -> None:
    for path in ("", "/status", "/container-logs"):
        assert requests.get(f"{server.url}{JOBS}/cust-none{path}", timeout=30).status_code == 404
    assert requests.post(f"{server.url}{JOBS}/cust-none/cancel", timeout=30).status_code == 404
