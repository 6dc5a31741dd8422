"""The official SDK, unchanged, on NIM: every method that goes to `inference_base_url`, every reply judged."""

from collections.abc import Iterator
from typing import Any

import nemo_microservices
import pytest
from nemo_microservices import NeMoMicroservices

from tests.conftest import RunningServer
from tests.contract.openai_story import BASE, CAPITAL, EMBEDDING, TOOL
from tests.contract.sdk_judge import judged

SAFETY = "nvidia/llama-3.1-nemoguard-8b-content-safety"
FORCED = {"extra_body": {"tools": [TOOL], "tool_choice": "required"}}  # the SDK types tools as text


@pytest.fixture
def sdk(server: RunningServer) -> Iterator[NeMoMicroservices]:
    with NeMoMicroservices(base_url=server.url, inference_base_url=server.nim_url, max_retries=0) as made:
        yield made


def asked(**changes: Any) -> dict[str, Any]:
    """The arguments of a chat as the tutorial sends it, but greedy and short."""
    sampling = {"temperature": 0, "top_p": 0.7, "max_tokens": 80, "seed": 1, "stop": ["\n\n\n"]}
    return {"model": BASE, "messages": CAPITAL, **sampling} | changes


@pytest.mark.endpoint("GET /nim/v1/models")
def test_the_models_are_listed_as_declared(sdk: NeMoMicroservices) -> None:
    assert BASE in [model.id for model in judged(sdk.inference.models.with_raw_response.list()).data]


@pytest.mark.endpoint("POST /nim/v1/chat/completions")
def test_chats_are_answered_as_declared(sdk: NeMoMicroservices) -> None:
    calls = sdk.chat.completions.with_raw_response
    text = judged(calls.create(**asked(logprobs=True))).choices[0]
    assert "Paris" in text.message.content and text.finish_reason == "stop"
    forced = judged(calls.create(**asked(**FORCED))).choices[0]
    assert forced.message.content is None and forced.finish_reason == "tool_calls"


@pytest.mark.parametrize("forced", [{}, FORCED], ids=["text", "call"])
def test_streams_are_answered_as_declared(sdk: NeMoMicroservices, forced: dict) -> None:
    chunks = list(sdk.chat.completions.create(**asked(stream=True, **forced)))
    for chunk in chunks:
        type(chunk).model_validate_json(chunk.to_json(), strict=True)
    assert len(chunks) > 2
    assert chunks[-1].choices[0].finish_reason == ("tool_calls" if forced else "stop")


@pytest.mark.endpoint("POST /nim/v1/completions")
def test_completions_are_answered_as_declared_and_stream(sdk: NeMoMicroservices) -> None:
    body = {"model": BASE, "prompt": "The capital of France is", "max_tokens": 5, "temperature": 0}
    whole = judged(sdk.completions.with_raw_response.create(**body))
    pieces = [chunk.choices[0].text for chunk in sdk.completions.create(**body, stream=True)]
    assert "".join(pieces) == whole.choices[0].text


@pytest.mark.endpoint("POST /nim/v1/embeddings")
@pytest.mark.parametrize("given", ["What is the way?", ["What is the way?", "The soup is cold."]])
def test_embeddings_are_answered_as_declared(sdk: NeMoMicroservices, given: str | list[str]) -> None:
    asked = {"dimensions": 384, "encoding_format": "float", "input_type": "query", "truncate": "END", "user": "me"}
    answer = judged(sdk.embeddings.with_raw_response.create(model=EMBEDDING, input=given, **asked))
    assert len(answer.data) == (1 if isinstance(given, str) else 2) and len(answer.data[0].embedding) == 384
    assert answer.model == EMBEDDING and answer.usage.total_tokens == answer.usage.prompt_tokens > 0


def test_what_is_wrong_raises_the_sdk_s_own_errors(sdk: NeMoMicroservices) -> None:
    with pytest.raises(nemo_microservices.NotFoundError, match=f"does not exist. Served now: .*{BASE}"):
        sdk.chat.completions.create(**asked(model="nobody/knows"))
    with pytest.raises(nemo_microservices.BadRequestError, match="maximum context length is 8192"):
        sdk.chat.completions.create(**asked(max_tokens=100_000))
    with pytest.raises(nemo_microservices.UnprocessableEntityError, match="messages"):
        sdk.chat.completions.create(**asked(messages="not a list"))


@pytest.mark.endpoint("POST /nim/v1/classify")
def test_texts_are_classified_by_the_model_that_can(sdk: NeMoMicroservices) -> None:
    answer = sdk.classify.create(model=SAFETY, input="How do I bake bread?")
    assert (answer["object"], answer["model"]) == ("list", SAFETY)
    [one] = answer["data"]
    assert (one["index"], one["label"], one["num_classes"]) == (0, "safe", 2)
    assert sum(one["probs"]) == pytest.approx(1) and one["probs"][0] > one["probs"][1]
    with pytest.raises(nemo_microservices.BadRequestError, match=f"{BASE}` doesn't classify. Models that do: {SAFETY}"):
        sdk.classify.create(model=BASE, input="text")
    with pytest.raises(nemo_microservices.NotFoundError, match=f"does not exist. Served now: .*{BASE}"):
        sdk.classify.create(model="nobody/knows", input="text")
