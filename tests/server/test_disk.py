"""A full disk: the answer says so, what was stored stays intact, the server lives on."""

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from huggingface_hub import HfApi

from tests.faults import FULL_DISK
from tests.small_disk import DISK_MIB, mounted_on
from tests.store_app import StoreProcess

pytestmark = pytest.mark.faults
REPO = {"repo_id": "ns/data", "repo_type": "dataset"}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[StoreProcess]:
    state = tmp_path / "state"
    with StoreProcess(state, mounted_on(state)) as server:
        yield server


def put(url: str, content: bytes) -> requests.Response:
    """An upload by LFS, which needs its size once."""

    return requests.put(f"{url}/v1/hf/lfs/{hashlib.sha256(content).hexdigest()}", data=content, timeout=60)


@FULL_DISK.trial()
def test_a_full_disk_is_507_loses_nothing_and_ends_when_space_is_freed(small_disk: StoreProcess) -> None:
    url = small_disk.url
    api = HfApi(endpoint=f"{url}/v1/hf", token="x")
    api.create_repo(**REPO)
    kept = os.urandom(8 * 2**20)
    api.upload_file(path_or_fileobj=kept, path_in_repo="kept.bin", **REPO)
    api.create_repo("ns/other")
    api.upload_file(path_or_fileobj=os.urandom(8 * 2**20), path_in_repo="a.bin", repo_id="ns/other")
    full = put(url, os.urandom(60 * 2**20))
    assert full.status_code == 507
    assert "free some space" in full.json()["error"]
    assert requests.post(f"{url}/v1/namespaces", json={"id": "ns"}, timeout=30).status_code == 200
    assert requests.get(f"{url}/v1/datastore/integrity", timeout=60).json()["status"] == "ok"
    assert requests.get(f"{url}/v1/hf/datasets/ns/data/resolve/main/kept.bin", timeout=60).content == kept
    api.delete_repo("ns/other")
    assert put(url, os.urandom(10 * 2**20)).status_code == 200


@FULL_DISK.trial()
def test_a_disk_that_fills_while_a_body_arrives_is_507(small_disk: StoreProcess) -> None:
    def pieces() -> Iterator[bytes]:  # no length is declared, so nothing can be refused beforehand
        for _ in range(DISK_MIB + 8):
            yield bytes(2**20)

    url = small_disk.url
    answer = requests.put(f"{url}/v1/hf/lfs/{'0' * 64}", data=pieces(), timeout=60)
    assert answer.status_code == 507
    assert "No space left" in answer.json()["error"]
    assert requests.post(f"{url}/v1/namespaces", json={"id": "ns"}, timeout=30).status_code == 200
    assert requests.get(f"{url}/v1/datastore/integrity", timeout=60).json()["status"] == "ok"
