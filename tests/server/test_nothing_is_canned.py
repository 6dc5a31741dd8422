"""Proof that training, serving and scoring are real: change what goes in, and what comes out must change.

Every training here is at most 60 steps on short rows, so the file takes a few minutes on two cores.
"""

import io
import json
import random
import zipfile

import pytest
import requests
from huggingface_hub import hf_hub_download

from helpers import data
from tests import stories
from tests.conftest import RunningServer

# Not run by `make test` yet: written, and never run to its end on a quiet machine.
pytestmark = pytest.mark.skip(reason="not yet proven on a quiet machine; remove this line to run it")

ROWS, TEST_ROWS = 120, 24


@pytest.fixture(scope="module")
def rows() -> dict[str, list[dict]]:
    """Short bfcl rows as notebook 1 prepares them: `training`, `validation`, `testing`."""
    splits = data.prepare(data.load_rows("bfcl"), seed=1234).splits
    short = {name: [row for row in split if len(json.dumps(row.tools)) < 900] for name, split in splits.items()}
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
    return stories.train(server, "real/honest", "real/honest-model")


@pytest.fixture(scope="module")
def shuffled(server: RunningServer, rows: dict) -> dict:
    stories.upload(server, "real/shuffled", files(rows, with_shuffled_answers(rows["training"])))
    return stories.train(server, "real/shuffled", "real/shuffled-model")


def weights(server: RunningServer, job: dict) -> bytes:
    """The adapter's file: repository `ns/name`, the version after "@" is its revision."""
    repo, version = job["output_model"].split("@")
    path = hf_hub_download(
        repo, "adapter_model.safetensors", revision=version, endpoint=server.url + "/v1/hf", token="token"
    )
    with open(path, "rb") as file:
        return file.read()


@pytest.mark.slow
def test_shuffled_answers_give_a_clearly_worse_validation_loss_and_score(
    server: RunningServer, honest: dict, shuffled: dict
) -> None:
    assert honest["status_details"]["val_loss"] < 0.8 * shuffled["status_details"]["val_loss"]
    good, _ = stories.evaluate(server, "real/honest", "testing/testing.jsonl", honest["output_model"])
    bad, _ = stories.evaluate(server, "real/honest", "testing/testing.jsonl", shuffled["output_model"])
    score = "function_name_and_args_accuracy"
    assert good["function_name_accuracy"]["value"] >= 0.5
    assert good[score]["value"] > bad[score]["value"]


@pytest.mark.slow
def test_another_dataset_or_seed_gives_other_weights_and_the_same_ones_the_same(
    server: RunningServer, honest: dict, shuffled: dict
) -> None:
    short = {"max_steps": 2, "val_check_interval": 1}
    first, again = (stories.train(server, "real/honest", f"real/seed-{run}", **short) for run in "ab")
    other = stories.train(server, "real/honest", "real/seed-c", **short, seed=8)
    assert weights(server, first) == weights(server, again)
    assert weights(server, first) != weights(server, other)
    assert weights(server, honest) != weights(server, shuffled)


@pytest.mark.slow
def test_the_evaluators_score_equals_a_recount_of_the_rows_it_lets_you_download(
    server: RunningServer, honest: dict
) -> None:
    scores, job_id = stories.evaluate(server, "real/honest", "testing/testing.jsonl", honest["output_model"])
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
def test_with_its_entity_deleted_a_model_is_gone_and_the_answer_lists_what_is_served(server: RunningServer) -> None:
    job = stories.train(server, "real/honest", "real/short-lived", max_steps=2, val_check_interval=1)
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
