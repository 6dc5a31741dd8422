"""What contract tests share: the story of the whole tutorial, told once a session with the official SDK alone."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import RunningServer
from tests.contract.clients import PYTHONS, run


@pytest.fixture(scope="session")
def story(server: RunningServer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What `sdk_story.py` made on the server: a trained model, an evaluation, verdicts of the guard."""
    script = str(Path(__file__).with_name("sdk_story.py"))
    folder = tmp_path_factory.mktemp("story")
    return json.loads(run(PYTHONS["pinned"], "-W", "error", script, server.url, folder=folder, seconds=400))
