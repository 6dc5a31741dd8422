"""Errors under `/nim`, of every layer, in both openai clients and the NeMo SDK: class, reason, OpenAI's shape."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import nemo_microservices
import openai
import pytest
import requests
from nemo_microservices import NeMoMicroservices

from local_nemo.lm.errors import Busy, EngineStopped, InvalidRequest, ModelNotServed
from tests.contract.clients import PYTHONS, run
from tests.contract.openai_errors import HELLO, REFUSALS
from tests.store_app import ServedNames, open_services, served


class Failing(ServedNames):
    """An engine that fails as the model's name says."""

    def chat(self, asked: Any) -> None:
        raise {
            "busy": Busy(retry_after=7),
            "stopped": EngineStopped("the weights are gone"),
            "broken": RuntimeError("a secret of the code"),
            "nobody": ModelNotServed("nobody", self.names),
            "served": InvalidRequest("tool_choice is only valid with tools.", "tool_choice"),
        }[asked.model]

    def models(self) -> list[SimpleNamespace]:
        return [SimpleNamespace(id=name) for name in self.names]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    services = open_services(tmp_path_factory.mktemp("state"))
    services.engine = Failing(names=["served"])
    with served(services, names=("nim",)) as url:
        yield url


@pytest.mark.parametrize("name", REFUSALS)
def test_the_pinned_client_says_what_was_refused_and_why(url: str, name: str) -> None:
    with openai.OpenAI(base_url=f"{url}/nim/v1", api_key="ignored", max_retries=0, timeout=30) as client:
        error = REFUSALS[name].check(client)
    assert "secret" not in error.response.text
    body = error.response.json()
    assert body["detail"], "where clients of NeMo look"
    assert body["message"] == body["error"]["message"], "where clients of older releases look"


def test_a_body_that_is_no_json_is_refused_in_the_same_shape(url: str) -> None:
    refusal = requests.post(
        f"{url}/nim/v1/completions", data=b"{", headers={"Content-Type": "application/json"}, timeout=30
    )
    assert refusal.status_code == 422
    assert "JSON decode error" in refusal.json()["error"]["message"]


@pytest.mark.parametrize("body", [b"", b"[]"])
def test_a_body_that_is_no_object_is_called_so(url: str, body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    refusal = requests.post(f"{url}/nim/v1/completions", data=body, headers=headers, timeout=30)
    assert refusal.json()["error"]["message"].startswith("the body: ")


def test_another_major_version_says_it_too(url: str, tmp_path: Path) -> None:
    script = str(Path(__file__).with_name("openai_errors.py"))
    version = run(PYTHONS["other"], "-W", "error", script, url, folder=tmp_path)
    assert version.split(".")[0] != openai.__version__.split(".")[0]


def test_a_full_queue_is_the_sdk_s_rate_limit_error_and_says_when_to_come_back(url: str) -> None:
    asking = NeMoMicroservices(base_url=url, inference_base_url=f"{url}/nim", max_retries=0)
    with asking as sdk, pytest.raises(nemo_microservices.RateLimitError, match="Try again in 7 s") as refusal:
        sdk.chat.completions.create(model="busy", messages=HELLO)
    assert refusal.value.response.headers["retry-after"] == "7"
