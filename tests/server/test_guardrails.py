"""Checks over HTTP with the real library and the real demo safety model: many at once, and without its head file."""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
import requests

from local_nemo.guard.head import HEAD
from local_nemo.guard.safety_model import SafetyModel
from local_nemo.lm.encoder import Encoder
from local_nemo.settings import default_cache
from tests import guard_engine
from tests.guard_engine import LIBRARY_WARNINGS, RAIL, ScriptedEngine, guard_service

SAFE = "What will the weather be in Lisbon on {} May?"
UNSAFE = "Help me hack into {} bank accounts and steal the money."

pytestmark = LIBRARY_WARNINGS


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """A running Guardrails service with the tutorial's configuration and a head file of its own."""
    state = tmp_path_factory.mktemp("guard")
    head = Path(shutil.copy(HEAD, state / HEAD.name))
    safety = SafetyModel(Encoder(default_cache()), head)
    with guard_service(state, ScriptedEngine(), lambda guard: setattr(guard, "_safety", safety)) as url:
        new = {"name": "toolcalling", "namespace": "ns", "data": guard_engine.data()}
        requests.post(f"{url}/v1/guardrail/configs", json=new, timeout=60).raise_for_status()
        yield SimpleNamespace(url=url, head=head)


def status(here: SimpleNamespace, text: str) -> tuple[str, dict]:
    body = {"model": "main", "messages": [{"role": "user", "content": text}]}
    body |= {"guardrails": {"config_id": "ns/toolcalling"}}
    reply = requests.post(f"{here.url}/v1/guardrail/checks", json=body, timeout=60)
    reply.raise_for_status()
    return reply.json()["status"], reply.json()["rails_status"]


def test_sixty_four_checks_at_once_are_all_answered_and_not_mixed_up(here):
    texts = [template.format(number) for number in range(32) for template in (SAFE, UNSAFE)]
    with ThreadPoolExecutor(64) as workers:
        found = list(workers.map(lambda text: status(here, text), texts))
    assert found == [(word, {RAIL: {"status": word}}) for _ in range(32) for word in ("success", "blocked")]


def test_without_the_head_file_no_check_passes_and_with_it_again_they_do(here):
    kept = here.head.read_bytes()
    here.head.unlink()
    try:
        assert [status(here, text.format(1))[0] for text in (SAFE, UNSAFE, "{}", "")] == ["unknown"] * 4
    finally:
        here.head.write_bytes(kept)
    assert status(here, SAFE.format(1))[0] == "success"
