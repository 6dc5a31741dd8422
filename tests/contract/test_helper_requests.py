"""Every request the helpers send would be accepted by the official services: it fits the official clients' types.

Each helper that takes a platform is called once against a recorder; every body and query it sent is checked against
the parameter types of nemo_microservices (Data Store: the documented form; NIM: openai's types), unknown keys being
errors. A helper without an entry in CALLS fails the test, so none is forgotten.
"""

import ast
import importlib
import inspect
import io
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nemo_microservices import types
from nemo_microservices.types import customization, deployment, evaluation, guardrail
from nemo_microservices.types.guardrail.chat.completion_create_params import (
    CompletionCreateParamsNonStreaming as Guarded,
)
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming as Chat

import config
from helpers import (
    customizer,
    data_store,
    deployments,
    entity_store,
    evaluator,
    guardrails,
    nim,
    tracking,
    weather,
)
from helpers.platform import Platform, at
from tests.contract.params import complaints
from tests.recorder import Asked, Recorder, Reply

ROOT = Path(__file__).resolve().parents[2]
MODULES = ("customizer", "data_store", "deployments", "entity_store", "evaluator", "guardrails", "nim")
REPO = "xlam-tutorial-ns/xlam-ft-dataset"
MODEL = "xlam-tutorial-ns/m@cust-BTkGbfifLfEAjV2THu3tas"

# What the official client would accept for a body. Update types also name the namespace of the path: see judge().
BODIES = {
    r"POST /v1/namespaces": types.NamespaceCreateParams,
    r"POST /v1/datasets": types.DatasetCreateParams,
    r"PATCH /v1/datasets/[^/]+/[^/]+": types.DatasetUpdateParams,
    r"PATCH /v1/models/[^/]+/[^/]+": types.ModelUpdateParams,
    r"POST /v1/customization/jobs": customization.JobCreateParams,
    r"POST /v1/evaluation/jobs": evaluation.JobCreateParams,
    r"POST /v1/guardrail/configs": guardrail.ConfigCreateParams,
    r"PATCH /v1/guardrail/configs/[^/]+/[^/]+": guardrail.ConfigUpdateParams,
    r"POST /v1/guardrail/checks": types.GuardrailCheckParams,
    r"POST /v1/guardrail/chat/completions": Guarded,
    r"POST /v1/deployment/model-deployments": deployment.ModelDeploymentCreateParams,
    r"POST /nim/v1/chat/completions": Chat,
}
QUERIES = {
    r"GET /v1/models": types.ModelListParams,
    r"GET /v1/customization/configs": customization.ConfigListParams,
    r"GET /v1/customization/jobs": customization.JobListParams,
    r"GET /v1/evaluation/jobs": evaluation.JobListParams,
    r"GET /v1/guardrail/configs": guardrail.ConfigListParams,
    r"GET /v1/deployment/model-deployments": deployment.ModelDeploymentListParams,
}
# Calls without body and query: the path says it all. These are the paths of nemo_api.md, sections 1 to 7.
BARE = (
    r"GET /v1/namespaces/[^/]+",
    r"GET /v1/(datasets|models)/[^/]+/[^/]+",
    r"GET /v1/customization/configs/[^/]+/[^/]+",
    r"GET /v1/customization/jobs/[^/]+(/container-logs)?",
    r"POST /v1/(customization|evaluation)/jobs/[^/]+/cancel",
    r"GET /v1/evaluation/jobs/[^/]+(/results|/download-results|/logs)?",
    r"GET /v1/guardrail/configs/[^/]+/[^/]+",
    r"(GET|DELETE) /v1/deployment/model-deployments/[^/]+/[^/]+",
    r"GET /v1/datastore/namespaces/[^/]+",
    r"GET /nim/v1/models",
)


