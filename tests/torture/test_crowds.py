"""Many clients at once, bad ones among them: one winner for each name, no upload lost, nobody held up by another."""

import json
import os
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
import requests
from huggingface_hub import CommitOperationAdd, HfApi

from tests import faults
from tests.conftest import RunningServer
from tests.faults import CHATS, FULL_QUEUE, PARALLEL_UPLOADS, SAME_NAME, SLOW_CLIENTS
from tests.store_app import StoreProcess
from tests.stories import BASE

pytestmark = pytest.mark.faults
CLIENTS = 64
SOON_S = 20  # for what takes an idle machine a fraction of a second
TORTURE_CHATS_S = 300  # at full size, chats go on for so long
GROWTH = 50 * 2**20  # bytes of memory that the second half of the chats may take
LONG_CHATS = 2600  # of 1,900 tokens: the engine's 1 GB of key-value cache holds 4 million of this model's tokens
URL = "hf://datasets/ns/data"
NAMED = (
    ("/v1/datastore/namespaces", lambda name: {"namespace": name}),
    ("/v1/namespaces", lambda name: {"id": name}),
    ("/v1/projects", lambda name: {"name": name, "namespace": "ns"}),
    ("/v1/datasets", lambda name: {"name": name, "namespace": "ns", "files_url": URL}),
    ("/v1/models", lambda name: {"name": name, "namespace": "ns"}),
    ("/v1/deployment/configs", lambda name: {"name": name, "namespace": "ns", "model": BASE}),
    ("/v1/hf/api/repos/create", lambda name: {"name": name, "organization": "ns", "type": "dataset"}),
    ("/v1/hf/api/repos/create", lambda name: {"name": name, "organization": "ns", "type": "model"}),
)
QUESTION = {"model": BASE, "messages": [{"role": "user", "content": "Count."}], "temperature": 1}


def test_of_sixty_four_clients_that_create_one_name_one_wins(tmp_path: Path) -> None:
    with StoreProcess(tmp_path / "state") as server, ThreadPoolExecutor(CLIENTS) as pool:
        for number in range(SAME_NAME.size):
            path, body = NAMED[number % len(NAMED)]
            with SAME_NAME.trial():
                same = body(f"same-{number}")
                asked = [pool.submit(requests.post, server.url + path, json=same, timeout=60) for _ in range(CLIENTS)]
                answers = sorted((one.result() for one in asked), key=lambda answer: answer.status_code)
                assert answers[0].ok, answers[0].text
                for refused in answers[1:]:
                    assert refused.status_code == 409
                    assert refused.headers["x-should-retry"] == "false"
                    assert "exists" in str(refused.json())


def test_uploads_to_one_repository_at_once_all_land(tmp_path: Path) -> None:
    repo = {"repo_id": "ns/data", "repo_type": "dataset"}
    contents = {f"{number}.bin": os.urandom(20_000) for number in range(PARALLEL_UPLOADS.size)}
    with StoreProcess(tmp_path / "state") as server, ThreadPoolExecutor(16) as pool:
        api = HfApi(endpoint=f"{server.url}/v1/hf", token=False)
        api.create_repo(**repo)

        def upload(name: str) -> None:
            with PARALLEL_UPLOADS.trial():
                operation = CommitOperationAdd(name, contents[name])
                api.create_commit(operations=[operation], commit_message=name, **repo)
                url = f"{server.url}/v1/hf/datasets/ns/data/resolve/main/{name}"
                assert requests.get(url, timeout=60).content == contents[name]

        list(pool.map(upload, contents))
        assert set(api.list_repo_files(**repo)) >= set(contents)
        assert len(api.list_repo_commits(**repo)) == len(contents) + 1
        assert requests.get(f"{server.url}/v1/datastore/integrity", timeout=60).json()["status"] == "ok"


def chat(server: RunningServer, **more: object) -> requests.Response:
    return requests.post(server.nim_url + "/v1/chat/completions", json=QUESTION | {"max_tokens": 8} | more, timeout=120)


def fill_cache(server: RunningServer) -> None:
    """A request whose prompt takes its place in the engine's cache, which is bounded and filled as it is used."""
    message = {"role": "user", "content": "word " * 1900}
    answer = chat(server, messages=[message], max_tokens=1)
    assert answer.status_code == 200, answer.text


def unfinished(server: RunningServer) -> int:
    """Requests that the engine still works on."""
    text = requests.get(server.nim_url + "/v1/metrics", timeout=30).text
    names = ("num_requests_running ", "num_requests_waiting ")
    return sum(int(float(line.split()[1])) for line in text.splitlines() if line.startswith(names))


