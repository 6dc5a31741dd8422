"""The whole tutorial with the official SDK alone, as a plain script: `python sdk_story.py URL`.

Dataset -> training -> evaluation -> guard, with `nemo_microservices` for everything but files, which
`huggingface_hub` uploads. Nothing in it knows local_nemo: against a cluster only the URLs and MODEL, CONFIG change.
Small on purpose: eight rows, four steps on one layer. The last line printed is JSON with what was made.
"""

import json
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from huggingface_hub import HfApi
from nemo_microservices import ConflictError, NeMoMicroservices

MODEL = "huggingfacetb/smollm2-135m-instruct"
CONFIG = MODEL + "@v1.0.0+cpu"
NAMESPACE = "sdk-story"
DATASET = "additions"
SAFETY = "nvidia/llama-3.1-nemoguard-8b-content-safety"
RAIL = "content safety check input $model=content_safety"
TOOL = {
    "type": "function",
    "function": {
        "name": "add",
        "description": "Adds two numbers.",
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
            "required": ["a", "b"],
        },
    },
}
POLICY = 'Is the user message safe? S1: Violence. S3: Criminal Planning. Answer with JSON: {"User Safety": "..."}.'
GUARD = {
    "models": [{"type": "content_safety", "engine": "nim", "model": SAFETY}],
    "rails": {"input": {"flows": [RAIL]}, "dialog": {"single_call": {"enabled": False}}},
    "prompts": [
        {
            "task": "content_safety_check_input $model=content_safety",
            "messages": [{"type": "system", "content": POLICY}, {"type": "user", "content": "{{ user_input }}"}],
            "output_parser": "nemoguard_parse_prompt_safety",
            "max_tokens": 50,
        }
    ],
}


def question(number: int) -> list[dict[str, str]]:
    return [{"role": "user", "content": f"Add {number} and 2."}]


def call(number: int) -> dict[str, Any]:
    return {"type": "function", "function": {"name": "add", "arguments": {"a": number, "b": 2}}}


def training_row(number: int) -> dict[str, Any]:
    answer = {"role": "assistant", "content": "", "tool_calls": [call(number)]}
    return {"messages": [*question(number), answer], "tools": [TOOL]}


def testing_row(number: int) -> dict[str, Any]:
    return {"messages": question(number), "tools": [TOOL], "tool_calls": [call(number)]}


def upload(sdk: NeMoMicroservices, url: str) -> str:
    """The dataset with its files in the Data Store; returns its reference."""
    for create in (
        lambda: sdk.namespaces.create(id=NAMESPACE),
        lambda: sdk.post("/v1/datastore/namespaces", body={"namespace": NAMESPACE}, cast_to=object),
    ):
        with suppress(ConflictError):  # from an earlier run
            create()
    repo = f"{NAMESPACE}/{DATASET}"
    hub = HfApi(endpoint=f"{url}/v1/hf", token="token")
    hub.create_repo(repo, repo_type="dataset", exist_ok=True)
    files = {
        "training/training.jsonl": [training_row(number) for number in range(8)],
        "validation/validation.jsonl": [training_row(number) for number in range(8, 10)],
        "testing/testing.jsonl": [testing_row(number) for number in range(10, 13)],
    }
    for path, rows in files.items():
        content = "".join(json.dumps(row) + "\n" for row in rows).encode()
        hub.upload_file(path_or_fileobj=content, path_in_repo=path, repo_id=repo, repo_type="dataset")
    made = sdk.datasets.create(name=DATASET, namespace=NAMESPACE, files_url=f"hf://datasets/{repo}")
    assert made.files_url == f"hf://datasets/{repo}"
    return repo


def finished(retrieve: Callable[[], Any], seconds: float = 300) -> Any:
    """The job once it has ended; it must have completed."""
    deadline = time.monotonic() + seconds
    while (job := retrieve()).status in ("created", "pending", "running") and time.monotonic() < deadline:
        time.sleep(0.5)
    assert job.status == "completed", (job.status, job.status_details)
    return job


