"""Uploading under faults, and what is sent: against a small stand-in of the Hub API that keeps files in memory."""

import base64
import json
import os
import subprocess
import sys

import pytest

from helpers import data_store, errors
from helpers.platform import Platform, at
from helpers.retry import Retry
from tests.recorder import Asked, Recorder, Reply

REPO = "ns/rows"
HUB = f"/v1/hf/api/datasets/{REPO}"


class Hub(Recorder):
    """The few Hub calls an upload makes; `faults` are answered first, one a request to the commit route."""

    def __init__(self) -> None:
        super().__init__()
        self.files: dict[str, bytes] = {}
        self.commits = 0
        self.faults: list[Reply] = []

    def answer(self, asked: Asked) -> Reply:
        with self.lock:
            self.asked.append(asked)
        call = f"{asked.method} {asked.path}"
        if call == f"GET {HUB}":
            return Reply(json={"id": REPO, "sha": f"{self.commits:040x}"})
        if call == f"GET {HUB}/tree/main":
            return Reply(json=[self._entry(path, content) for path, content in self.files.items()])
        if call == f"POST {HUB}/preupload/main":
            known = [
                {"path": one["path"], "uploadMode": "regular", "shouldIgnore": False} for one in asked.json["files"]
            ]
            return Reply(json={"files": known})
        if call == f"POST {HUB}/commit/main":
            if self.faults:
                return self.faults.pop(0)
            return self._commit(asked)
        return Reply(404, json={"detail": call})

    def _entry(self, path: str, content: bytes) -> dict:
        return {"type": "file", "path": path, "size": len(content), "oid": data_store.git_oid(content)}

    def _commit(self, asked: Asked) -> Reply:
        for line in map(json.loads, asked.body.splitlines()):
            if line["key"] == "file":
                self.files[line["value"]["path"]] = base64.b64decode(line["value"]["content"])
            elif line["key"] == "deletedFile":
                del self.files[line["value"]["path"]]
        self.commits += 1
        oid = f"{self.commits:040x}"
        return Reply(json={"commitOid": oid, "commitUrl": f"{self.url}/v1/hf/datasets/{REPO}/commit/{oid}"})


@pytest.fixture
def hub():
    with Hub() as server:
        yield server


@pytest.fixture
def slept() -> list[float]:
    return []


@pytest.fixture
def platform(hub, slept) -> Platform:
    found = at(hub.url, hub.url, hub.url + "/nim", nds_token="nds-canary")
    found.nds.retry = Retry(attempts=3, sleep=slept.append)
    return found


@pytest.fixture
def files(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"n": 1}\n')
    (tmp_path / "b.jsonl").write_text('{"n": 2}\n')
    return {"training/training.jsonl": tmp_path / "a.jsonl", "validation/validation.jsonl": tmp_path / "b.jsonl"}


def test_the_repository_holds_exactly_the_given_files(hub, platform, files):
    hub.files["training/old.jsonl"] = b"stale"
    hub.files[".gitattributes"] = b"kept"
    result = data_store.upload(platform, REPO, files)
    assert hub.files == {".gitattributes": b"kept"} | {name: file.read_bytes() for name, file in files.items()}
    assert result.removed == ("training/old.jsonl",)
    assert repr(result) == "<hf://datasets/ns/rows at commit 00000000: 2 files sent, 1 removed>"


def test_the_same_files_keep_their_commit(hub, platform, files):
    first = data_store.upload(platform, REPO, files)
    again = data_store.upload(platform, REPO, files)
    assert hub.commits == 1
    assert again.commit == first.commit
    assert repr(again).endswith("unchanged>")


def test_only_what_changed_is_sent(hub, platform, files):
    data_store.upload(platform, REPO, files)
    files["training/training.jsonl"].write_text('{"n": 3}\n')
    assert data_store.upload(platform, REPO, files).sent == ("training/training.jsonl",)


@pytest.mark.parametrize(
    "fault", [Reply(fault="reset"), Reply(502, body=b"<html>bad gateway"), Reply(503, body=b""), Reply(504, body=b"")]
)
def test_an_upload_that_breaks_off_is_sent_again(hub, platform, slept, files, fault):
    hub.faults = [fault]
    assert data_store.upload(platform, REPO, files).sent
    assert set(hub.files) == set(files)
    assert len(slept) >= 1


def test_an_upload_that_is_refused_fails_at_once_with_the_reason(hub, platform, slept, files):
    hub.faults = [Reply(403, json={"error": "quota exceeded"})]
    with pytest.raises(errors.NotAuthorized, match="check NDS_TOKEN"):
        data_store.upload(platform, REPO, files)
    assert slept == []
    assert hub.commits == 0


def test_a_web_page_instead_of_the_hub_is_named(platform, hub, files):
    hub.faults = [Reply(200, body=b"<html>log in</html>", headers={"Content-Type": "text/html"})]
    with pytest.raises(errors.UnexpectedReply, match="its answer is not the Hub API"):
        data_store.upload(platform, REPO, files)


@pytest.mark.parametrize(("content", "words"), [(None, "missing"), ("", "empty")])
def test_a_missing_or_empty_file_is_refused_before_anything_is_sent(hub, platform, tmp_path, content, words):
    file = tmp_path / "training.jsonl"
    if content is not None:
        file.write_text(content)
    with pytest.raises(errors.DatasetError, match=f"training.jsonl is {words}.*\n.*was not changed.*\n.*1_data_prep"):
        data_store.upload(platform, REPO, {"training/training.jsonl": file})
    assert hub.asked == []


def test_a_flipped_byte_in_the_store_is_found(hub, platform, files):
    data_store.upload(platform, REPO, files)
    for name in files:
        hub.route("GET", f"/v1/hf/datasets/{REPO}/resolve/main/{name}", Reply(body=hub.files[name]))
    hub.answer = _routed(hub)
    assert data_store.damaged(platform, REPO) == []
    flipped = bytearray(hub.files["training/training.jsonl"])
    flipped[3] ^= 1
    hub.route("GET", f"/v1/hf/datasets/{REPO}/resolve/main/training/training.jsonl", Reply(body=bytes(flipped)))
    assert data_store.damaged(platform, REPO) == ["training/training.jsonl"]


def _routed(hub: Hub):
    """Downloads come from the routes, everything else from the stand-in."""

    def answer(asked: Asked) -> Reply:
        replies = hub.routes.get((asked.method, asked.path))
        return replies[0] if replies else Hub.answer(hub, asked)

    return answer


def test_a_token_saved_on_this_machine_stays_here(hub, files, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hub-canary")
    data_store.upload(at(hub.url, hub.url, hub.url + "/nim"), REPO, files)
    assert all("Authorization" not in {name.title() for name in asked.headers} for asked in hub.asked)


def test_git_oids_are_those_of_git():
    assert data_store.git_oid(b"hello\n") == "ce013625030ba8dba906f756967f9e9ca394464a"


def test_the_hub_client_asks_the_public_hub_nothing_of_its_own():
    clean = {name: value for name, value in os.environ.items() if "TELEMETRY" not in name and name != "DO_NOT_TRACK"}
    code = "import helpers.data_store; from huggingface_hub import constants; print(constants.HF_HUB_DISABLE_TELEMETRY)"
    said = subprocess.run([sys.executable, "-c", code], env=clean, capture_output=True, text=True, check=True).stdout
    assert said.strip() == "True"
