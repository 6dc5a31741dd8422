"""The judge of request bodies, judged: it accepts what the SDK's types allow and names what they don't."""

import pytest
from nemo_microservices.types import customization, evaluation
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming

from tests.contract.params import complaints

TRAINING = {
    "config": "meta/llama-3.2-1b-instruct@v1.0.0+80GB",
    "dataset": {"name": "xlam-ft-dataset", "namespace": "xlam-tutorial-ns"},
    "hyperparameters": {
        "training_type": "sft",
        "finetuning_type": "lora",
        "epochs": 2,
        "learning_rate": 0.0001,
        "lora": {"adapter_dim": 32, "adapter_dropout": 0.1},
    },
}


def test_the_published_training_request_is_accepted():
    assert complaints(customization.JobCreateParams, TRAINING) == []


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"rank": 8}, "body.hyperparameters.rank: unknown key"),
        ({"epochs": "2"}, "body.hyperparameters.epochs: '2' is no int"),
        ({"epochs": True}, "body.hyperparameters.epochs: True is no int"),
        ({"training_type": "magic"}, "body.hyperparameters.training_type: 'magic' is none of"),
        ({"lora": {"rank": 8}}, "body.hyperparameters.lora.rank: unknown key"),
    ],
)
def test_a_wrong_field_is_named(wrong, complaint):
    found = complaints(
        customization.JobCreateParams, TRAINING | {"hyperparameters": TRAINING["hyperparameters"] | wrong}
    )
    assert len(found) == 1
    assert found[0].startswith(complaint)


def test_a_missing_field_is_named():
    body = {"config": "ns/c"}
    assert complaints(evaluation.JobCreateParams, body) == ["body.target: missing"]


def test_aliases_are_what_travels():
    assert complaints(customization.JobCreateParams, TRAINING | {"wandb-api-key": "k"}) == []
    assert complaints(customization.JobCreateParams, TRAINING | {"wandb_api_key": "k"}) != []


def test_the_types_of_openai_are_understood_too():
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "tool_choice": "auto", "temperature": 0}
    assert complaints(CompletionCreateParamsNonStreaming, body) == []
    assert complaints(CompletionCreateParamsNonStreaming, body | {"tool_choice": "perhaps"}) != []
    assert complaints(CompletionCreateParamsNonStreaming, body | {"messages": [{"role": "user"}]}) != []
