"""Embeddings over HTTP by the real encoder: their meaning, both formats, tokens, limits, and who is asked for what."""

import base64
from typing import Any

import numpy as np
import pytest
import requests

BASE = "huggingfacetb/smollm2-135m-instruct"
MODEL = "sentence-transformers/all-minilm-l6-v2"
HELLO = [101, 7592, 2088, 102]  # "hello world" in BERT's vocabulary, with its marks


def embed(server, expected: int = 200, **body: Any) -> dict:
    body = {"model": MODEL, "input": "Hello world"} | body
    reply = requests.post(server.nim_url + "/v1/embeddings", json=body, timeout=120)
    assert reply.status_code == expected, reply.text
    return reply.json()


def vectors(server, *texts: Any, **body: Any) -> np.ndarray:
    return np.array([one["embedding"] for one in embed(server, input=list(texts), **body)["data"]])


def test_what_means_the_same_is_near_and_what_does_not_is_far(server) -> None:
    same, too, other = vectors(
        server, "What will the weather be tomorrow?", "Tell me the forecast for the next day.", "He bought a red car."
    )
    assert same @ too > 0.6 > 0.2 > max(same @ other, too @ other)


def test_texts_tokens_and_base64_give_the_same_numbers(server) -> None:
    answer = embed(server)
    assert answer["usage"] == {"prompt_tokens": len(HELLO), "total_tokens": len(HELLO)}
    plain = np.array(answer["data"][0]["embedding"], np.float32)
    assert abs(np.linalg.norm(plain) - 1) < 1e-5
    encoded = embed(server, encoding_format="base64", dimensions=384, input_type="query", user="me")
    assert np.array_equal(np.frombuffer(base64.b64decode(encoded["data"][0]["embedding"]), "<f4"), plain)
    by_tokens, unmarked = vectors(server, HELLO, HELLO[1:-1])
    assert np.allclose(by_tokens, plain, atol=1e-4) and np.allclose(unmarked, plain, atol=1e-4)


def test_a_long_text_is_refused_with_the_numbers_or_cut(server) -> None:
    text = "hello " * 254 + "world " * 254
    refusal = embed(server, 400, input=["fine", text])["error"]
    assert "Input length 510 of input 1 exceeds the maximum of 256 tokens" in refusal["message"]
    hello, world = "hello " * 254, "world " * 254
    assert np.allclose(vectors(server, text, truncate="END"), vectors(server, hello), atol=1e-4)
    assert np.allclose(vectors(server, text, truncate="START"), vectors(server, world), atol=1e-4)


@pytest.mark.parametrize(
    ("wrong", "status", "param"),
    [
        ({"input": ""}, 400, "input"),
        ({"input": []}, 400, "input"),
        ({"input": [30522]}, 400, "input"),
        ({"input": ["a"] * 257}, 400, "input"),
        ({"dimensions": 256}, 400, "dimensions"),
        ({"encoding_format": "hex"}, 422, "encoding_format"),
        ({"truncate": "MIDDLE"}, 422, "truncate"),
        ({"input_type": "song"}, 422, "input_type"),
        ({"embedding_type": "int8"}, 422, "embedding_type"),
    ],
)
def test_what_cannot_be_embedded_is_refused_by_name(server, wrong: dict, status: int, param: str) -> None:
    assert embed(server, status, **wrong)["error"]["param"] == param


def test_each_kind_of_model_is_asked_for_what_it_does(server) -> None:
    card = requests.get(f"{server.nim_url}/v1/models/{MODEL}", timeout=30).json()
    assert (card["id"], card["max_model_len"]) == (MODEL, 256)
    assert f"answers and doesn't embed. Models that embed: {MODEL}" in embed(server, 400, model=BASE)["message"]
    assert f"Served now: {BASE}" in embed(server, 404, model="nobody/knows")["message"]
    asked = {"messages": [{"role": "user", "content": "hi"}], "prompt": "hi", "model": MODEL}
    for path in ("chat/completions", "completions"):
        refusal = requests.post(f"{server.nim_url}/v1/{path}", json=asked, timeout=30)
        assert refusal.status_code == 400
        assert f"only embeds. Models that answer: {BASE}" in refusal.json()["message"]
