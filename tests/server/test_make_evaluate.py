"""`make evaluate` and notebook 3's helpers on a real local_nemo with a really (if barely) trained model."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

import config
from helpers import ask_rows, evaluate, evaluator, external, nim, records, tables
from helpers.errors import DatasetError, MissingState, ModelNotServed
from helpers.platform import Platform, at
from helpers.scores import ARGUMENTS, NAME
from tests import stories
from tests.conftest import ROOT, RunningServer

MODEL = "xlam-tutorial-ns/evaluate-me"
WIDE = {f"option_{number}": {"type": "str", "description": f"option {number}"} for number in range(10)}
TOOLS = [
    {"name": "add", "description": "Adds.", "parameters": {"a": {"type": "int"}, "b": {"type": "int"}}},
    {"name": "configure", "description": "Sets options.", "parameters": WIDE},
]


def foreign_row(number: int) -> dict:
    """A row in xLAM's own shape, as somebody else would bring it."""
    answers = [{"name": "add", "arguments": {"a": number, "b": 2}}]
    accepted = {"a": [number], "b": [2, "2"]}
    tools = TOOLS if number % 2 else TOOLS[:1]
    query = f"Please add {number} and 2."
    return {
        "id": number,
        "query": query,
        "answers": json.dumps(answers),
        "tools": json.dumps(tools),
        "accepted": accepted,
    }


@pytest.fixture(scope="module")
def platform(server: RunningServer) -> Platform:
    return at(server.url, server.url, server.nim_url, nds_token="token")


@pytest.fixture(scope="module")
def model(server: RunningServer) -> str:
    """A model of four training steps."""
    function = TOOLS[0] | {"parameters": {"type": "object", "properties": {"a": {"type": "integer"}}}}
    call = {"type": "function", "function": {"name": "add", "arguments": {"a": 1}}}
    answer = {"role": "assistant", "content": "", "tool_calls": [call]}
    row = {
        "messages": [{"role": "user", "content": "Add 1."}, answer],
        "tools": [{"type": "function", "function": function}],
    }
    stories.upload(server, "xlam-tutorial-ns/add", {"training/t.jsonl": [row] * 8, "validation/v.jsonl": [row] * 2})
    job = stories.train(server, "xlam-tutorial-ns/add", MODEL, max_steps=4, batch_size=2)
    return job["output_model"]


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """Seven usable rows and three that are not."""
    path = tmp_path / "foreign.rows.jsonl"
    unusable = [{"query": "no tools"}, foreign_row(90) | {"answers": "[]"}, foreign_row(91) | {"tools": "{broken"}]
    path.write_text("".join(json.dumps(row) + "\n" for row in [*map(foreign_row, range(7)), *unusable]))
    return path


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr("config.RESULTS_DIR", str(tmp_path / "results"))
    yield tmp_path / "results"


@pytest.mark.slow
def test_make_evaluate_scores_both_models_on_foreign_rows(server, model, rows, tmp_path) -> None:
    env = os.environ | {
        "NEMO_URL": server.url,
        "NDS_URL": server.url,
        "NIM_URL": server.nim_url,
        "RESULTS_DIR": str(tmp_path / "results"),
    }
    command = [sys.executable, "-m", "helpers.evaluate", str(rows), "--limit", "5"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads((tmp_path / "results" / "evaluate-foreign.json").read_text())
    assert (result["n"], result["model"], result["base_model"]) == (5, model, stories.BASE)
    for side in ("base", "customized"):
        assert set(result[side]) >= {NAME, ARGUMENTS, "function_name_and_accepted_args_accuracy", "ci95"}
        low, high = result[side]["ci95"][NAME]
        assert low <= result[side][NAME] <= high
    assert result["data"]["rows"] == 10
    assert sum(result["data"]["dropped"].values()) == 3
    assert 0 < result["data"]["tools_over_8_parameters"] < 5, "rows with many parameters are kept, and counted"
    assert "right function" in done.stdout
    assert str(rows.name) in done.stdout
    assert len((tmp_path / "results" / "history.jsonl").read_text().splitlines()) == 1


def test_records_without_an_evaluator_are_scored_like_its_own(platform, model, rows, results) -> None:
    kept = evaluate.read(rows)
    upload = evaluate.put(platform, kept, "xlam-tutorial-ns/evaluate-again")
    body = evaluate.configuration(f"{upload.files_url}/{evaluate.FILE}", max_tokens=24)
    job = evaluator.run(platform, config=body, target={"type": "model", "model": model}, rows=len(kept.kept))
    evaluated = evaluator.download_records(platform, job["id"], results)
    file_rows = [row.evaluation_row() for row in kept.kept]
    asked = ask_rows.ask(nim.client(platform), model, file_rows, max_tokens=24)
    by_row = sorted(evaluated, key=lambda one: one["index"])
    assert [one["item"] for one in asked] == [one["item"] for one in by_row]
    assert {name: one.value for name, one in records.rates(asked).items()} == {
        name: one.value for name, one in records.rates(evaluated).items()
    }
    assert tables.mistakes(asked, asked).loc["all rows", "base model"] == len(file_rows)


def test_an_external_endpoint_is_evaluated_with_a_key_from_the_environment(platform, server, rows, monkeypatch) -> None:
    """The second server is this one's NIM, named by its URL as any other would be."""
    monkeypatch.setenv("SOME_API_KEY", "canary-external-key")
    upload = evaluate.put(platform, evaluate.read(rows, limit=2), "xlam-tutorial-ns/evaluate-external")
    target = external.target(f"{server.nim_url}/v1", stories.BASE, key="SOME_API_KEY")
    body = evaluate.configuration(f"{upload.files_url}/{evaluate.FILE}", max_tokens=8)
    job = evaluator.run(platform, config=body, target=target)
    assert evaluator.scores(evaluator.results(platform, job["id"]))[NAME]["count"] == 2
    assert "canary" not in requests.get(f"{server.url}/v1/evaluation/jobs/{job['id']}", timeout=30).text


def test_what_is_missing_is_said_with_the_way_out(platform, tmp_path, rows) -> None:
    with pytest.raises(DatasetError, match="There is no file"):
        evaluate.read(tmp_path / "typo.jsonl")
    empty = tmp_path / "empty.jsonl"
    empty.write_text('{"query": "x"}\n')
    with pytest.raises(DatasetError, match="None of the 1 rows"):
        evaluate.read(empty)
    with pytest.raises(ModelNotServed, match="make run"):
        evaluate.find_model(platform, "xlam-tutorial-ns/nobody")


def test_without_a_server_and_without_a_run_make_evaluate_names_make_run(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(evaluate, "ROOT", tmp_path)
    for name in ("NEMO_URL", "NDS_URL", "NIM_URL"):
        monkeypatch.setattr(config, name, "")
    with pytest.raises(MissingState, match="make run"), evaluate.services():
        pass
