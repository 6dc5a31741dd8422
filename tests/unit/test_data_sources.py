"""Where rows come from, and what a reader is told when they do not come."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pandas
import pytest

from helpers import data

CANARY = "hf_test-token-of-an-account-with-access"
ROW = {"id": 7, "query": "q", "answers": '[{"name": "f", "arguments": {}}]', "tools": '[{"name": "f"}]'}


def jsonl(path: Path, *lines: str | bytes) -> Path:
    path.write_bytes(b"\n".join(line.encode() if isinstance(line, str) else line for line in lines))
    return path


def test_rows_of_a_file_come_as_they_are(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "rows.jsonl", json.dumps(ROW), "", json.dumps({"query": "no id"}))
    assert list(data.load_rows(str(path))) == [ROW, {"id": "line 3", "query": "no id"}]


def test_a_byte_order_mark_and_windows_line_ends_do_no_harm(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "rows.jsonl", b"\xef\xbb\xbf" + json.dumps(ROW).encode() + b"\r", json.dumps(ROW) + "\r")
    assert list(data.load_rows(str(path))) == [ROW, ROW]


def test_an_array_of_rows_is_read_too_however_long_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("helpers.data.jsonl.CHUNK", 50)
    rows = [ROW | {"id": number, "query": "é" * number} for number in range(40)]
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(rows, indent=1, ensure_ascii=False), encoding="utf-8")
    assert list(data.load_rows(str(path))) == rows


def test_a_large_file_is_not_read_ahead(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "rows.jsonl", json.dumps(ROW), "this line is reached only if asked for")
    assert next(data.load_rows(str(path))) == ROW


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ('{"id": 2, "query": ', "Expecting value"),
        ("[1, 2]", "a list, not an object"),
        ("null", "a NoneType, not an object"),
        (b'{"id": "\xff"}', "codec can't decode"),
        ("[" * 100_000, "recursion"),
        ('{"id": 1}{"id": 2}', "Extra data"),
        ('{"n": ' + "9" * 5_000 + "}", "limit"),
    ],
)
def test_a_malformed_line_is_named_with_its_file_and_number(tmp_path: Path, line: str | bytes, why: str) -> None:
    path = jsonl(tmp_path / "rows.jsonl", json.dumps(ROW), "", line, json.dumps(ROW))
    with pytest.raises(data.UnreadableData) as error:
        list(data.load_rows(str(path)))
    assert f"{path}, line 3" in str(error.value)
    assert why in str(error.value)
    assert "Next:" in str(error.value)


@pytest.mark.parametrize("text", ['[{"id": 1}, {"id": 2}', '[{"id": 1}, 5]', "[{]"])
def test_a_broken_array_is_named_with_its_file(tmp_path: Path, text: str) -> None:
    path = jsonl(tmp_path / "rows.json", text)
    with pytest.raises(data.UnreadableData, match=r"rows\.json"):
        list(data.load_rows(str(path)))


@pytest.mark.parametrize("content", [b"", b"\n\n  \n", b"[]"])
def test_an_empty_file_says_so(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(content)
    with pytest.raises(data.EmptyDataset, match=r"rows\.jsonl has no rows"):
        list(data.load_rows(str(path)))


@pytest.mark.parametrize(
    ("dataset", "what"),
    [
        ("bfc", "is neither a set nor a file"),
        ("", "is a folder"),
        ("no/such/file.jsonl", "does not exist"),
        ("data/rows.jsonl", "does not exist"),
        ("~/rows", "does not exist"),
        (".", "is a folder"),
        ("a/b/c", "is neither a set nor a file"),
    ],
)
def test_an_unknown_dataset_says_what_is_possible_before_any_work(dataset: str, what: str) -> None:
    with pytest.raises(data.UnknownDataset) as error:
        data.load_rows(dataset)
    assert what in str(error.value)
    assert "'bfcl', a hub id such as Salesforce/xlam-function-calling-60k, or the path of a JSONL file" in str(
        error.value
    )
    assert "Next: correct DATASET in config.py" in str(error.value)


# --- A hub of our own: one gated set as JSON, one public set as Parquet. ---


class Hub(BaseHTTPRequestHandler):
    """Just enough of the hub's API for listing and fetching; keeps every Authorization header it got."""

    files: dict[str, dict[str, bytes]] = {}
    seen: list[str | None] = []
    status: int | None = None

    def do_GET(self) -> None:
        self.seen.append(token := self.headers.get("Authorization"))
        repo = next((repo for repo in self.files if f"datasets/{repo}/" in self.path), None)
        if self.status:
            return self.answer(self.status, b'{"error": "broken"}')
        if repo is None:
            return self.answer(404, b'{"error": "not found"}', {"X-Error-Code": "RepoNotFound"})
        if repo.startswith("gated") and token != f"Bearer {CANARY}":
            return self.answer(403 if token else 401, b'{"error": "gated"}', {"X-Error-Code": "GatedRepo"})
        if "/tree/" in self.path:
            listed = [{"type": "file", "path": n, "size": len(c), "oid": "0" * 40} for n, c in self.files[repo].items()]
            return self.answer(200, json.dumps(listed).encode())
        content = self.files[repo][self.path.split("/main/")[1]]
        return self.answer(200, content, {"X-Repo-Commit": "c" * 40, "ETag": f'"{abs(hash(content)):040x}"'})

    do_HEAD = do_GET

    def answer(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Tests are quiet."""


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of a hub; downloads go to a folder of the test's own."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    rows = [ROW | {"id": number} for number in range(5)]
    parquet = tmp_path / "rows.parquet"
    pandas.DataFrame(rows).to_parquet(parquet)
    monkeypatch.setattr(Hub, "seen", [])
    monkeypatch.setattr(Hub, "status", None)
    Hub.files = {
        "gated/xlam": {"README.md": b"# xLAM", "xlam.json": json.dumps(rows).encode()},
        "public/rows": {"data/train-0.parquet": parquet.read_bytes(), "data/test-0.parquet": b"not asked for"},
        "public/pictures": {"cat.png": b"png"},
    }
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_gated_set_is_read_with_a_token_that_has_access(hub: str) -> None:
    rows = list(data.load_rows("gated/xlam", token=CANARY, endpoint=hub))
    assert rows == [ROW | {"id": number} for number in range(5)]
    assert set(Hub.seen) == {f"Bearer {CANARY}"}


@pytest.mark.parametrize(("token", "now"), [("", "HF_TOKEN is empty"), ("hf_other", "its account has no access")])
def test_a_gated_set_without_access_says_where_to_ask_before_any_row(hub: str, token: str, now: str) -> None:
    with pytest.raises(data.GatedDataset) as error:
        data.load_rows("gated/xlam", token=token, endpoint=hub)
    assert now in str(error.value)
    assert f"{hub}/datasets/gated/xlam" in str(error.value)
    assert "HF_TOKEN" in str(error.value)
    assert "hf_other" not in str(error.value), "errors never hold a token"


def test_a_public_set_gets_no_token_and_its_train_split_is_read(hub: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_one-that-was-not-given-to-us")
    rows = list(data.load_rows("public/rows", endpoint=hub))
    assert [row["id"] for row in rows] == list(range(5))
    assert set(Hub.seen) == {None}


def test_a_set_that_the_hub_does_not_have_is_unknown(hub: str) -> None:
    with pytest.raises(data.UnknownDataset, match="no/such"):
        data.load_rows("no/such", endpoint=hub)


def test_a_set_without_rows_that_can_be_read_says_what_it_holds(hub: str) -> None:
    with pytest.raises(data.UnreadableData, match=r"cat\.png"):
        data.load_rows("public/pictures", endpoint=hub)


def test_a_hub_that_fails_or_does_not_answer_is_told_apart_from_a_missing_set(
    hub: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Hub, "status", 418)
    with pytest.raises(data.DatasetError, match="it answered 418"):
        data.load_rows("public/rows", endpoint=hub)
    with pytest.raises(data.DatasetError, match="cannot be fetched") as error:
        data.load_rows("public/rows", endpoint="http://127.0.0.1:9")
    assert "Next:" in str(error.value)
