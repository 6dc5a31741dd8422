"""Every key that the SDK's types offer for `filter`, `search` and `sort` is understood, and any other is refused."""

from collections.abc import Iterator
from typing import Any, get_args

import nemo_microservices
import pytest
from nemo_microservices import NeMoMicroservices, types
from nemo_microservices.types import customization, deployment, evaluation, guardrail
from typing_extensions import get_type_hints

from local_nemo.api.app import SERVICES
from tests.store_app import open_services, served

LISTS = {
    "datasets": types.dataset_list_params.DatasetListParams,
    "models": types.model_list_params.ModelListParams,
    "projects": types.project_list_params.ProjectListParams,
    "namespaces": types.namespace_list_params.NamespaceListParams,
    "customization.configs": customization.config_list_params.ConfigListParams,
    "customization.targets": customization.target_list_params.TargetListParams,
    "customization.jobs": customization.job_list_params.JobListParams,
    "evaluation.configs": evaluation.config_list_params.ConfigListParams,
    "evaluation.targets": evaluation.target_list_params.TargetListParams,
    "evaluation.jobs": evaluation.job_list_params.JobListParams,
    "evaluation.results": evaluation.result_list_params.ResultListParams,
    "deployment.configs": deployment.config_list_params.ConfigListParams,
    "deployment.model_deployments": deployment.model_deployment_list_params.ModelDeploymentListParams,
    "guardrail.configs": guardrail.config_list_params.ConfigListParams,
}
DAY = "2025-01-01T00:00:00Z"


@pytest.fixture(scope="module")
def sdk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NeMoMicroservices]:
    with (
        served(open_services(tmp_path_factory.mktemp("lists")), names=SERVICES) as url,
        NeMoMicroservices(base_url=url, inference_base_url=f"{url}/nim", max_retries=0) as made,
    ):
        yield made


def declared(kind: Any, parameter: str) -> list[str]:
    """The keys of a `filter` or `search`, or the values of a `sort`, that the SDK's type lists."""
    hint = get_type_hints(kind).get(parameter)
    if parameter == "sort":
        return list(get_args(hint))
    return [] if hint is None else list(get_type_hints(hint))


@pytest.mark.parametrize("name", LISTS)
def test_every_declared_key_is_understood(sdk: NeMoMicroservices, name: str) -> None:
    resource = sdk
    for part in name.split("."):
        resource = getattr(resource, part)
    for sort in declared(LISTS[name], "sort"):
        assert resource.list(sort=sort).sort == sort
    for key in declared(LISTS[name], "filter"):
        resource.list(filter={key: {"gte": DAY} if key.endswith("_at") else "true"})
    for key in declared(LISTS[name], "search"):
        resource.list(search={key: {"start": DAY} if key.endswith("_at") else "x"})
    wrongs = [{"sort": "colour"}, {"filter": {"colour": "red"}}]
    if "search" in get_type_hints(LISTS[name]):
        wrongs.append({"search": {"colour": "red"}})
    for wrong in wrongs:
        with pytest.raises(nemo_microservices.UnprocessableEntityError, match="no field 'colour'.*created_at"):
            resource.list(**wrong)


def test_a_configuration_is_found_by_its_target(sdk: NeMoMicroservices) -> None:
    for name, parameters in (("small", 100), ("spare", 200)):
        sdk.customization.targets.create(
            name=f"{name}@v1", namespace="ns", base_model="huggingfacetb/smollm2-135m-instruct", enabled=True,
            model_path="bundled", num_parameters=parameters, precision="fp32",
        )  # fmt: skip
        option = {"training_type": "sft", "finetuning_type": "lora", "num_gpus": 0, "micro_batch_size": 1}
        sdk.customization.configs.create(
            name=f"{name}@v1+cpu", namespace="ns", max_seq_length=512, training_options=[option],
            target=f"ns/{name}@v1",
        )  # fmt: skip
    sdk.customization.targets.update("spare@v1", namespace="ns", enabled=False)
    configs = sdk.customization.configs
    assert [one.name for one in configs.list(filter={"target_enabled": False, "namespace": "ns"})] == ["spare@v1+cpu"]
    assert [one.name for one in configs.list(filter={"target_name": "small@v1"})] == ["small@v1+cpu"]
    by_size = configs.list(sort="-num_parameters", filter={"namespace": "ns"})
    assert [one.name for one in by_size] == ["spare@v1+cpu", "small@v1+cpu"]
