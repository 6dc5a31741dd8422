"""Keys stay where they belong, and nothing leaves the machine unasked: a whole run in a namespace of its own."""

import io
import json
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import loopback_story
from tests.conftest import ROOT
from tests.faults import LOOPBACK_ALONE, SECRETS
from tests.tiny_server import TinyServers

pytestmark = [pytest.mark.slow, pytest.mark.faults]
SECONDS = 400
OPTED_IN = "api.wandb.ai"  # a training with a W&B key reports there


def may_isolate() -> bool:
    """Whether this system lets a test make a network of its own."""
    if not shutil.which("unshare") or not shutil.which("ip"):
        return False
    return subprocess.run(["unshare", "-rn", "ip", "link", "set", "lo", "up"], capture_output=True).returncode == 0


@pytest.fixture(scope="module")
def left_behind(tiny: TinyServers) -> Path:
    """The folder of a finished run."""
    if not may_isolate():
        pytest.skip("this system does not let a test make a network of its own")
    assert tiny.environment  # the model that the run uses is made
    folder = tiny.folder / "story"
    folder.mkdir()
    with (folder / "output.txt").open("wb") as output:
        command = ["unshare", "-rn", sys.executable, "-m", "tests.loopback_story", str(folder)]
        result = subprocess.run(command, cwd=ROOT, stdout=output, stderr=output, timeout=SECONDS)
    text = (folder / "output.txt").read_text(errors="replace")
    assert result.returncode == 0, text[-4000:] + (folder / "state" / "server.log").read_text()[-2000:]
    return folder


def test_the_whole_run_works_with_loopback_alone_and_asks_for_no_host(left_behind: Path) -> None:
    with LOOPBACK_ALONE.trial():
        names = json.loads((left_behind / "asked.json").read_text())
        assert {name for name in names if not name.endswith(OPTED_IN)} == set()


def contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file under a folder, and what is inside those that are ZIP archives."""
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            yield str(path.relative_to(folder)), content
            if content.startswith(b"PK"):
                with zipfile.ZipFile(io.BytesIO(content)) as archive:
                    yield from ((f"{path.name}/{name}", archive.read(name)) for name in archive.namelist())


@pytest.mark.parametrize("name", [*loopback_story.KEYS, "CLEAR"])
def test_no_key_is_in_anything_that_a_run_leaves_behind(left_behind: Path, name: str) -> None:
    key = {**loopback_story.KEYS, "CLEAR": loopback_story.CLEAR}[name].encode()
    with SECRETS.trial():
        found = [path for path, content in contents(left_behind) if key in content]
        assert found == []
    seen = {path for path, _ in contents(left_behind)}
    assert {"output.txt", "state/server.log", "state/nemo.db"} <= seen
    assert any(path.startswith("results/") for path in seen)
