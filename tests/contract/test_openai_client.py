"""The unmodified openai client in two major versions: everything in `openai_story.py`, and the adapters' listing."""

from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from tests.conftest import RunningServer
from tests.contract.clients import PYTHONS, run
from tests.contract.openai_story import BASE, CAPITAL, CHECKS

PROVING = [
    pytest.param(
        "models_are_listed", marks=pytest.mark.endpoint("GET /nim/v1/models", "GET /nim/v1/models/{model_id}")
    ),
    pytest.param("a_chat_answers_with_usage", marks=pytest.mark.endpoint("POST /nim/v1/chat/completions")),
    pytest.param("completions_answer_and_stream", marks=pytest.mark.endpoint("POST /nim/v1/completions")),
    pytest.param("texts_are_embedded", marks=pytest.mark.endpoint("POST /nim/v1/embeddings")),
]
OTHERS = [name for name in CHECKS if name not in [param.values[0] for param in PROVING]]


@pytest.fixture
def client(server: RunningServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=server.nim_url + "/v1", api_key="ignored", max_retries=0, timeout=120) as made:
        yield made


@pytest.mark.parametrize("name", [*PROVING, *OTHERS])
def test_the_pinned_client_works_unchanged(client: openai.OpenAI, name: str) -> None:
    CHECKS[name](client)


@pytest.mark.slow
def test_another_major_version_works_unchanged(server: RunningServer, tmp_path: Path) -> None:
    script = str(Path(__file__).with_name("openai_story.py"))
    version = run(PYTHONS["other"], "-W", "error", script, server.nim_url, folder=tmp_path)
    assert version.split(".")[0] != openai.__version__.split(".")[0]


@pytest.mark.slow
def test_an_adapter_is_listed_with_its_root_and_answers(client: openai.OpenAI, story: dict) -> None:
    card = client.models.retrieve(story["model"])
    assert (card.root, card.parent) == (BASE, BASE)
    assert card.id in [model.id for model in client.models.list()]
    answer = client.chat.completions.create(model=story["model"], messages=CAPITAL, max_tokens=5)
    assert answer.model == story["model"] and answer.usage.completion_tokens > 0


@pytest.mark.partly("POST /nim/v1/chat/completions", status=400, missing="`top_logprobs` above 0 is refused")
def test_top_logprobs_are_refused(client: openai.OpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="top_logprobs"):
        client.chat.completions.create(model=BASE, messages=CAPITAL, logprobs=True, top_logprobs=3)


@pytest.mark.partly(
    "POST /nim/v1/completions",
    status=400,
    missing="`logprobs` above 1, `top_logprobs`, `best_of` and `suffix` are refused",
)
@pytest.mark.parametrize("field", [{"logprobs": 2}, {"top_logprobs": 2}, {"best_of": 2}, {"suffix": "end"}])
def test_fields_of_a_completion_that_are_not_supported_are_refused_by_name(client: openai.OpenAI, field: dict) -> None:
    with pytest.raises(openai.BadRequestError, match=next(iter(field))) as refusal:
        client.completions.create(model=BASE, prompt="The sky", extra_body=field)
    assert refusal.value.param == next(iter(field))
