"""The client under a real but faulty HTTP server: what is repeated, what fails at once, and with which words."""

import socket
import time

import pytest

from helpers import errors
from helpers.http import Service, Timeouts, retry_after_seconds
from helpers.retry import Retry, TookTooLong, within
from tests.recorder import Recorder, Reply


@pytest.fixture
def server():
    with Recorder() as recorder:
        yield recorder


@pytest.fixture
def slept() -> list[float]:
    return []


def service(server: Recorder, slept: list[float], **kwargs) -> Service:
    options = {"setting": "NEMO_URL", "retry": Retry(sleep=slept.append), "timeouts": Timeouts(2, 2, 5)}
    return Service("NeMo", server.url, **(options | kwargs))


def test_json_comes_back_parsed(server, slept):
    server.enqueue(Reply(json={"a": [1]}))
    assert service(server, slept).get("/v1/things", params={"page": 2}) == {"a": [1]}
    assert server.asked[0].query == {"page": "2"}


def test_an_empty_answer_is_none(server, slept):
    server.enqueue(Reply(status=204, body=b""))
    assert service(server, slept).delete("/v1/things/a") is None


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_burst_of_transient_answers_is_survived_by_calls_that_may_be_repeated(server, slept, status):
    server.enqueue(Reply(status, body=b"upstream"), Reply(status, body=b"upstream"), Reply(json={"ok": True}))
    assert service(server, slept).get("/v1/things") == {"ok": True}
    assert len(server.asked) == 3
    assert len(slept) == 2


@pytest.mark.parametrize("fault", ["reset", "cut", "headers"])
def test_a_broken_connection_is_tried_again(server, slept, fault):
    server.enqueue(Reply(json={"ok": True}, fault=fault), Reply(json={"ok": True}))
    assert service(server, slept).get("/v1/things") == {"ok": True}
    assert len(slept) == 1


@pytest.mark.parametrize("reply", [Reply(503, json={"detail": "busy"}), Reply(json={}, fault="reset")])
def test_a_post_that_may_not_be_repeated_fails_at_once(server, slept, reply):
    server.enqueue(reply)
    with pytest.raises(errors.ServiceError):
        service(server, slept).post("/v1/customization/jobs", json={})
    assert len(server.asked) == 1
    assert slept == []


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 500])
def test_a_plain_no_is_not_asked_again(server, slept, status):
    server.enqueue(Reply(status, json={"detail": "because"}))
    with pytest.raises(errors.ServiceError, match="because") as caught:
        service(server, slept).get("/v1/things")
    assert len(server.asked) == 1
    assert type(caught.value) is errors.BY_STATUS.get(status, errors.ServiceFailed)
    assert caught.value.status == status


def test_retry_after_is_obeyed_and_backoff_grows_with_jitter(server, slept):
    retry = Retry(sleep=slept.append, jitter=lambda: 1.0)
    server.enqueue(Reply(503, body=b""), Reply(503, body=b"", headers={"Retry-After": "7"}), Reply(json=1))
    assert service(server, slept, retry=retry).get("/v1/things") == 1
    assert slept == [0.5, 7.0]
    assert [Retry(jitter=lambda: 1.0).delay(n) for n in range(1, 8)] == [0.5, 1, 2, 4, 8, 8, 8]
    assert Retry(jitter=lambda: 0.0).delay(1) == 0.25


def test_an_unreasonable_retry_after_fails_at_once(server, slept):
    server.enqueue(Reply(429, json={"detail": "come back tomorrow"}, headers={"Retry-After": "86400"}))
    with pytest.raises(errors.Busy, match="tomorrow"):
        service(server, slept).get("/v1/things")
    assert slept == []


def test_unreadable_retry_after_headers_are_ignored():
    assert retry_after_seconds("soon") is None
    assert retry_after_seconds(None) is None
    assert retry_after_seconds("3") == 3
    assert retry_after_seconds("Wed, 21 Oct 2015 07:28:00 GMT") == 0


def test_giving_up_says_what_was_tried_and_what_to_do(slept):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        nobody = Service("NeMo", url, setting="NEMO_URL", retry=Retry(sleep=slept.append))
        with pytest.raises(errors.ServiceUnreachable) as caught:
            nobody.get("/v1/datasets")
    message = str(caught.value)
    assert f"NeMo did not answer GET {url}/v1/datasets: connection refused" in message
    assert "check NEMO_URL in config.py" in message
    assert "docs/troubleshooting.md#serviceunreachable" in message
    assert len(slept) == 4


def test_an_unknown_host_is_named(slept):
    nowhere = Service("NeMo", "http://nemo.invalid", retry=Retry(attempts=1, sleep=slept.append))
    with pytest.raises(errors.ServiceUnreachable, match="the host name is unknown"):
        nowhere.get("/v1/datasets")