def notebook_values(path: str, given: dict, *names: str) -> dict:
    """Names that cells of a notebook assign from settings alone, computed by running just those cells."""
    cells = nbformat.read(ROOT / path, as_version=4).cells
    known = dict(given)
    for cell in cells:
        targets = {
            target.id
            for node in (ast.parse(cell.source).body if cell.cell_type == "code" else [])
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        if targets & set(names):
            exec(compile(cell.source, path, "exec"), known)
    return {name: known[name] for name in names}


REQUEST = notebook_values(
    "2_finetuning_and_inference.ipynb",
    {"config": config, "tracking": tracking, "namespace": config.NMS_NAMESPACE, "training_config": "ns/c@v1"},
    "request",
)["request"]
EVALUATION = notebook_values("3_model_evaluation.ipynb", {"config": config}, "dataset", "evaluation")["evaluation"]
TARGET = {"type": "model", "model": MODEL}
RAILS = {"models": [], "rails": {"input": {"flows": ["self check input"]}}, "prompts": []}
MESSAGES = [{"role": "user", "content": "hello"}]
NIM = deployments.nim_request("meta/llama-3.2-1b-instruct")

CALLS: dict[str, Callable[[Platform, Path], object]] = {
    "customizer.configs": lambda p, _: customizer.configs(p),
    "customizer.require_config": lambda p, _: customizer.require_config(p, "meta/llama-3.2-1b-instruct@v1.0.0+80GB"),
    "customizer.ensure_job": lambda p, _: customizer.ensure_job(p, REQUEST, dataset_commit="c0ffee"),
    "customizer.create_job": lambda p, _: customizer.create_job(p, REQUEST | tracking.integrations("k")),
    "customizer.find_job": lambda p, _: customizer.find_job(p, REQUEST, dataset_commit="c0ffee"),
    "customizer.find_completed": lambda p, _: customizer.find_completed(p, REQUEST, dataset_commit="c0ffee"),
    "customizer.list_jobs": lambda p, _: customizer.list_jobs(p),
    "customizer.get": lambda p, _: customizer.get(p, "cust-1"),
    "customizer.wait": lambda p, _: customizer.wait(p, "cust-1"),
    "customizer.cancel": lambda p, _: customizer.cancel(p, "cust-1"),
    "customizer.logs": lambda p, _: customizer.logs(p, "cust-1"),
    "data_store.hub": lambda p, _: data_store.hub(p),
    "data_store.ensure_namespace": lambda p, _: data_store.ensure_namespace(p, "xlam-tutorial-ns"),
    "data_store.ensure_repo": lambda p, _: data_store.ensure_repo(p, REPO),
    "data_store.upload": lambda p, folder: data_store.upload(p, REPO, {"training/training.jsonl": rows_in(folder)}),
    "data_store.tree": lambda p, _: data_store.tree(p, REPO),
    "data_store.commit_of": lambda p, _: data_store.commit_of(p, REPO),
    "data_store.read_file": lambda p, _: data_store.read_file(p, REPO, "training/training.jsonl"),
    "data_store.damaged": lambda p, _: data_store.damaged(p, REPO),
    "deployments.ensure_nim": lambda p, _: deployments.ensure_nim(p, NIM),
    "deployments.wait_until_ready": lambda p, _: deployments.wait_until_ready(p, "meta/llama-3.2-1b-instruct"),
    "deployments.get": lambda p, _: deployments.get(p, "meta/llama-3.2-1b-instruct"),
    "deployments.list_all": lambda p, _: deployments.list_all(p),
    "deployments.delete": lambda p, _: deployments.delete(p, "meta/llama-3.1-8b-instruct"),
    "entity_store.ensure_namespace": lambda p, _: entity_store.ensure_namespace(p, "fresh-ns"),
    "entity_store.ensure_dataset": lambda p, _: entity_store.ensure_dataset(
        p, namespace="fresh-ns", name="d", files_url=f"hf://datasets/{REPO}", project="tool_calling", description="rows"
    ),
    "entity_store.dataset": lambda p, _: entity_store.dataset(p, "xlam-tutorial-ns", "xlam-ft-dataset"),
    "entity_store.model": lambda p, _: entity_store.model(p, MODEL),
    "entity_store.models": lambda p, _: entity_store.models(p, namespace="xlam-tutorial-ns"),
    "entity_store.ensure_model": lambda p, _: entity_store.ensure_model(p, MODEL, description="tuned"),
    "evaluator.run": lambda p, _: evaluator.run(p, config=EVALUATION, target=TARGET, dataset_commit="c0ffee"),
    "evaluator.ensure_job": lambda p, _: evaluator.ensure_job(p, config=EVALUATION, target=TARGET),
    "evaluator.create_job": lambda p, _: evaluator.create_job(p, config=EVALUATION, target=TARGET),
    "evaluator.find_job": lambda p, _: evaluator.find_job(p, "recipe"),
    "evaluator.wait": lambda p, _: evaluator.wait(p, "eval-1"),
    "evaluator.cancel": lambda p, _: evaluator.cancel(p, "eval-1"),
    "evaluator.results": lambda p, _: evaluator.results(p, "eval-1"),
    "evaluator.download": lambda p, folder: evaluator.download(p, "eval-1", folder),
    "evaluator.download_records": lambda p, folder: evaluator.download_records(p, "eval-1", folder),
    "evaluator.logs": lambda p, _: evaluator.logs(p, "eval-1"),
    "guardrails.ensure_config": lambda p, _: guardrails.ensure_config(p, namespace="fresh-ns", name="g", data=RAILS),
    "guardrails.configs": lambda p, _: guardrails.configs(p),
    "guardrails.check": lambda p, _: guardrails.check(p, model=MODEL, messages=MESSAGES, config_id="ns/g"),
    "guardrails.chat": lambda p, _: guardrails.chat(
        p, model=MODEL, messages=MESSAGES, config_id="ns/g", temperature=0.2, max_tokens=50
    ),
    "nim.models": lambda p, _: nim.models(p),
    "nim.wait_until_served": lambda p, _: nim.wait_until_served(p, MODEL),
    "nim.client": lambda p, _: nim.client(p).chat.completions.create(
        model=MODEL, messages=MESSAGES, tools=[weather.WEATHER], tool_choice="auto", temperature=0, max_tokens=128
    ),
}


def rows_in(folder: Path) -> Path:
    file = folder / "training.jsonl"
    file.write_text('{"messages": []}\n')
    return file


def archive() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr("results/records.jsonl", '{"index": 0}\n')
    return content.getvalue()


@pytest.fixture
def recorder():
    """Answers the helpers the way the services do when nothing of ours exists yet."""
    page = {"object": "list", "data": []}
    job = {"id": "x-1", "status": "completed", "status_details": {}}
    ready = {"status_details": {"status": "ready"}}
    chat = {"id": "c", "object": "chat.completion", "created": 1, "model": MODEL, "choices": []}
    served = {"object": "list", "data": [{"id": MODEL, "object": "model", "created": 1, "owned_by": "system"}]}
    here = {"data": [*served["data"], {"id": "meta/llama-3.2-1b-instruct", "object": "model"}]}
    hub = f"/v1/hf/api/datasets/{REPO}"
    zip_reply = Reply(body=archive(), headers={"Content-Type": "application/zip"})
    with Recorder() as server:
        server.enqueue(Reply(404, json={"detail": "no such object"}))
        for path in ("namespaces", "datasets", "guardrail/configs", "customization/jobs", "evaluation/jobs"):
            server.route("POST", f"/v1/{path}", Reply(json=job))
            server.route("GET", f"/v1/{path}", Reply(json=page))
        for path in ("models", "customization/configs", "deployment/model-deployments"):
            server.route("GET", f"/v1/{path}", Reply(json=page))
        server.route("POST", "/v1/deployment/model-deployments", Reply(json={}))
        server.route("GET", "/v1/deployment/model-deployments/meta/llama-3.2-1b-instruct", Reply(json=ready))
        server.route("GET", f"/v1/datasets/{REPO}", Reply(json={"name": "xlam-ft-dataset"}))
        server.route("GET", f"/v1/models/{MODEL}", Reply(json={"name": "m", "description": None}))
        server.route("PATCH", f"/v1/models/{MODEL}", Reply(json={"name": "m"}))
        server.route("GET", "/v1/customization/configs/meta/llama-3.2-1b-instruct@v1.0.0+80GB", Reply(json={}))
        for kind in ("customization/jobs/cust-1", "evaluation/jobs/eval-1", "evaluation/jobs/x-1"):
            server.route("GET", f"/v1/{kind}", Reply(json=job))
            server.route("POST", f"/v1/{kind}/cancel", Reply(json=job))
        server.route("GET", "/v1/customization/jobs/cust-1/container-logs", Reply(json={"entries": {}}))
        server.route("GET", "/v1/evaluation/jobs/eval-1/results", Reply(json={"tasks": {}}))
        server.route("GET", "/v1/evaluation/jobs/eval-1/download-results", zip_reply)
        server.route("GET", "/v1/evaluation/jobs/eval-1/logs", zip_reply)
        server.route("PATCH", "/v1/guardrail/configs/fresh-ns/g", Reply(json={}))
        server.route("POST", "/v1/guardrail/checks", Reply(json={"status": "success"}))
        server.route("POST", "/v1/guardrail/chat/completions", Reply(json=chat))
        server.route("POST", "/v1/datastore/namespaces", Reply(201, json={"namespace": "xlam-tutorial-ns"}))
        server.route("GET", "/nim/v1/models", Reply(json=served), Reply(json=here))
        server.route("POST", "/nim/v1/chat/completions", Reply(json=chat))
        server.route("GET", hub, Reply(json={"id": REPO, "sha": "a" * 40}))
        server.route("GET", f"{hub}/tree/main", Reply(json=[]))
        uploads = [{"path": "training/training.jsonl", "uploadMode": "regular", "shouldIgnore": False}]
        server.route("POST", f"{hub}/preupload/main", Reply(json={"files": uploads}))
        server.route("POST", f"{hub}/commit/main", Reply(json={"commitOid": "a" * 40, "commitUrl": ""}))
        server.route("GET", f"/v1/hf/datasets/{REPO}/resolve/main/training/training.jsonl", Reply(body=b"{}\n"))
        yield server


def judge(asked: Asked) -> list[str]:
    """What the official types say against one request."""
    call = f"{asked.method} {asked.path}"
    if asked.path.startswith("/v1/hf/"):
        return []  # huggingface_hub itself made this one
    if call == "POST /v1/datastore/namespaces":
        return [] if asked.body == b"namespace=xlam-tutorial-ns" else [f"{call}: {asked.body!r}"]
    for pattern, kind in BODIES.items():
        if re.fullmatch(pattern, call):
            body = asked.json
            if asked.method == "PATCH":
                body = {"namespace": "in-the-path"} | body
            return complaints(kind, body, call)
    for pattern, kind in QUERIES.items():
        if re.fullmatch(pattern, call):
            return complaints(kind, nested(asked.query), call)
    if any(re.fullmatch(pattern, call) for pattern in BARE) and not asked.query and asked.json in (None, {}):
        return []
    return [f"{call} {asked.query}: no such call in the API"]


def nested(query: dict[str, str]) -> dict:
    """filter[namespace]=x as {"filter": {"namespace": "x"}}, page numbers as numbers."""
    found: dict = {}
    for name, value in query.items():
        *parents, last = re.findall(r"[^\[\]]+", name)
        place = found
        for parent in parents:
            place = place.setdefault(parent, {})
        place[last] = int(value) if last in ("page", "page_size") else value
    return found


def verbs() -> list[str]:
    """Every public helper that is given a platform."""
    found = []
    for name in MODULES:
        module = importlib.import_module(f"helpers.{name}")
        for verb, function in inspect.getmembers(module, inspect.isfunction):
            parameters = list(inspect.signature(function).parameters)
            if function.__module__ == module.__name__ and not verb.startswith("_") and parameters[:1] == ["platform"]:
                found.append(f"{name}.{verb}")
    return found


def test_no_helper_is_left_out():
    assert sorted(CALLS) == sorted(verbs())


@pytest.mark.parametrize("name", sorted(CALLS))
def test_a_helper_sends_only_what_the_official_types_allow(name, recorder, tmp_path):
    platform = at(recorder.url, recorder.url, recorder.url + "/nim", nds_token="nds-token")
    CALLS[name](platform, tmp_path)
    assert recorder.asked or name == "data_store.hub"
    assert [each for asked in recorder.asked for each in judge(asked)] == []


@pytest.mark.parametrize("name", sorted(CALLS))
def test_the_data_store_token_goes_to_the_data_store_alone(name, recorder, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hub-canary")
    platform = at(recorder.url, recorder.url, recorder.url + "/nim", nds_token="nds-canary")
    CALLS[name](platform, tmp_path)
    for asked in recorder.asked:
        everything = json.dumps([asked.headers, asked.query]) + asked.body.decode("latin-1")
        assert "hub-canary" not in everything
        if not asked.path.startswith(("/v1/hf/", "/v1/datastore/")):
            assert "nds-canary" not in everything


def test_the_wandb_key_travels_in_its_header_and_nowhere_else(recorder):
    platform = at(recorder.url, recorder.url, recorder.url + "/nim")
    request = REQUEST | tracking.integrations("wandb-canary")
    customizer.ensure_job(platform, request, dataset_commit="c0ffee", wandb_api_key="wandb-canary")
    post = next(asked for asked in recorder.asked if asked.method == "POST")
    assert post.headers["wandb-api-key"] == "wandb-canary"
    assert "wandb-canary" not in post.body.decode()
    assert post.json["integrations"] == [{"type": "wandb", "wandb": {"project": tracking.PROJECT}}]
