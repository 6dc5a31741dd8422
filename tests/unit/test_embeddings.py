"""Embeddings around a scripted encoder: what is cut, counted and refused; the safety model shares the real one."""

import threading
from collections.abc import Sequence

import numpy as np
import pytest

from local_nemo.api.embeddings import MAX_CHARACTERS, MAX_INPUTS, EmbeddingBody
from local_nemo.lm import embedder
from local_nemo.lm.embedder import MODEL_ID, Embedder, EmbeddingRequest
from local_nemo.lm.encoder import CLS, SEP, VOCABULARY, WIDTH, EncoderMissing
from local_nemo.lm.errors import Busy, EngineStopped, InvalidRequest
from local_nemo.server import build
from local_nemo.settings import Settings

LONG = [1000 + number for number in range(300)]


class LetterEncoder:
    """A letter is a token; remembers the windows that it was asked for."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []

    def load(self) -> None:
        """Nothing to load."""

    def tokens(self, text: str) -> list[int]:
        return [1000 + ord(letter) for letter in text if letter.strip()]

    def features(self, windows: Sequence[list[int]]) -> np.ndarray:
        self.asked += windows
        return np.random.default_rng(1).normal(size=(len(windows), 6 * WIDTH)).astype(np.float32)


class MissingEncoder(LetterEncoder):
    def load(self) -> None:
        raise EncoderMissing("package p is not installed")


def ask(*inputs: str | list[int], **options: str) -> EmbeddingRequest:
    return EmbeddingRequest(MODEL_ID, inputs, **options)


def test_every_vector_has_length_1_and_tokens_are_counted_with_the_marks() -> None:
    made = Embedder(LetterEncoder()).embed(ask("abc", [1001, 1002]))
    assert made.vectors.shape == (2, WIDTH) and made.tokens == 3 + 2 + 4
    assert np.allclose(np.linalg.norm(made.vectors, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize(("truncate", "kept"), [("END", LONG[:254]), ("START", LONG[-254:])])
def test_a_long_input_is_cut_where_the_request_says(truncate: str, kept: list[int]) -> None:
    encoder = LetterEncoder()
    assert Embedder(encoder).embed(ask(LONG, truncate=truncate)).tokens == 256
    assert encoder.asked == [kept]


def test_marks_in_token_ids_are_not_doubled() -> None:
    encoder = LetterEncoder()
    Embedder(encoder).embed(ask([CLS, 1001, SEP], [1001], [CLS, *LONG[:254], SEP]))
    assert encoder.asked == [[1001], [1001], LONG[:254]]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ([""], "Input 0 is empty"),
        (["a", " \n"], "Input 1 is empty"),
        ([[CLS, SEP]], "Input 0 is empty"),
        ([[5, VOCABULARY]], "token 30522; tokens of .* are 0 to 30521"),
        ([[-1]], "token -1"),
        ([[10**30]], "token 1000"),
        (["a" * 255], "Input length 257 of input 0 exceeds the maximum of 256 tokens"),
    ],
)
def test_an_input_that_cannot_be_read_is_refused_by_number(given: list, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said) as refusal:
        Embedder(LetterEncoder()).embed(ask(*given))
    assert refusal.value.param == "input"


@pytest.mark.parametrize(
    ("field", "param", "said"),
    [
        ({"dimensions": 128}, "dimensions", "use 384"),
        ({"input": []}, "input", "1 to 256"),
        ({"input": ["a"] * (MAX_INPUTS + 1)}, "input", "257 inputs"),
        ({"input": "a" * (MAX_CHARACTERS + 1)}, "input", "100001 characters"),
        ({"input": [5] * (MAX_CHARACTERS + 1)}, "input", "100001 tokens"),
    ],
)
def test_a_request_beyond_the_limits_is_refused_with_them(field: dict, param: str, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said) as refusal:
        EmbeddingBody.model_validate({"model": MODEL_ID, "input": "a"} | field).to_request()
    assert refusal.value.param == param


@pytest.mark.parametrize(
    ("given", "inputs"),
    [("ab", ["ab"]), (["a", "b"], ["a", "b"]), ([1, 2], [[1, 2]]), ([[1], [2, 3]], [[1], [2, 3]])],
)
def test_all_four_forms_of_input_are_read(given: object, inputs: list) -> None:
    assert EmbeddingBody(model=MODEL_ID, input=given).to_request().inputs == inputs


def test_a_full_queue_says_when_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedder, "MAX_QUEUE", 1)
    entered, leave = threading.Event(), threading.Event()

    class Slow(LetterEncoder):
        def load(self) -> None:
            entered.set()
            assert leave.wait(30)

    busy = Embedder(Slow())
    first = threading.Thread(target=busy.embed, args=(ask("a"),))
    first.start()
    assert entered.wait(30)
    with pytest.raises(Busy):
        busy.embed(ask("b"))
    leave.set()
    first.join(30)
    assert busy.embed(ask("c")).tokens == 3


def test_a_missing_encoder_is_said_and_frees_its_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedder, "MAX_QUEUE", 1)
    missing = Embedder(MissingEncoder())
    for _ in range(2):
        with pytest.raises(EngineStopped, match="package p is not installed"):
            missing.embed(ask("a"))


def test_the_server_has_one_encoder_for_embeddings_and_the_safety_model(tmp_path) -> None:
    services = build(Settings(state=tmp_path, cache=tmp_path))
    services.guard.stop()
    assert services.engine._embedders[MODEL_ID]._encoder is services.guard._safety._encoder
