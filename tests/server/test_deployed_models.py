"""Models that a deployment loads on a real server from a folder or by a hub id: they answer and leave memory."""

import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import requests
from huggingface_hub import HfApi

from tests.conftest import RunningServer, stop_server
from tests.store_app import StoreProcess
from tests.tiny_models import tiny_model
from tests.tiny_server import TinyServers

DEPLOYMENTS = "/v1/deployment/model-deployments"
WIDE = {"hidden_size": 512, "intermediate_size": 512}  # so that its weights are seen in the process's memory
MUCH = 100 * 2**20


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("models") / "wide", "qwen", **WIDE)


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Iterator[str]:
    """A Data Store that holds the model as ns/wide: it is a hub like any other."""
    with StoreProcess(tmp_path_factory.mktemp("hub")) as store:
        api = HfApi(endpoint=f"{store.url}/v1/hf", token="x")
        api.create_repo("ns/wide")
        api.upload_folder(repo_id="ns/wide", folder_path=model)
        yield api.endpoint


@pytest.fixture(scope="module")
def running(tiny: TinyServers, hub: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    cache = tmp_path_factory.mktemp("hf_home")
    server = tiny.start(tmp_path_factory.mktemp("deploying"), env={"HF_ENDPOINT": hub, "HF_HOME": str(cache)})
    yield server
    stop_server(server)


def memory(server: RunningServer) -> int:
    return psutil.Process(server.process.pid).memory_info().rss


def deployed(server: RunningServer, name: str, model: str, seconds: float = 300) -> str:
    """Deploy, wait, and return the description of the deployment, which must have become ready."""
    body = {"name": name, "namespace": "ns", "config": {"model": model}}
    assert (
        requests.post(server.url + DEPLOYMENTS, json=body, timeout=30).json()["status_details"]["status"] == "pending"
    )
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        details = requests.get(f"{server.url}{DEPLOYMENTS}/ns/{name}", timeout=30).json()["status_details"]
        if details["status"] != "pending":
            break
        time.sleep(0.1)
    assert details["status"] == "ready", details
    return details["description"]


def answer(server: RunningServer, model: str) -> requests.Response:
    body = {"model": model, "prompt": "One", "max_tokens": 4, "temperature": 0}
    return requests.post(server.nim_url + "/v1/completions", json=body, timeout=60)


def test_a_model_is_deployed_from_a_folder_and_by_a_hub_id_and_deleted(running: RunningServer, model: Path) -> None:
    assert "was loaded and is served as ns/near" in deployed(running, "near", str(model))
    near = answer(running, "ns/near").json()["choices"][0]["text"]
    assert "model ns/wide was loaded" in deployed(running, "far", "ns/wide")
    assert answer(running, "ns/far").json()["choices"][0]["text"] == near, "the same weights by either way"
    held = memory(running)
    for name in ("near", "far"):
        assert requests.delete(f"{running.url}{DEPLOYMENTS}/ns/{name}", timeout=60).status_code == 200
    assert answer(running, "ns/far").status_code == 404
    deadline = time.monotonic() + 30
    while memory(running) > held - MUCH and time.monotonic() < deadline:
        time.sleep(0.2)
    assert memory(running) <= held - MUCH, f"held {held / 2**20:.0f} MiB, now {memory(running) / 2**20:.0f} MiB"
