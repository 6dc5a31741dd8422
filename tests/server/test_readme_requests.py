"""The curl commands of the README, run by a shell against a real local_nemo exactly as they are printed.

Of what only a cluster can do, the contract is tested: the deployment is accepted, deleting something that does
not exist is a 404 that names it, and so is asking for the cluster's model.
"""

import json
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT, RunningServer

pytestmark = pytest.mark.skipif(not shutil.which("curl"), reason="curl is not installed")
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^(?:sed [^\n]*\|\n +)?curl .*?(?<!\\)$", README, re.MULTILINE | re.DOTALL)
WITH_STATUS = "curl() { command curl --silent --max-time 60 --write-out '\\n%{http_code}' \"$@\"; }\n"


def run(command: str, server: RunningServer, folder: Path) -> tuple[int, dict]:
    """Status and body of a README command, in a folder that holds the examples."""
    shutil.copytree(ROOT / "examples", folder / "examples")
    env = {**os.environ, "NEMO_URL": server.url, "NIM_URL": server.nim_url, "NO_PROXY": "127.0.0.1"}
    done = subprocess.run(
        ["bash", "-c", WITH_STATUS + command],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=90,
        check=True,
    )
    body, status = done.stdout.rsplit("\n", 1)
    return int(status), json.loads(body)


def the(part: str) -> str:
    """The one README command that holds `part`."""
    found = [command for command in COMMANDS if part in command]
    assert len(found) == 1, found
    return found[0]


def test_the_readme_has_four_requests() -> None:
    assert len(COMMANDS) == 4


def test_the_weather_request_is_answered_by_the_base_model_of_this_machine(
    server: RunningServer, tmp_path: Path
) -> None:
    status, reply = run(the("sed s,meta"), server, tmp_path)
    assert status == 200, reply
    assert reply["choices"][0]["finish_reason"] in ("stop", "length")


def test_the_weather_request_of_a_cluster_names_what_is_served_instead(server: RunningServer, tmp_path: Path) -> None:
    status, reply = run(the("-d @examples/weather_request"), server, tmp_path)
    assert status == 404
    assert "huggingfacetb/smollm2-135m-instruct" in reply["error"]["message"]


def test_the_deployment_of_the_nim_is_accepted(server: RunningServer, tmp_path: Path) -> None:
    status, deployment = run(the("deploy_nim"), server, tmp_path)
    assert status == 200, deployment
    assert deployment["name"] == "llama-3.2-1b-instruct"
    assert deployment["status_details"]["status"] in ("pending", "ready", "failed")


def test_deleting_a_deployment_that_is_not_there_says_so(server: RunningServer, tmp_path: Path) -> None:
    status, reply = run(the("-X DELETE"), server, tmp_path)
    assert status == 404
    assert "llama-3.1-8b-instruct" in reply["detail"]
