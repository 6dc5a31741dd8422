"""Classification: what a request may hold, who classifies, and that a model without its parts says so."""

from types import SimpleNamespace

import numpy as np
import pytest

from local_nemo.api.classification import MAX_CHARACTERS, MAX_INPUTS, ClassifyBody, answer
from local_nemo.guard.head import HEAD, Head
from local_nemo.guard.safety_model import SafetyModel
from local_nemo.lm.classification import Classification
from local_nemo.lm.encoder import LAYERS, WIDTH
from local_nemo.lm.errors import EngineStopped, InvalidRequest


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ([], "0 inputs"),
        (["x"] * (MAX_INPUTS + 1), f"{MAX_INPUTS + 1} inputs; a request has 1 to {MAX_INPUTS}"),
        (["fine", " \n"], "Input 1 has 2 characters"),
        ("x" * (MAX_CHARACTERS + 1), f"a text of at most {MAX_CHARACTERS}"),
    ],
)
def test_a_request_has_a_few_texts(given: str | list[str], complaint: str) -> None:
    with pytest.raises(InvalidRequest, match=complaint):
        ClassifyBody(model="m", input=given).texts()


def test_every_text_has_its_class_in_order() -> None:
    made = [
        Classification("safe", {"safe": 0.75, "unsafe": 0.25}),
        Classification("unsafe", {"safe": 0.25, "unsafe": 0.75}),
    ]
    sent = answer("m", made)
    assert [(one["index"], one["label"], one["probs"], one["num_classes"]) for one in sent["data"]] == [
        (0, "safe", [0.75, 0.25], 2),
        (1, "unsafe", [0.25, 0.75], 2),
    ]


def test_the_safety_model_decides_by_its_own_threshold_and_says_when_its_head_is_gone(tmp_path) -> None:
    features = np.zeros((1, LAYERS * WIDTH), np.float32)
    encoder = SimpleNamespace(windows=lambda text: [[1]], features=lambda windows: features)
    copy = tmp_path / HEAD.name
    copy.write_bytes(HEAD.read_bytes())
    model = SafetyModel(encoder, copy)
    neutral = model.classify("text")
    assert sum(neutral.probabilities.values()) == pytest.approx(1)
    head = Head.load(copy)
    features += 100 * np.sign(head.out @ head.hidden)
    assert model.classify("text").label == "unsafe"
    copy.unlink()
    with pytest.raises(EngineStopped, match=r"head\.safetensors can't be read"):
        model.classify("text")