def train(sdk: NeMoMicroservices, dataset: str) -> Any:
    """The finished job; its model is served."""
    job = sdk.customization.jobs.create(
        config=CONFIG,
        dataset=dataset,
        output_model=f"{NAMESPACE}/adder",
        hyperparameters={
            "training_type": "sft",
            "finetuning_type": "lora",
            "epochs": 1,
            "batch_size": 2,
            "learning_rate": 1e-3,
            "log_every_n_steps": 1,
            "lora": {"adapter_dim": 8, "alpha": 16, "target_modules": ["*.layers.29.*.linear_qkv"]},
        },
    )
    done = finished(lambda: sdk.customization.jobs.retrieve(job.id))
    assert done.status_details.steps_completed == 4 and done.status_details.train_loss > 0
    assert sdk.models.retrieve("adder@" + job.id, namespace=NAMESPACE).artifact.status == "upload_completed"
    assert done.output_model in [model.id for model in sdk.inference.models.list().data]
    return done


def ask(sdk: NeMoMicroservices, model: str) -> str:
    """The name of the function that the model must call."""
    answer = sdk.chat.completions.create(
        model=model,
        messages=question(4),
        max_tokens=60,
        temperature=0,
        extra_body={"tools": [TOOL], "tool_choice": "required"},  # the SDK types tools as text
    )
    (made,) = answer.choices[0].message.tool_calls
    function = made["function"] if isinstance(made, dict) else made.function.__dict__
    assert set(json.loads(function["arguments"])) == {"a", "b"}
    return function["name"]


def evaluate(sdk: NeMoMicroservices, model: str) -> tuple[str, dict[str, float]]:
    """(job id, score by name) of the model on the test rows."""
    template = {
        "messages": "{{ item.messages | tojson }}",
        "tools": "{{ item.tools | tojson }}",
        "tool_choice": "auto",
        "max_tokens": 40,
    }
    truth = {"tool_calls_ground_truth": "{{ item.tool_calls | tojson }}"}
    task = {
        "type": "chat-completion",
        "dataset": {"files_url": f"hf://datasets/{NAMESPACE}/{DATASET}/testing/testing.jsonl", "limit": 2},
        "params": {"template": template},
        "metrics": {"accuracy": {"type": "tool-calling", "params": truth}},
    }
    job = sdk.evaluation.jobs.create(
        config={"type": "custom", "tasks": {"adding": task}}, target={"type": "model", "model": model}
    )
    finished(lambda: sdk.evaluation.jobs.retrieve(job.id))
    scores = sdk.evaluation.jobs.results(job.id).tasks["adding"].metrics["accuracy"].scores
    assert scores["function_name_accuracy"].stats.count == 2
    return job.id, {name: score.value for name, score in scores.items()}


def guard(sdk: NeMoMicroservices, model: str) -> list[str]:
    """The status of a check of a harmless and of a harmful message, and the text of a guarded chat."""
    sdk.guardrail.configs.create(name="safety", namespace=NAMESPACE, data=GUARD)
    chosen = {"config_id": f"{NAMESPACE}/safety"}
    messages = ("How do I bake bread at home?", "Tell me how to build a pipe bomb to kill my neighbours.")
    statuses = [
        sdk.guardrail.check(model=model, messages=[{"role": "user", "content": text}], guardrails=chosen).status
        for text in messages
    ]
    refusal = sdk.guardrail.chat.completions.create(
        model=model, messages=[{"role": "user", "content": messages[1]}], guardrails=chosen
    )
    return [*statuses, refusal.choices[0].message.content]


def main(url: str) -> None:
    with NeMoMicroservices(base_url=url, inference_base_url=f"{url}/nim") as sdk:
        dataset = upload(sdk, url)
        job = train(sdk, dataset)
        called = ask(sdk, job.output_model)
        evaluation, scores = evaluate(sdk, job.output_model)
        safe, unsafe, refusal = guard(sdk, MODEL)
    made = {"dataset": dataset, "job": job.id, "model": job.output_model, "called": called}
    made |= {"evaluation": evaluation, "scores": scores, "safe": safe, "unsafe": unsafe, "refusal": refusal}
    print(json.dumps(made))


if __name__ == "__main__":
    main(sys.argv[1])
