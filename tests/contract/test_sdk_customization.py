"""The official SDK, unchanged, on the Customizer: every method of targets, configs and jobs, every reply judged.

Nothing is trained here: the queue is not started, so a job stays `created` until it is cancelled. What a finished job
answers is read from the one that `sdk_story.py` trained.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nemo_microservices
import pytest
from nemo_microservices import NeMoMicroservices

from local_nemo.api.app import STORING
from local_nemo.jobs.adapters import Adapters
from local_nemo.jobs.plan import ensure_defaults
from local_nemo.jobs.queue import Jobs
from tests import stories
from tests.conftest import RunningServer
from tests.contract.sdk_judge import judged
from tests.store_app import StoreServices, open_services, served

OPTION = {"training_type": "sft", "finetuning_type": "lora", "num_gpus": 1, "micro_batch_size": 1}
DPO = OPTION | {"training_type": "dpo"}
DESCRIBED = {"description": "d", "project": "p", "custom_fields": {"a": "b"}}
OWNED = DESCRIBED | {"ownership": {"created_by": "me"}}
HYPERPARAMETERS = {
    "training_type": "sft",
    "finetuning_type": "lora",
    "epochs": 500,
    "batch_size": 4,
    "learning_rate": 1e-4,
    "min_learning_rate": 1e-5,
    "warmup_steps": 5,
    "optimizer": "adamw_with_cosine_annealing",
    "weight_decay": 0.01,
    "adam_beta1": 0.9,
    "adam_beta2": 0.98,
    "log_every_n_steps": 1,
    "val_check_interval": 1.0,
    "seed": 3,
    "lora": {"adapter_dim": 8, "alpha": 16, "adapter_dropout": 0.1, "target_modules": ["*.layers.29.*.linear_qkv"]},
}


class WithJobs(StoreServices):
    adapters: Adapters = None
    jobs: Jobs = None


@pytest.fixture
def sdk(tmp_path: Path) -> Iterator[NeMoMicroservices]:
    """The SDK on a Customizer with the default configuration and a dataset, whose queue stands still."""
    store = open_services(tmp_path)
    services = WithJobs(store.settings, store.database, store.entities, store.files)
    services.adapters = Adapters(store.settings, store.entities, store.files, services.engine)
    services.jobs = Jobs(store.settings, store.entities, store.files, services.adapters)
    ensure_defaults(store.settings, store.entities)
    store.files.create_repo("datasets", "ns/rows")
    store.files.commit("datasets", "ns/rows", add={"training/a.jsonl": b"{}\n"}, message="rows")
    store.entities.create("dataset", {"name": "rows", "namespace": "ns", "files_url": "hf://datasets/ns/rows"})
    with served(services, names=(*STORING, "customizer")) as url, NeMoMicroservices(base_url=url) as made:
        yield made
    store.database.close()


def whole_job(**changes: Any) -> dict[str, Any]:
    """The arguments of a job with every field that the SDK names."""
    return {
        "config": stories.CONFIG,
        "dataset": {"name": "rows", "namespace": "ns"},
        "hyperparameters": HYPERPARAMETERS,
        "name": "a-job",
        "namespace": "ns",
        "output_model": "ns/model",
        "dataset_parameters": {"tools": []},
        **OWNED,
    } | changes


@pytest.mark.endpoint("CRUD /v1/customization/targets")
def test_targets_are_answered_as_declared(sdk: NeMoMicroservices) -> None:
    calls, where = sdk.customization.targets.with_raw_response, {"namespace": "sdk-targets"}
    body = {"num_parameters": 134_515_008, "precision": "fp32", "base_model": stories.BASE, "enabled": True}
    made = judged(calls.create(name="t@1", **where, **body, model_uri="hf://ns/model@main", **DESCRIBED))
    assert (made.name, made.base_model, made.status, made.model_type) == ("t@1", stories.BASE, "ready", "hf")
    assert judged(calls.retrieve("t@1", **where)).id == made.id
    changed = judged(calls.update("t@1", **where, enabled=False))
    assert (changed.enabled, changed.description) == (False, "d")
    page = judged(calls.list(filter={"namespace": "sdk-targets", "enabled": False}, sort="-created_at", page_size=5))
    assert [one.id for one in page.data] == [made.id]
    assert list(sdk.customization.targets.list(filter={"namespace": "sdk-targets", "status": "failed"})) == []
    with pytest.raises(nemo_microservices.ConflictError):
        sdk.customization.targets.create(name="t@1", **where, **body)
    judged(calls.delete("t@1", **where))
    with pytest.raises(nemo_microservices.NotFoundError):
        sdk.customization.targets.retrieve("t@1", **where)


@pytest.mark.endpoint("CRUD /v1/customization/configs")
def test_configs_are_answered_as_declared(sdk: NeMoMicroservices) -> None:
    calls, where = sdk.customization.configs.with_raw_response, {"namespace": "sdk-configs"}
    body = {"max_seq_length": 512, "training_options": [OPTION], "target": stories.BASE + "@v1.0.0"}
    body |= {"training_precision": "fp32", "prompt_template": "{prompt} {completion}", "dataset_schemas": [{}]}
    made = judged(calls.create(name="c@v1+cpu", **where, **body, **OWNED))
    assert (made.name, made.max_seq_length, made.training_options[0].num_nodes) == ("c@v1+cpu", 512, 1)
    assert judged(calls.retrieve("c@v1+cpu", **where)).target == stories.BASE + "@v1.0.0"
    changed = judged(calls.update("c@v1+cpu", **where, max_seq_length=256, add_training_options=[DPO]))
    assert (changed.max_seq_length, changed.description) == (256, "d")
    assert [option.training_type for option in changed.training_options] == ["sft", "dpo"]
    removal = {"training_type": "dpo", "finetuning_type": "lora"}
    changed = judged(calls.update("c@v1+cpu", **where, remove_training_options=[removal]))
    assert [option.training_type for option in changed.training_options] == ["sft"]
    for found in ({"namespace": "sdk-configs"}, {"name": "c@v1+cpu"}):
        assert [one.name for one in judged(calls.list(filter=found, sort="-created_at")).data] == ["c@v1+cpu"]
    with pytest.raises(nemo_microservices.ConflictError):
        sdk.customization.configs.create(name="c@v1+cpu", **where, **body)
    judged(calls.delete("c@v1+cpu", **where))
    with pytest.raises(nemo_microservices.NotFoundError):
        sdk.customization.configs.retrieve("c@v1+cpu", **where)


def test_configs_are_found_by_every_documented_filter(sdk: NeMoMicroservices) -> None:
    namespace, name = stories.CONFIG.split("/")
    target = stories.BASE.split("/")[1] + "@v1.0.0"
    for found in (
        {"name": name, "namespace": namespace},
        {"target_base_model": stories.BASE},
        {"target_name": target},
        {"target_enabled": True},
        {"training_type": "sft", "finetuning_type": "lora"},
    ):
        assert stories.CONFIG in [f"{one.namespace}/{one.name}" for one in sdk.customization.configs.list(filter=found)]
    for nothing in ({"target_enabled": False}, {"training_type": "grpo"}, {"target_base_model": "meta/llama"}):
        assert list(sdk.customization.configs.list(filter=nothing)) == []
    sdk.customization.targets.update(target, namespace=namespace, enabled=False)
    assert [one.name for one in sdk.customization.configs.list(filter={"target_enabled": False})] == [name]


@pytest.mark.slow
@pytest.mark.endpoint(
    "GET /v1/customization/jobs",
    "GET /v1/customization/jobs/{id}",
    "GET /v1/customization/jobs/{id}/status",
    "GET /v1/customization/jobs/{id}/container-logs",
)
def test_a_finished_job_is_answered_as_declared(server: RunningServer, story: dict) -> None:
    jobs = NeMoMicroservices(base_url=server.url).customization.jobs
    calls = jobs.with_raw_response
    job = judged(calls.retrieve(story["job"]))
    assert (job.status, job.dataset, job.config) == ("completed", story["dataset"], stories.CONFIG)
    assert job.config_snapshot.training_option.finetuning_type == "lora"
    status = judged(calls.status(story["job"]))
    assert (status.status, status.percentage_done, status.best_epoch) == ("completed", 100.0, 1)
    assert [point.step for point in status.metrics.metrics.train_loss] == [0, 1, 2, 3]
    assert status.status_logs[-1].updated_at
    logs = judged(calls.container_logs(story["job"]))
    (entry,) = logs.entries.values()
    assert logs.error is None and entry.logs["main"] and "TrainingJobCompleted" in [one.reason for one in entry.events]
    wanted = {"namespace": "default", "status": "completed", "dataset": story["dataset"], "epochs": 1, "batch_size": 2}
    page = judged(calls.list(filter=wanted, sort="-created_at", page_size=5))
    assert [one.id for one in page.data] == [story["job"]]
    assert story["job"] in [one.id for one in jobs.list(filter={"base_model": stories.BASE})]
    assert list(jobs.list(filter=wanted | {"epochs": 2})) == []


@pytest.mark.endpoint("POST /v1/customization/jobs", "POST /v1/customization/jobs/{id}/cancel")
def test_a_job_is_created_with_every_field_of_the_sdk_and_cancelled(sdk: NeMoMicroservices) -> None:
    calls = sdk.customization.jobs.with_raw_response
    made = judged(calls.create(**whole_job(), wandb_api_key="not-a-key"))
    assert (made.status, made.output_model) == ("created", f"ns/model@{made.id}")
    assert made.hyperparameters.min_learning_rate == 1e-5 and made.hyperparameters.lora.target_modules
    assert "not-a-key" not in made.to_json()
    assert judged(calls.retrieve(made.id)).status_details.status_logs[0].message == "created"
    assert judged(calls.container_logs(made.id)).error is None
    assert judged(calls.cancel(made.id)).status == "cancelled"
    assert judged(calls.status(made.id)).status == "cancelled"
    inline = {"max_seq_length": 256, "training_options": [OPTION]}
    other = judged(calls.create(**whole_job(config=inline, dataset="ns/rows")))
    assert other.config.max_seq_length == other.config_snapshot.max_seq_length == 256
    sdk.customization.jobs.cancel(other.id)


@pytest.mark.endpoint("POST /v1/customizations/{id}/cancel")
def test_the_shapes_of_april_2025_are_accepted(sdk: NeMoMicroservices) -> None:
    body = whole_job(config=stories.BASE)  # the model's bare name
    job = judged(sdk.customization.jobs.with_raw_response.create(**body))
    assert (job.config, job.config_snapshot.base_model) == (stories.BASE, stories.BASE)
    sdk.post(f"/v1/customizations/{job.id}/cancel", cast_to=object)  # the path before the first release


def test_a_job_takes_a_training_option_that_its_configuration_offers(sdk: NeMoMicroservices) -> None:
    offered = "training_options offer training_type 'sft' with finetuning_type 'lora', and not"
    for other in ({"training_type": "dpo"}, {"finetuning_type": "all_weights"}, {"finetuning_type": "lora_merged"}):
        with pytest.raises(nemo_microservices.UnprocessableEntityError, match=offered):
            sdk.customization.jobs.create(**whole_job(hyperparameters=HYPERPARAMETERS | other))


@pytest.mark.partly(
    "POST /v1/customization/jobs",
    status=422,
    missing="of a configuration that offers more than `sft` with `lora`, the rest is refused",
)
def test_what_a_configuration_of_ones_own_offers_beyond_lora_is_refused(sdk: NeMoMicroservices) -> None:
    inline = {"max_seq_length": 256, "training_options": [OPTION, DPO]}
    with pytest.raises(nemo_microservices.UnprocessableEntityError, match="local_nemo trains training_type 'sft'"):
        sdk.customization.jobs.create(
            **whole_job(config=inline, hyperparameters={"training_type": "dpo", "finetuning_type": "lora"})
        )


def test_what_is_wrong_raises_the_sdk_s_own_errors(sdk: NeMoMicroservices) -> None:
    jobs = sdk.customization.jobs
    with pytest.raises(nemo_microservices.UnprocessableEntityError, match="hyperparameters.*finetuning_type"):
        jobs.create(**whole_job(hyperparameters={}))
    with pytest.raises(nemo_microservices.NotFoundError, match=r"Datasets here: .*ns/rows"):
        jobs.create(**whole_job(dataset="nobody/nothing"))
    with pytest.raises(nemo_microservices.NotFoundError, match="Configurations here"):
        jobs.create(**whole_job(config="nobody/nothing@v1"))
    jobs.create(**whole_job(output_model="ns/model@v1"))
    with pytest.raises(nemo_microservices.ConflictError, match="exists already"):
        jobs.create(**whole_job(output_model="ns/model@v1"))
    with pytest.raises(nemo_microservices.NotFoundError, match="cust-none"):
        jobs.status("cust-none")
