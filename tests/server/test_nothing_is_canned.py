"""Proof that training, serving and scoring are real: change what goes in, and what comes out must change.

Every training here is at most 60 steps on short rows, so the file takes a few minutes on two cores.
"""

import io
import json
import random
import zipfile
from pathlib import Path

import pytest
import requests
import torch
from huggingface_hub import snapshot_download
from jsonschema import Draft202012Validator
from peft import PeftModel
from transformers import PreTrainedTokenizerBase

from helpers import data
from local_nemo.lm import tool_calls
from local_nemo.lm.base import load_base, load_model
from local_nemo.lm.prompt import render_prompt
from local_nemo.lm.tokenizer import load_tokenizer
from local_nemo.settings import Settings
from tests import stories
from tests.conftest import RunningServer

ROWS, TEST_ROWS = 64, 18
SHORT = 500  # characters of a row's tools, so that a training takes half a minute
FAST = {"batch_size": 4, "learning_rate": 2e-3}


@pytest.fixture(scope="module")
def rows() -> dict[str, list[dict]]:
    """Short bfcl rows as notebook 1 prepares them: `training`, `validation`, `testing`."""
    splits = data.prepare(data.load_rows("bfcl"), seed=1234).splits
    short = {name: [row for row in split if len(json.dumps(row.tools)) < SHORT] for name, split in splits.items()}
    return {
        "training": [row.training_row() for row in short["training"][:ROWS]],
        "validation": [row.training_row() for row in short["validation"][:TEST_ROWS]],
        "testing": [row.evaluation_row() for row in short["test"][:TEST_ROWS]],
    }


def files(rows: dict[str, list[dict]], training: list[dict]) -> dict[str, list[dict]]:
    return {
        "training/training.jsonl": training,
        "validation/validation.jsonl": rows["validation"],
        "testing/testing.jsonl": rows["testing"],
    }


def with_shuffled_answers(training: list[dict]) -> list[dict]:
    """Every question gets the answer of another row."""
    answers = [row["messages"][-1] for row in training]
    random.Random(0).shuffle(answers)
    return [row | {"messages": [*row["messages"][:-1], answer]} for row, answer in zip(training, answers, strict=True)]


@pytest.fixture(scope="module")
def honest(server: RunningServer, rows: dict) -> dict:
    stories.upload(server, "real/honest", files(rows, rows["training"]))
    return stories.train(server, "real/honest", "real/honest-model", **FAST)


@pytest.fixture(scope="module")
def honest_scores(server: RunningServer, honest: dict) -> tuple[dict, str]:
    """The honest model's scores by name, and the id of the evaluation job."""
    return stories.evaluate(server, "real/honest", "testing/testing.jsonl", honest["output_model"])


@pytest.fixture(scope="module")
def tiny(server: RunningServer, rows: dict) -> str:
    """A dataset for trainings of which only the weights matter."""
    few = {name: split[:8] if name == "training" else split[:2] for name, split in rows.items()}
    stories.upload(server, "real/tiny", files(few, few["training"]))
    return "real/tiny"


@pytest.fixture(scope="module")
def shuffled(server: RunningServer, rows: dict) -> dict:
    stories.upload(server, "real/shuffled", files(rows, with_shuffled_answers(rows["training"])))
    return stories.train(server, "real/shuffled", "real/shuffled-model", **FAST)


def adapter(server: RunningServer, job: dict) -> Path:
    """The folder with the adapter's files: repository `ns/name`, the version after "@" is its revision."""
    repo, version = job["output_model"].split("@")
    return Path(snapshot_download(repo, revision=version, endpoint=server.url + "/v1/hf", token="token"))


def weights(server: RunningServer, job: dict) -> bytes:
    return (adapter(server, job) / "adapter_model.safetensors").read_bytes()


@pytest.mark.slow
def test_shuffled_answers_give_a_clearly_worse_validation_loss_and_score(
    server: RunningServer, honest: dict, shuffled: dict, honest_scores: tuple[dict, str]
) -> None:
    assert honest["status_details"]["val_loss"] < 0.8 * shuffled["status_details"]["val_loss"]
    good, _ = honest_scores
    bad, _ = stories.evaluate(server, "real/honest", "testing/testing.jsonl", shuffled["output_model"])
    score = "function_name_and_args_accuracy"
    assert good["function_name_accuracy"]["value"] >= 0.5
    assert good[score]["value"] > bad[score]["value"]


