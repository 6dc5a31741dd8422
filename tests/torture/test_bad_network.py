"""The helpers through a network that misbehaves, to a real Data Store: what they say is stored is stored, in time."""

import os
import random
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from helpers import data_store, entity_store, errors
from helpers.http import Service, Timeouts
from helpers.platform import Platform, at
from helpers.retry import Retry
from tests.fault_proxy import FAULTS, FaultProxy
from tests.faults import BAD_NETWORK
from tests.store_app import StoreProcess

pytestmark = pytest.mark.faults
SEED = int(os.environ.get("NETWORK_SEED", "1234"))
REPO = "ns/data"
SLOWEST_S = 60  # a call that meets two faults; each try of these impatient clients ends after 3 s


def impatient(service: Service) -> Service:
    quick = Retry(first_delay=0.05, longest_delay=0.2)
    return Service(service.name, service.url, setting=service.setting, retry=quick, timeouts=Timeouts(2, 2, 3))


@pytest.fixture
def proxy(tmp_path: Path) -> Iterator[FaultProxy]:
    with StoreProcess(tmp_path / "state") as server, FaultProxy(server.url) as running:
        yield running


@pytest.fixture
def platform(proxy: FaultProxy) -> Platform:
    direct = at(proxy.url, proxy.url, proxy.url + "/nim")
    return replace(direct, nemo=impatient(direct.nemo), nds=impatient(direct.nds))


def test_what_may_be_repeated_gets_through_every_fault(proxy: FaultProxy, platform: Platform, tmp_path: Path) -> None:
    chance, file = random.Random(SEED), tmp_path / "training.jsonl"
    file.write_text("{}\n")
    data_store.ensure_namespace(platform, "ns")
    data_store.upload(platform, REPO, {"training/training.jsonl": file})
    for number in range(BAD_NETWORK.size):
        fault, when = FAULTS[number % len(FAULTS)], f"{FAULTS[number % len(FAULTS)]} (NETWORK_SEED={SEED})"
        file.write_bytes(os.urandom(chance.choice((10, 300_000))))
        with BAD_NETWORK.trial():
            proxy.faults, began = [""] * chance.randint(0, 5) + [fault], time.monotonic()
            upload = data_store.upload(platform, REPO, {"training/training.jsonl": file})
            stored = data_store.read_file(platform, REPO, "training/training.jsonl", revision=upload.commit)
            assert stored == file.read_bytes(), when
            assert data_store.damaged(platform, REPO) == [], when
            assert time.monotonic() - began < SLOWEST_S, when
    assert set(FAULTS) <= set(proxy.seen)


@pytest.mark.parametrize("fault", ["closed", "silent", "502 with a page", "429 with Retry-After"])
def test_what_may_not_be_repeated_fails_at_once_and_says_what_to_do(
    proxy: FaultProxy, platform: Platform, fault: str
) -> None:
    proxy.faults = [fault]
    with pytest.raises(errors.ServiceError) as caught:
        platform.nemo.post("/v1/datasets", json={"name": "one", "namespace": "ns"})
    assert proxy.seen == [fault]
    assert "\n" in str(caught.value), "the error says what to do next"


def test_creating_what_a_lost_answer_had_created_ends_well(proxy: FaultProxy, platform: Platform) -> None:
    entity_store.ensure_namespace(platform, "ns")
    for fault in ("cut", "drip"):
        proxy.faults = ["", "", fault]
        try:
            entity_store.ensure_dataset(platform, namespace="ns", name=fault, files_url=f"hf://datasets/{REPO}")
        except errors.ServiceError as error:
            assert "not known" in str(error) or "nothing is known" in str(error)
        entity_store.ensure_dataset(platform, namespace="ns", name=fault, files_url=f"hf://datasets/{REPO}")
        assert platform.nemo.get(f"/v1/datasets/ns/{fault}")["name"] == fault