def test_a_silent_service_ends_in_an_error(server, slept):
    with socket.create_server(("127.0.0.1", 0)) as deaf:  # accepts, never answers
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
        client = Service("NeMo", url, retry=Retry(attempts=1), timeouts=Timeouts(1, 0.2, 5))
        with pytest.raises(errors.ServiceUnreachable, match=r"silent for 0\.2 s"):
            client.get("/v1/things")


def test_a_reply_that_drips_is_given_up_on(server, slept):
    server.enqueue(Reply(json={"text": "x" * 500}, fault="drip"))  # 25 s in all, never silent for long
    client = service(server, slept, retry=Retry(attempts=1), timeouts=Timeouts(1, 1, 0.5))
    began = time.monotonic()
    with pytest.raises(errors.ServiceUnreachable, match=r"no complete answer within 0\.5 s"):
        client.get("/v1/things")
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("status", [200, 404])
def test_a_web_page_is_not_mistaken_for_an_answer(server, slept, status):
    server.enqueue(Reply(status, body=b"<html><h1>Log in</h1>", headers={"Content-Type": "text/html"}))
    with pytest.raises(errors.UnexpectedReply, match="web page") as caught:
        service(server, slept).get("/v1/things")
    assert "proxy or login page" in str(caught.value)
    assert "<html>" in str(caught.value)


def test_text_that_is_no_json_is_an_unexpected_reply(server, slept):
    server.enqueue(Reply(body=b'{"a": 1', headers={"Content-Type": "text/plain"}))
    with pytest.raises(errors.UnexpectedReply, match="not readable JSON"):
        service(server, slept).get("/v1/things")


def test_a_redirected_post_is_not_followed(server, slept):
    server.enqueue(Reply(302, body=b"", headers={"Location": "/login"}))
    with pytest.raises(errors.UnexpectedReply, match="302"):
        service(server, slept).post("/v1/things", json={})
    assert len(server.asked) == 1


def test_validation_errors_name_every_field(server, slept):
    wrong = [
        {"loc": ["body", "hyperparameters", "epochs"], "msg": "must be 1 or more", "type": "x"},
        {"loc": ["body", "config"], "msg": "Field required", "type": "missing"},
    ]
    server.enqueue(Reply(422, json={"detail": wrong}))
    with pytest.raises(errors.Invalid) as caught:
        service(server, slept).post("/v1/things", json={})
    assert "body.hyperparameters.epochs: must be 1 or more; body.config: Field required" in str(caught.value)


@pytest.mark.parametrize(
    "body",
    [{"detail": "gone"}, {"error": "gone"}, {"error": {"message": "gone"}}, {"object": "error", "message": "gone"}],
)
def test_every_known_shape_of_an_error_is_read(server, slept, body):
    server.enqueue(Reply(404, json=body))
    with pytest.raises(errors.NotFound, match="404: gone"):
        service(server, slept).get("/v1/things")


def test_a_token_goes_to_its_service_and_netrc_stays_out(server, slept, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login reader password canary\n")
    monkeypatch.setenv("NETRC", str(netrc))
    server.enqueue(Reply(json={}))
    service(server, slept).get("/v1/things")
    service(server, slept, token="data-store-token").get("/v1/things")
    assert "Authorization" not in server.asked[0].headers
    assert server.asked[1].headers["Authorization"] == "Bearer data-store-token"
    assert "data-store-token" not in repr(service(server, slept, token="data-store-token"))


def test_every_page_of_a_list_is_read(server, slept):
    pages = [{"data": [{"n": n}], "pagination": {"page": n, "total_pages": 3}} for n in (1, 2, 3)]
    server.enqueue(*(Reply(json=page) for page in pages))
    assert [item["n"] for item in service(server, slept).pages("/v1/things")] == [1, 2, 3]


def test_a_list_without_pagination_is_one_page(server, slept):
    server.enqueue(Reply(json={"data": [{"n": 1}]}))
    assert list(service(server, slept).pages("/v1/things")) == [{"n": 1}]
    assert len(server.asked) == 1


@pytest.mark.parametrize("fault", ["cut", "headers"])
def test_a_download_is_complete_or_not_there(server, slept, tmp_path, fault):
    server.enqueue(Reply(body=b"x" * 1000, fault=fault))
    target = tmp_path / "results.zip"
    with pytest.raises(errors.ServiceUnreachable, match="broke off"):
        service(server, slept).download("/v1/file", target)
    assert list(tmp_path.iterdir()) == []
    server.queue[:] = [Reply(body=b"x" * 1000)]
    assert service(server, slept).download("/v1/file", target).read_bytes() == b"x" * 1000


def test_within_passes_values_and_errors_on_and_ends_in_time():
    assert within(5, lambda: 3) == 3
    with pytest.raises(KeyError):
        within(5, lambda: {}["missing"])
    with pytest.raises(TookTooLong):
        within(0.05, lambda: time.sleep(0.3))
