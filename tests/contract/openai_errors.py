"""What the openai client says when NIM refuses, as a plain script for any major version: `python openai_errors.py URL`.

Asked is a NIM whose engine fails on purpose: see `test_openai_errors.py`. Whatever layer refuses, the client raises the
class of that status, its text has the reason, and `body` has OpenAI's four facts. Printed last: the client's version.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import openai

HELLO = [{"role": "user", "content": "hello"}]
FACTS = {"message", "type", "param", "code"}
MIB = 2**20


@dataclass(frozen=True)
class Refusal:
    """A call, and what the client must say of it."""

    call: Callable[[openai.OpenAI], Any]
    error: type[openai.APIStatusError]
    status: int
    type: str
    words: tuple[str, ...]
    param: str | None = None

    def check(self, client: openai.OpenAI) -> openai.APIStatusError:
        try:
            self.call(client)
        except openai.APIStatusError as error:
            assert type(error) is self.error, error
            assert error.status_code == self.status
            assert isinstance(error.body, dict) and set(error.body) == FACTS, error.body
            assert (str(error.code), error.type, error.param) == (str(self.status), self.type, self.param), error.body
            for word in self.words:
                assert word in error.body["message"] and word in error.message, error.message
            return error
        raise AssertionError(f"{self.error.__name__} expected")


def chat(**body: Any) -> Callable[[openai.OpenAI], Any]:
    return lambda client: client.chat.completions.create(**{"model": "served", "messages": HELLO} | body)


UNKNOWN = ("`nobody` does not exist", "Served now: served")
REFUSALS = {
    "a field that the engine can't honour": Refusal(
        chat(tool_choice="required"),
        openai.BadRequestError, 400, "BadRequestError", ("only valid with tools",), "tool_choice",
    ),
    "a model that is not served": Refusal(
        chat(model="nobody"), openai.NotFoundError, 404, "NotFoundError", UNKNOWN, "model"
    ),
    "a model's page that is not there": Refusal(
        lambda client: client.models.retrieve("nobody"), openai.NotFoundError, 404, "NotFoundError", UNKNOWN, "model"
    ),
    "a path that is not there": Refusal(
        lambda client: client.moderations.create(input="text"),
        openai.NotFoundError, 404, "NotFoundError", ("POST /nim/v1/moderations", "/docs"),
    ),
    "a method that is not there": Refusal(
        lambda client: client.models.delete("served"),
        openai.APIStatusError, 405, "MethodNotAllowedError", ("no method DELETE",),
    ),
    "a field of another type": Refusal(
        chat(messages="hello"),
        openai.UnprocessableEntityError, 422, "UnprocessableEntityError", ("messages: Input should be",), "messages",
    ),
    "fields that are missing": Refusal(
        lambda client: client.post("/chat/completions", cast_to=object, body={}),
        openai.UnprocessableEntityError, 422, "UnprocessableEntityError",
        ("model: Field required; messages: Field required",), "model",
    ),
    "a body that is too large": Refusal(
        chat(messages=[{"role": "user", "content": "x" * (33 * MIB)}]),
        openai.APIStatusError, 413, "RequestTooLargeError", ("32 MiB",),
    ),
    "a foreign host": Refusal(
        chat(extra_headers={"Host": "foreign.example"}),
        openai.PermissionDeniedError, 403, "PermissionDeniedError", ("is not this machine",),
    ),
    "a full queue": Refusal(
        chat(model="busy"), openai.RateLimitError, 429, "TooManyRequestsError", ("Try again in 7 s",)
    ),
    "an engine that is not there": Refusal(
        chat(model="stopped"), openai.InternalServerError, 503, "ServiceUnavailableError", ("the weights are gone",)
    ),
    "a mistake of local_nemo": Refusal(
        chat(model="broken"), openai.InternalServerError, 500, "InternalServerError", ("server.log",)
    ),
}  # fmt: skip


def main(url: str) -> None:
    with openai.OpenAI(base_url=f"{url}/nim/v1", api_key="ignored", max_retries=0, timeout=30) as client:
        for name, refusal in REFUSALS.items():
            print(name, flush=True)
            refusal.check(client)
    print(openai.__version__)


if __name__ == "__main__":
    main(sys.argv[1])
