"""NIM: the list decides whether a model can be asked, and a key goes to NVIDIA's hosts alone."""

import json

import pytest
from openai.types.chat.chat_completion import Choice

from helpers import errors, nim
from helpers.platform import at
from tests.recorder import Recorder, Reply


@pytest.fixture
def recorder():
    with Recorder() as server:
        yield server


def served(*names: str) -> Reply:
    return Reply(json={"object": "list", "data": [{"id": name, "object": "model"} for name in names]})


def platform(server: Recorder):
    return at(server.url, server.url, server.url + "/nim")


def test_a_model_is_waited_for_until_it_is_listed(recorder):
    recorder.enqueue(served("base"), served("base"), served("base", "ns/m@cust-1"))
    slept: list[float] = []
    assert nim.wait_until_served(platform(recorder), "ns/m@cust-1", sleep=slept.append) == "ns/m@cust-1"
    assert slept == [2.0, 2.0]


def test_a_model_that_never_comes_is_reported_with_those_that_are_there(recorder):
    recorder.enqueue(served("base", "other"))
    ticks = iter(range(0, 1000, 10))
    with pytest.raises(errors.ModelNotServed) as caught:
        nim.wait_until_served(platform(recorder), "ns/m", timeout=50, clock=lambda: next(ticks), sleep=lambda _: None)
    assert caught.value.served == ["base", "other"]
    assert "NIM does not list ns/m after 60 s" in str(caught.value)
    assert "it serves base, other" in str(caught.value)


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("https://integrate.api.nvidia.com", "canary"),
        ("https://nvidia.com", "canary"),
        ("http://nim.test", "not-needed"),
        ("https://nvidia.com.evil.test", "not-needed"),
        ("https://notnvidia.com", "not-needed"),
    ],
)
def test_a_key_goes_to_nvidias_own_hosts_alone(url, sent):
    client = nim.client(at("http://nemo.test", "http://nds.test", url), api_key="canary")
    assert client.api_key == sent


def choice(content: str | None, *calls: tuple[str, str]) -> Choice:
    made = [{"id": "c", "type": "function", "function": {"name": n, "arguments": a}} for n, a in calls]
    message = {"role": "assistant", "content": content, "tool_calls": made or None}
    return Choice.model_validate({"index": 0, "finish_reason": "tool_calls" if calls else "stop", "message": message})


def test_an_answer_is_summed_up_for_a_table():
    arguments = json.dumps({"location": "Berlin", "days": 2})
    assert nim.summary(choice(None, ("get_weather", arguments))) == {
        "finish_reason": "tool_calls",
        "text": "",
        "calls": "get_weather(location='Berlin', days=2)",
    }
    assert nim.summary(choice("It is sunny."))["text"] == "It is sunny."
    assert nim.summary(choice(None, ("f", "{broken")))["calls"] == "f({broken)"