@pytest.mark.slow
def test_another_dataset_or_seed_gives_other_weights_and_the_same_ones_the_same(
    server: RunningServer, honest: dict, shuffled: dict, tiny: str
) -> None:
    first, again = (stories.train(server, tiny, f"real/seed-{run}", **FAST) for run in "ab")
    other = stories.train(server, tiny, "real/seed-c", **FAST, seed=8)
    assert weights(server, first) == weights(server, again)
    assert weights(server, first) != weights(server, other)
    assert weights(server, honest) != weights(server, shuffled)


@pytest.mark.slow
def test_the_evaluators_score_equals_a_recount_of_the_rows_it_lets_you_download(
    server: RunningServer, honest_scores: tuple[dict, str]
) -> None:
    scores, job_id = honest_scores
    archive = requests.get(server.url + f"/v1/evaluation/jobs/{job_id}/download-results", timeout=60).content
    with zipfile.ZipFile(io.BytesIO(archive)) as files:
        records = [json.loads(line) for line in files.read("results/records.jsonl").splitlines()]
    assert len(records) == TEST_ROWS
    right = both = 0
    for record in records:
        calls = record["response"]["choices"][0]["message"].get("tool_calls") or []
        said = [(call["function"]["name"], json.loads(call["function"]["arguments"])) for call in calls]
        true = [(call["function"]["name"], call["function"]["arguments"]) for call in record["item"]["tool_calls"]]
        right += {name for name, _ in said} == {name for name, _ in true}
        both += dict(said) == dict(true)
    assert scores["function_name_accuracy"]["value"] == pytest.approx(right / TEST_ROWS)
    assert scores["function_name_and_args_accuracy"]["value"] == pytest.approx(both / TEST_ROWS)


@pytest.mark.slow
def test_what_nim_answers_is_what_the_trained_weights_generate_in_transformers(
    server: RunningServer, honest: dict, rows: dict
) -> None:
    base = load_base(Settings.from_env())
    tokenizer = load_tokenizer(base)
    model = PeftModel.from_pretrained(load_model(base), adapter(server, honest)).eval()
    compared = 0
    for row in rows["testing"][:6]:
        text = greedy(model, tokenizer, render_prompt(tokenizer, row["messages"], row["tools"]))
        written = [(call["name"], json.loads(call["arguments"])) for call in tool_calls.parse(text, row["tools"])[1]]
        if not is_valid(written, row["tools"]):
            continue  # guided decoding mends such an answer
        asked = {"messages": row["messages"], "tools": row["tools"], "tool_choice": "auto"}
        body = {"model": honest["output_model"], "max_tokens": 96, "temperature": 0} | asked
        answer = requests.post(server.nim_url + "/v1/chat/completions", json=body, timeout=120).json()
        said = [call["function"] for call in answer["choices"][0]["message"].get("tool_calls") or []]
        assert [(call["name"], json.loads(call["arguments"])) for call in said] == written
        compared += 1
    assert compared >= 3


def greedy(model: torch.nn.Module, tokenizer: PreTrainedTokenizerBase, prompt: str) -> str:
    ids = tokenizer(prompt, add_special_tokens=False, return_tensors="pt")["input_ids"]
    with torch.inference_mode():
        whole = model.generate(input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=96, do_sample=False)
    return tokenizer.decode(whole[0, ids.shape[1] :], skip_special_tokens=True)


def is_valid(calls: list[tuple[str, dict]], tools: list[dict]) -> bool:
    """Whether this is one call of an offered tool with no arguments but those that its schema names and allows."""
    schemas = {tool["function"]["name"]: tool["function"]["parameters"] for tool in tools}
    if len(calls) != 1 or calls[0][0] not in schemas:
        return False
    name, arguments = calls[0]
    return Draft202012Validator(schemas[name] | {"additionalProperties": False}).is_valid(arguments)


@pytest.mark.slow
def test_with_its_entity_deleted_a_model_is_gone_and_the_answer_lists_what_is_served(
    server: RunningServer, tiny: str
) -> None:
    job = stories.train(server, tiny, "real/short-lived", **FAST)
    model, ask = job["output_model"], {"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 4}
    chat = server.nim_url + "/v1/chat/completions"
    assert requests.post(chat, json=ask | {"model": model}, timeout=60).status_code == 200
    assert requests.delete(server.url + f"/v1/models/{model}", timeout=60).status_code == 200
    gone = requests.post(chat, json=ask | {"model": model}, timeout=60)
    assert gone.status_code == 404
    assert model in gone.text and stories.BASE in gone.text
    assert model not in [
        entry["id"] for entry in requests.get(server.nim_url + "/v1/models", timeout=60).json()["data"]
    ]
