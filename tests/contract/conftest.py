"""What contract tests share: a recorder in the services' place, and the whole story told once by the SDK alone."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from helpers.platform import Platform, at
from tests.conftest import RunningServer
from tests.contract.clients import PYTHONS, run
from tests.recorder import Recorder


@pytest.fixture(scope="session")
def story(server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `sdk_story.py` made on the server: a trained model, an evaluation, verdicts of the guard."""
    script = str(Path(__file__).with_name("sdk_story.py"))
    folder = tmp_path_factory.mktemp("story")
    return json.loads(run(PYTHONS["pinned"], "-W", "error", script, server.url, folder=folder, seconds=400))


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    with Recorder() as server:
        yield server


@pytest.fixture
def platform(recorder: Recorder) -> Platform:
    """The helpers' view of the recorder."""
    return at(recorder.url, recorder.url, recorder.url + "/nim", nds_token="token")