def assert_idle(server: RunningServer) -> None:
    deadline = time.monotonic() + SOON_S
    while unfinished(server):
        assert time.monotonic() < deadline, "the engine works on for clients that have gone"
        time.sleep(0.1)


def test_sixty_four_chats_at_once_are_answered_and_memory_stays_flat(tiny_server: RunningServer) -> None:
    def one(_: int) -> None:
        with CHATS.trial():
            answer = chat(tiny_server)
            assert answer.status_code == 200, answer.text

    process = psutil.Process(tiny_server.process.pid)
    with ThreadPoolExecutor(CLIENTS) as pool:
        if faults.SHARE:  # else tens of thousands of chats would touch one part after the other of that cache
            list(pool.map(lambda _: fill_cache(tiny_server), range(LONG_CHATS)))
        began, resident = time.monotonic(), []
        while len(resident) * CLIENTS < CHATS.size or time.monotonic() - began < faults.SHARE * TORTURE_CHATS_S:
            list(pool.map(one, range(CLIENTS)))
            resident.append(process.memory_info().rss)
    settled = resident[len(resident) // 2]  # by then every thread has the memory that it works with
    print(
        f"{len(resident) * CLIENTS} chats, MiB after each tenth:",
        [size >> 20 for size in resident[:: len(resident) // 10 or 1]],
    )
    assert resident[-1] < settled + GROWTH, resident
    assert_idle(tiny_server)


def test_past_the_queue_a_chat_is_told_when_to_come_back_and_holds_no_place(tiny_server: RunningServer) -> None:
    for _ in range(FULL_QUEUE.size):
        with FULL_QUEUE.trial(), ThreadPoolExecutor(CLIENTS) as pool:
            asked = [pool.submit(chat, tiny_server, n=8, max_tokens=40) for _ in range(CLIENTS)]
            answers = [one.result() for one in asked]
            refused = [answer for answer in answers if answer.status_code != 200]
            assert refused, "64 times 8 answers fit into the queue"
            for answer in refused:
                assert answer.status_code == 429, answer.text
                assert int(answer.headers["Retry-After"]) > 0
                assert answer.json()["type"] == "TooManyRequestsError"
            assert len(refused) < CLIENTS
    assert_idle(tiny_server)
    assert chat(tiny_server).status_code == 200


def begun(server: RunningServer, request: bytes) -> socket.socket:
    """A connection on which so much of a request was sent."""
    parts = urlsplit(server.url)
    connection = socket.create_connection((parts.hostname, parts.port), timeout=30)
    connection.sendall(request.replace(b"HOST", f"{parts.hostname}:{parts.port}".encode()))
    return connection


STREAM = json.dumps(QUESTION | {"stream": True, "max_tokens": 400}).encode()
HEAD = b" HTTP/1.1\r\nHost: HOST\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
STALLED = (
    b"POST /v1/datasets HT",
    b"POST /v1/datasets" + HEAD % 100 + b"{",
    b"POST /v1/hf/api/datasets/ns/data/commit/main" + HEAD % 999_999 + b"{",
    b"POST /nim/v1/chat/completions" + HEAD % len(STREAM) + STREAM,  # and never reads a byte of the stream
)


@contextmanager
def stalled(server: RunningServer, clients: int) -> Iterator[None]:
    with ExitStack() as connections:
        for number in range(clients):
            connections.enter_context(begun(server, STALLED[number % len(STALLED)]))
        yield


def test_clients_that_stall_hold_up_nobody_and_leave_nothing_when_they_go(tiny_server: RunningServer) -> None:
    process = psutil.Process(tiny_server.process.pid)
    before = process.num_fds()
    with SLOW_CLIENTS.trial(SLOW_CLIENTS.size):
        for _ in range(SLOW_CLIENTS.size // CLIENTS):
            with stalled(tiny_server, CLIENTS):
                for path in ("/health", "/v1/datasets", "/nim/v1/health/ready"):
                    assert requests.get(tiny_server.url + path, timeout=SOON_S).ok
                began = time.monotonic()
                assert chat(tiny_server).status_code == 200
                assert time.monotonic() - began < SOON_S
        assert_idle(tiny_server)
        deadline = time.monotonic() + SOON_S
        while process.num_fds() > before + CLIENTS // 2:
            assert time.monotonic() < deadline, f"{process.num_fds()} open files after {before} before"
            time.sleep(0.1)
