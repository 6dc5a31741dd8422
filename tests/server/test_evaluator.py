"""The Evaluator: what a job answers and leaves behind, and what is refused before anything is asked."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.evaluator_app import FILE, REPO, Evaluator, as_target, config, number_of, row
from tests.scripted_model import ScriptedModel, completion

ROWS = [row(number) for number in range(12)]


@pytest.fixture
def evaluator(tmp_path: Path) -> Iterator[Evaluator]:
    with Evaluator(tmp_path / "state") as running:
        running.upload(FILE, ROWS)
        yield running


@pytest.fixture
def model() -> Iterator[ScriptedModel]:
    """Calls f(i=number), wrongly for every third row."""
    with ScriptedModel() as scripted:
        scripted.respond = lambda body: completion(calls=[("f", {"i": number_of(body) * (number_of(body) % 3 != 0)})])
        yield scripted


def test_a_job_goes_from_rows_to_scores_and_its_answers_have_the_documented_shape(evaluator, model) -> None:
    answer = evaluator.call("POST", "jobs", json={"config": config(limit=10), "target": as_target(model.url)}).json()
    assert answer["status"] == "created"
    assert answer["config"]["name"] == answer["config"]["id"]
    assert answer["config"]["tasks"]["tools"]["dataset"]["limit"] == 10
    assert answer["target"]["id"].startswith("eval-target-")
    assert answer["status_details"]["task_status"] == {"tools": "pending"}
    job = evaluator.finished(answer["id"])
    assert evaluator.call("GET", f"jobs/{job['id']}/status").json() == {
        "message": None,
        "progress": 100.0,
        "samples_processed": 10,
        "task_status": {"tools": "completed"},
    }
    result = evaluator.result(job["id"])
    assert (result["id"], result["job"]) == (job["result"], job["id"])
    scores = evaluator.scores(job["id"])
    assert scores["function_name_accuracy"]["value"] == 1.0
    assert scores["function_name_and_args_accuracy"]["value"] == pytest.approx(0.7), "row 0 is right by accident"
    stats = scores["function_name_and_args_accuracy"]["stats"]
    assert (stats["count"], stats["sum"], stats["nan_count"], stats["min"], stats["max"]) == (10, 7.0, 0, 0.0, 1.0)
    assert stats["variance"] == pytest.approx(0.21)
    assert stats["stderr"] == pytest.approx((0.21 / 10) ** 0.5)


def test_the_archive_holds_config_results_log_and_one_record_a_row_that_recount_to_the_scores(evaluator, model) -> None:
    job_id = evaluator.create(config(), model.url)
    evaluator.finished(job_id)
    archive = evaluator.archive(job_id)
    assert set(archive.namelist()) >= {"results.json", "config.json", "results/records.jsonl", "logs/log.txt"}
    assert json.loads(archive.read("results.json")) == evaluator.result(job_id)
    records = evaluator.records(job_id)
    assert [record["item"] for record in records] == ROWS
    assert [record["query"] for record in records] == [str(number) for number in range(12)]
    first = records[1]
    assert first["truth"] == ROWS[1]["tool_calls"]
    assert first["tools"] == ROWS[1]["tools"]
    assert json.loads(first["predicted"][0]["function"]["arguments"]) == {"i": 1}
    assert (first["prompt_tokens"], first["completion_tokens"], first["error"]) == (7, 3, None)
    assert first["latency_s"] > 0
    for name, score in evaluator.scores(job_id).items():
        assert score["value"] == sum(record["scores"][name] for record in records) / len(records)


def test_the_request_is_the_rendered_template_with_the_sampling_of_the_config(evaluator, model) -> None:
    template = {
        "messages": "{{ item.messages | tojson }}",
        "max_tokens": 5,
        "nvext": {"guided_json": "{{ item.tools }}"},
    }
    evaluator.finished(evaluator.create(config(template=template, limit=1, max_tokens=99, temperature=0.5), model.url))
    (path, _, body), *_ = model.requests
    assert path == "/v1/chat/completions"
    assert body["messages"] == ROWS[0]["messages"]
    assert body["nvext"] == {"guided_json": ROWS[0]["tools"]}
    assert (body["model"], body["max_tokens"], body["temperature"], body["stream"]) == ("scripted", 5, 0.5, False)


@pytest.mark.parametrize(("limit", "limit_samples", "asked"), [(3, None, 3), (None, 4, 4), (5, 2, 2), (99, None, 12)])
def test_the_smaller_limit_holds(evaluator, model, limit: int | None, limit_samples: int | None, asked: int) -> None:
    params = {"limit_samples": limit_samples} if limit_samples else {}
    evaluator.finished(evaluator.create(config(limit=limit, **params), model.url))
    assert sorted(map(int, model.asked())) == list(range(asked))


def test_stored_configs_and_targets_are_used_by_name_and_datasets_too(evaluator, model) -> None:
    body = config() | {"name": "tool-calling", "namespace": "ns"}
    body["tasks"]["tools"]["dataset"] = "ns/rows"
    evaluator.services.entities.create(
        "dataset", {"name": "rows", "namespace": "ns", "files_url": f"hf://datasets/{REPO}"}
    )
    assert evaluator.call("POST", "configs", json=body).status_code == 200
    assert (
        evaluator.call("POST", "targets", json=as_target(model.url) | {"name": "t", "namespace": "ns"}).status_code
        == 200
    )
    job = evaluator.finished(evaluator.create("ns/tool-calling", "ns/t"))
    assert job["config"]["name"] == "tool-calling"
    assert (
        evaluator.call("GET", "jobs", params={"filter[config]": "ns/tool-calling"}).json()["data"][0]["id"] == job["id"]
    )
    assert (
        evaluator.call("GET", "results", params={"filter[job_id]": job["id"]}).json()["data"][0]["id"] == job["result"]
    )
    changed = evaluator.call("PATCH", "configs/ns/tool-calling", json={"tasks": {"x": {"type": "nonsense"}}})
    assert changed.status_code == 422, "a patch is checked like a new config"


def test_a_model_that_the_entity_store_knows_by_its_endpoint_is_asked_there(evaluator, model) -> None:
    endpoint = {"url": model.url + "/chat/completions", "model_id": "scripted"}
    evaluator.services.entities.create("model", {"name": "far", "namespace": "ns", "api_endpoint": endpoint})
    evaluator.finished(evaluator.create(config(limit=2), {"type": "model", "model": "ns/far"}))
    assert len(model.requests) == 2


def test_a_job_reads_the_rows_of_the_commit_it_was_created_on(evaluator, model) -> None:
    slow = model.respond
    gate = threading.Event()
    model.respond = lambda body: (gate.wait(20), slow(body))[1]
    job_id = evaluator.create(config(parallelism=1), model.url)
    evaluator.upload(FILE, [row(number) for number in range(100, 103)])
    gate.set()
    evaluator.finished(job_id)
    assert sorted(map(int, model.asked())) == list(range(12))


def test_results_are_written_to_the_data_store_when_asked_for(evaluator, model) -> None:
    where = f"hf://datasets/{REPO}/out"
    body = {"config": config(limit=2), "target": as_target(model.url), "output_files_url": where}
    job = evaluator.finished(evaluator.call("POST", "jobs", json=body).json()["id"])
    assert evaluator.result(job["id"])["files_url"] == where
    files = evaluator.services.files
    assert len(files.path("datasets", REPO, "out/results/records.jsonl").read_text().splitlines()) == 2


def test_rows_that_hold_their_answers_are_scored_at_once_without_asking_anybody(evaluator) -> None:
    rows = [row(1, response=completion(calls=[("f", {"i": 1})])), row(2, response=completion("no"))]
    answer = evaluator.call("POST", "live", json={"config": config(), "target": {"type": "rows", "rows": rows}}).json()
    assert answer["status"] == "completed"
    scores = answer["result"]["tasks"]["tools"]["metrics"]["accuracy"]["scores"]
    assert scores["function_name_accuracy"]["stats"]["sum"] == 1.0
    assert len(answer["logs"]["tools"]) == 2
    too_many = {"type": "rows", "rows": [rows[0]] * 101}
    refused = evaluator.call("POST", "live", json={"config": config(), "target": too_many})
    assert (refused.status_code, "create a job" in refused.text) == (422, True)


def test_text_tasks_are_scored_by_text_metrics(evaluator) -> None:
    check = ["{{ item.a }}", "equals", "{{ sample.output_text | trim }}"]
    task = {
        "type": "data",
        "metrics": {
            "check": {"type": "string-check", "params": {"check": check}},
            "words": {"type": "f1", "params": {"ground_truth": "{{ item.a }}"}},
        },
    }
    rows = [{"a": "yes", "output_text": " yes "}, {"a": "yes sir", "output_text": "yes"}]
    body = {"config": {"type": "custom", "tasks": {"t": task}}, "target": {"type": "rows", "rows": rows}}
    metrics = evaluator.call("POST", "live", json=body).json()["result"]["tasks"]["t"]["metrics"]
    assert metrics["check"]["scores"]["string-check"]["value"] == 0.5
    assert metrics["words"]["scores"]["f1"]["value"] == pytest.approx((1 + 2 / 3) / 2)


BAD_FILES = {
    "bad.jsonl": b'{"a": 1}\n{"a": \n',
    "lists.jsonl": b"[1]\n",
    "nan.jsonl": b'{"a": NaN}\n',
    "binary.jsonl": b'{"a": "\xff"}\n',
    "empty.jsonl": b"\n",
}


@pytest.fixture(scope="module")
def refusing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evaluator]:
    """One for all refusals: they change nothing."""
    with Evaluator(tmp_path_factory.mktemp("refusing")) as running:
        for path, content in BAD_FILES.items():
            running.upload(path, content)
        running.upload(FILE, ROWS)
        yield running
        assert running.call("GET", "jobs").json()["data"] == []


def with_task(**changes: Any) -> dict[str, Any]:
    body = config()
    body["tasks"]["tools"] |= changes
    return body


METRIC = {"m": {"type": "tool-calling", "params": {"tool_calls_ground_truth": "{{ item.tool_calls | tojson }}"}}}
REFUSALS = {
    "benchmark": ({"type": "mmlu"}, 422, ["'mmlu'", "custom", "tool-calling"]),
    "no tasks": ({"type": "custom", "tasks": {}}, 422, ["config.tasks is empty"]),
    "groups": (config() | {"groups": {"g": {"tasks": ["tools"]}}}, 422, ["config.groups"]),
    "task type": (with_task(type="chat"), 422, ["'chat'", "chat-completion"]),
    "metric type": (
        with_task(metrics={"m": {"type": "llm-judge"}}),
        422,
        ["metrics.m.type 'llm-judge'", "tool-calling"],
    ),
    "metric parameter": (with_task(metrics={"m": {"type": "tool-calling"}}), 422, ["tool_calls_ground_truth"]),
    "no metrics": (with_task(metrics={}), 422, ["metrics is empty"]),
    "no template": (with_task(params={}), 422, ["params.template", "messages"]),
    "broken template": (with_task(params={"template": {"messages": "{{ item."}}), 422, ["template.messages", "Jinja"]),
    "unknown parameter": (config(paralelism=3), 422, ["paralelism"]),
    "absurd parallelism": (config(parallelism=10**6), 422, ["parallelism"]),
    "unknown extra": (config(extra={"speed": 1}), 422, ["requests_per_minute"]),
    "no dataset": (with_task(dataset=None), 422, ["tasks.tools needs a dataset"]),
    "dataset entity": (with_task(dataset="ns/nothing"), 404, ["ns/nothing"]),
    "repository": (with_task(dataset={"files_url": "hf://datasets/ns/nothing/x.jsonl"}), 404, ["ns/nothing"]),
    "file": (config(file="testing/typo.jsonl"), 404, ["typo.jsonl", FILE]),
    "bad line": (config(file="bad.jsonl"), 422, ["bad.jsonl, line 2", "not JSON"]),
    "not objects": (config(file="lists.jsonl"), 422, ["lists.jsonl, line 1", "object"]),
    "NaN": (config(file="nan.jsonl"), 422, ["nan.jsonl, line 1", "NaN"]),
    "not text": (config(file="binary.jsonl"), 422, ["binary.jsonl", "UTF-8"]),
    "no rows": (config(file="empty.jsonl"), 422, ["holds no rows"]),
    "other hub": (
        with_task(dataset={"files_url": "hf://datasets/a/b", "hf_endpoint": "https://huggingface.co"}),
        422,
        ["upload"],
    ),
    "other scheme": (with_task(dataset={"files_url": "file:///etc/passwd"}), 404, ["file:///etc/passwd"]),
}


@pytest.mark.parametrize("case", REFUSALS)
def test_a_config_that_cannot_be_evaluated_is_refused_with_what_can(refusing, model, case: str) -> None:
    body, status, words = REFUSALS[case]
    found, text = refusing.refused(body, model.url)
    assert found == status, text
    for word in words:
        assert word in text
    assert not model.requests


TARGETS = {
    "unknown model": ({"type": "model", "model": "nobody/nothing"}, 404, ["nobody/nothing", "smollm2-135m-instruct"]),
    "type": ({"type": "rag", "rag": {}}, 422, ["'rag'", "model"]),
    "no model": ({"type": "model"}, 422, ["'model'"]),
    "host": (as_target("http://example.com/v1"), 422, ["example.com", "LOCAL_NEMO_ALLOWED_HOSTS=example.com"]),
    "host in disguise": (as_target("http://127.0.0.1@example.com/v1"), 422, ["http(s)://host"]),
    "metadata address": (as_target("http://169.254.169.254/latest"), 422, ["169.254.169.254"]),
    "short address": (as_target("http://2130706433/v1"), 422, ["does not call"]),
    "scheme": (
        as_target("http://x") | {"model": {"api_endpoint": {"url": "file:///etc/passwd", "model_id": "x"}}},
        422,
        ["http"],
    ),
    "missing variable": (as_target("http://127.0.0.1:1/v1", api_key="NOBODY_API_KEY"), 422, ["NOBODY_API_KEY"]),
}


@pytest.mark.parametrize("case", TARGETS)
def test_a_target_that_may_not_or_cannot_be_asked_is_refused_with_the_way_out(refusing, case: str) -> None:
    target, status, words = TARGETS[case]
    found, text = refusing.refused(config(), target)
    assert found == status, text
    for word in words:
        assert word in text


def test_a_host_that_the_settings_allow_may_be_named(tmp_path: Path) -> None:
    with Evaluator(tmp_path / "state", allowed_hosts=("models.example:8000",)) as evaluator:
        answer = evaluator.call("POST", "targets", json=as_target("http://models.example:8000/v1"))
        assert answer.status_code == 200
        assert evaluator.call("POST", "targets", json=as_target("http://models.example/v1")).status_code == 422


def test_a_key_reaches_the_endpoint_and_is_written_nowhere(evaluator, model, tmp_path, monkeypatch) -> None:
    model.respond = lambda body: (401, {}, f"bad key: {model.requests[-1][1]['Authorization']}".encode())
    named = evaluator.call(
        "POST", "targets", json=as_target(model.url, api_key="canary-key-in-clear") | {"name": "keyed"}
    )
    assert "canary" not in named.text
    for target in ("default/keyed", as_target(model.url, api_key="canary-key-in-clear")):
        job = evaluator.finished(evaluator.create(config(limit=1), target), "failed")
        assert "HTTP 401" in job["status_details"]["message"]
    changed = as_target(model.url, api_key="canary-key-of-a-patch")
    assert "canary" not in evaluator.call("PATCH", "targets/default/keyed", json={"model": changed["model"]}).text
    evaluator.finished(evaluator.create(config(limit=1), "default/keyed"), "failed")
    monkeypatch.setenv("TEST_API_KEY", "canary-key-of-a-variable")
    evaluator.finished(evaluator.create(config(limit=1), as_target(model.url, api_key="TEST_API_KEY")), "failed")
    sent = [headers["Authorization"] for _, headers, _ in model.requests]
    keys = ["in-clear", "in-clear", "of-a-patch", "of-a-variable"]
    assert sent == [f"Bearer canary-key-{key}" for key in keys]
    state = tmp_path / "state"
    written = b"".join(path.read_bytes() for path in state.rglob("*") if path.is_file())
    assert b"HTTP 401" in written
    assert b"canary" not in written


def test_a_deleted_job_leaves_nothing_behind(evaluator, model) -> None:
    job = evaluator.finished(evaluator.create(config(), model.url))
    gone = evaluator.call("DELETE", f"jobs/{job['id']}")
    assert (gone.status_code, gone.content) == (204, b"")
    for path in (f"jobs/{job['id']}", f"jobs/{job['id']}/results", f"results/{job['result']}"):
        assert evaluator.call("GET", path).status_code == 404
    assert not evaluator.services.evaluations.folder(job["id"]).exists()


def test_results_can_be_stored_changed_and_deleted_by_hand(evaluator) -> None:
    made = evaluator.call("POST", "results", json={"job": "eval-elsewhere", "tasks": {}}).json()
    path = f"results/{made['id']}"
    assert evaluator.call("PATCH", path, json={"description": "mine"}).json()["description"] == "mine"
    assert evaluator.call("GET", path).json()["job"] == "eval-elsewhere"
    assert evaluator.call("DELETE", path).json()["id"] == made["id"]
    assert evaluator.call("GET", path).status_code == 404


def test_what_does_not_exist_is_404_and_results_before_the_end_say_when(evaluator, model) -> None:
    for path in ("jobs/eval-x", "jobs/eval-x/status", "jobs/eval-x/results", "jobs/eval-x/logs", "results/x"):
        assert evaluator.call("GET", path).status_code == 404
    assert evaluator.call("POST", "jobs/eval-x/cancel").status_code == 404
    gate = threading.Event()
    model.respond = lambda body: (gate.wait(20), completion("x"))[1]
    job_id = evaluator.create(config(), model.url)
    early = evaluator.call("GET", f"jobs/{job_id}/results")
    assert (early.status_code, "ask again" in early.text) == (404, True)
    gate.set()
    evaluator.finished(job_id)
