"""Steps that several server tests share: upload rows, train on them, evaluate. Plain requests and the Hub client."""

import json
import time
from collections.abc import Sequence

import requests
from huggingface_hub import CommitOperationAdd, HfApi

from tests.conftest import RunningServer

BASE = "huggingfacetb/smollm2-135m-instruct"
CONFIG = BASE + "@v1.0.0+cpu"


def upload(server: RunningServer, repo: str, files: dict[str, Sequence[dict]]) -> str:
    """Put JSONL files into a dataset repo, register it as a dataset, return its commit id."""
    namespace, name = repo.split("/")
    requests.post(server.url + "/v1/datastore/namespaces", data={"namespace": namespace}, timeout=30)
    requests.post(server.url + "/v1/namespaces", json={"id": namespace}, timeout=30)
    hub = HfApi(endpoint=server.url + "/v1/hf", token="token")
    hub.create_repo(repo, repo_type="dataset", exist_ok=True)
    texts = {path: "".join(json.dumps(row) + "\n" for row in rows) for path, rows in files.items()}
    operations = [CommitOperationAdd(path, text.encode()) for path, text in texts.items()]
    commit = hub.create_commit(repo, operations, commit_message="Upload rows", repo_type="dataset")
    body = {"name": name, "namespace": namespace, "files_url": f"hf://datasets/{repo}"}
    requests.post(server.url + "/v1/datasets", json=body, timeout=30)
    return commit.oid


def start_training(server: RunningServer, repo: str, output_model: str, **hyperparameters: object) -> dict:
    """Create a customization job and return it as the server answered it."""
    body = {
        "config": CONFIG,
        "dataset": repo,
        "output_model": output_model,
        "hyperparameters": {
            "training_type": "sft", "finetuning_type": "lora", "epochs": 1, "batch_size": 8, "learning_rate": 1e-3,
            "lora": {"adapter_dim": 8, "alpha": 16, "adapter_dropout": 0.0}, "log_every_n_steps": 1, "seed": 7,
        } | hyperparameters,
    }  # fmt: skip
    answer = requests.post(server.url + "/v1/customization/jobs", json=body, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()


def wait(server: RunningServer, path: str, seconds: float = 600) -> dict:
    """Poll a job until it has ended; fails unless it completed."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        job = requests.get(server.url + path, timeout=60).json()
        if job["status"] in ("completed", "failed", "cancelled"):
            assert job["status"] == "completed", json.dumps(job["status_details"])[-2000:]
            return job
        time.sleep(0.5)
    raise AssertionError(f"{path} did not end within {seconds} s: {job['status_details']}")


def train(server: RunningServer, repo: str, output_model: str, **hyperparameters: object) -> dict:
    job = start_training(server, repo, output_model, **hyperparameters)
    return wait(server, f"/v1/customization/jobs/{job['id']}")


def evaluate(server: RunningServer, repo: str, file: str, model: str, limit: int = 0) -> tuple[dict, str]:
    """Run the tutorial's evaluation; returns its scores by name and the job id."""
    dataset = {"files_url": f"hf://datasets/{repo}/{file}"} | ({"limit": limit} if limit else {})
    body = {
        "target": {"type": "model", "model": model},
        "config": {
            "type": "custom",
            "tasks": {
                "tools": {
                    "type": "chat-completion",
                    "dataset": dataset,
                    "params": {
                        "template": {
                            "messages": "{{ item.messages | tojson }}",
                            "tools": "{{ item.tools | tojson }}",
                            "tool_choice": "auto",
                            "temperature": 0,
                            "max_tokens": 96,
                        }
                    },
                    "metrics": {
                        "accuracy": {
                            "type": "tool-calling",
                            "params": {"tool_calls_ground_truth": "{{ item.tool_calls | tojson }}"},
                        }
                    },
                }
            },
        },
    }
    answer = requests.post(server.url + "/v1/evaluation/jobs", json=body, timeout=60)
    assert answer.status_code == 200, answer.text
    job = wait(server, f"/v1/evaluation/jobs/{answer.json()['id']}")
    result = requests.get(server.url + f"/v1/evaluation/jobs/{job['id']}/results", timeout=60).json()
    return result["tasks"]["tools"]["metrics"]["accuracy"]["scores"], job["id"]
