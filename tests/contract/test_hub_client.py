"""The real huggingface_hub and datasets against the Data Store: stories, resume, parallel uploads, a large file."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import HfApi
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.contract.clients import PYTHONS, run
from tests.endpoints import Calls
from tests.store_app import StoreProcess, open_services, served

LARGE = 100 * 2**20
RESUMED = 30 * 2**20  # the client writes, and so resumes, in steps of 10 MiB

LOAD = """
from datasets import load_dataset
both = load_dataset("ns/data")
assert (both["train"].num_rows, both["validation"].num_rows) == (2, 1), both
one = load_dataset("json", data_files="hf://datasets/ns/data/training/training.jsonl", split="train")
assert one[1] == {"a": 2}, one[1]
"""
UPLOAD = """
import sys
from huggingface_hub import HfApi
api = HfApi(endpoint=sys.argv[1] + "/v1/hf", token="x")
api.upload_file(path_or_fileobj=sys.argv[2], path_in_repo="large.bin", repo_id="ns/data", repo_type="dataset")
"""


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.endpoint(
    "POST /v1/hf/api/repos/create",
    "DELETE /v1/hf/api/repos/delete",
    "POST /v1/hf/api/validate-yaml",
    "GET /v1/hf/api/{repo_type}",
    "GET /v1/hf/api/{repo_type}/{namespace}/{name}",
    "GET /v1/hf/api/{repo_type}/{namespace}/{name}/revision/{revision}",
    "GET /v1/hf/api/{repo_type}/{namespace}/{name}/tree/{revision}",
    "GET /v1/hf/api/{repo_type}/{namespace}/{name}/tree/{revision}/{path}",
    "POST /v1/hf/api/{repo_type}/{namespace}/{name}/paths-info/{revision}",
    "GET /v1/hf/api/{repo_type}/{namespace}/{name}/refs",
    "GET /v1/hf/api/{repo_type}/{namespace}/{name}/commits/{revision}",
    "POST /v1/hf/api/{repo_type}/{namespace}/{name}/tag/{revision}",
    "DELETE /v1/hf/api/{repo_type}/{namespace}/{name}/tag/{tag}",
    "POST /v1/hf/api/{repo_type}/{namespace}/{name}/preupload/{revision}",
    "POST /v1/hf/api/{repo_type}/{namespace}/{name}/commit/{revision}",
    "HEAD /v1/hf/datasets/{namespace}/{name}/resolve/{revision}/{path}",
    "GET /v1/hf/datasets/{namespace}/{name}/resolve/{revision}/{path}",
    "GET /v1/hf/{namespace}/{name}/resolve/{revision}/{path}",
    "HEAD /v1/hf/{namespace}/{name}/resolve/{revision}/{path}",
)
def test_everything_that_users_do_with_the_hub_client_works(tmp_path: Path, python: str, calls: Calls) -> None:
    with served(open_services(tmp_path / "state"), calls.around) as url:
        story = Path(__file__).with_name("hub_story.py")
        version = run(PYTHONS[python], "-W", "error", str(story), url, str(tmp_path), folder=tmp_path)
    assert (version == huggingface_hub.__version__) == (python == "pinned")


def test_datasets_loads_from_the_endpoint(tmp_path: Path) -> None:
    services = open_services(tmp_path / "state")
    services.files.create_repo("datasets", "ns/data")
    rows = {"training/training.jsonl": b'{"a": 1}\n{"a": 2}\n', "validation/validation.jsonl": b'{"a": 3}\n'}
    services.files.commit("datasets", "ns/data", add=rows, message="rows")
    with served(services) as url:
        run(PYTHONS["pinned"], "-c", LOAD, folder=tmp_path, HF_ENDPOINT=f"{url}/v1/hf")


class BreaksOff:
    """Cuts the first download after half of its bytes, and notes which ranges were asked for."""

    def __init__(self, app: ASGIApp) -> None:
        self.app, self.asked = app, []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope.get("method") != "GET" or "/resolve/" not in scope["path"]:
            return await self.app(scope, receive, send)
        self.asked.append(Headers(scope=scope).get("range"))
        first, sent = len(self.asked) == 1, 0

        async def cut(message: Message) -> None:
            nonlocal sent
            sent += len(message.get("body", b""))
            if first and sent > RESUMED // 2:
                raise ConnectionResetError("the network went away")
            await send(message)

        await self.app(scope, receive, cut)


def test_a_download_that_breaks_off_is_resumed_where_it_was(tmp_path: Path) -> None:
    services = open_services(tmp_path / "state")
    services.files.create_repo("models", "ns/model")
    content = os.urandom(RESUMED)
    services.files.commit("models", "ns/model", add={"weights.bin": content}, message="weights")
    faults: list[BreaksOff] = []

    def around(app: ASGIApp) -> ASGIApp:
        faults.append(BreaksOff(app))
        return faults[0]

    with served(services, around) as url:
        api = HfApi(endpoint=f"{url}/v1/hf", token="x")
        path = api.hf_hub_download("ns/model", "weights.bin", cache_dir=tmp_path / "cache")
    assert Path(path).read_bytes() == content
    assert faults[0].asked == [None, "bytes=10485760-"], "the second request asks for the rest only"


def test_parallel_uploads_to_one_repository_all_land(tmp_path: Path) -> None:
    services = open_services(tmp_path / "state")
    services.files.create_repo("datasets", "ns/data")
    with served(services) as url:
        api = HfApi(endpoint=f"{url}/v1/hf", token="x")

        def upload(number: int) -> None:
            content = f"content {number}".encode()
            api.upload_file(
                path_or_fileobj=content, path_in_repo=f"{number}.txt", repo_id="ns/data", repo_type="dataset"
            )

        with ThreadPoolExecutor(16) as pool:
            list(pool.map(upload, range(48)))
        assert len(api.list_repo_files("ns/data", repo_type="dataset")) == 48


def test_a_large_file_passes_with_little_memory(tmp_path: Path) -> None:
    source = tmp_path / "large.bin"
    source.write_bytes(os.urandom(LARGE))
    with StoreProcess(tmp_path / "state") as server:
        api = HfApi(endpoint=f"{server.url}/v1/hf", token="x")
        api.create_repo("ns/data", repo_type="dataset")
        run(PYTHONS["pinned"], "-c", UPLOAD, server.url, str(source), folder=tmp_path)
        place = api.hf_hub_download("ns/data", "large.bin", repo_type="dataset", cache_dir=tmp_path / "cache")
        peak = server.peak_memory()
    assert Path(place).read_bytes() == source.read_bytes()
    assert peak <= 4 * LARGE, f"the server held {peak / 2**20:.0f} MiB"
