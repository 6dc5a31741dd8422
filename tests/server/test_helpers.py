"""The helpers on a real local_nemo: the path from rows to a served model, twice, and through a killed server."""

import io
import json
import os
import signal
import threading
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest

import config
from helpers import customizer, data_store, doctor, entity_store, errors, nim
from helpers.platform import Platform, at
from helpers.progress import Line
from tests.conftest import RunningServer, start_server, stop_server, wait_until_ready

ROWS = [
    {
        "messages": [
            {"role": "user", "content": f"Add {n} and {n + 1}."},
            {
                "role": "assistant",
                "content": "",
                "tool_calls": [{"type": "function", "function": {"name": "add", "arguments": {"a": n, "b": n + 1}}}],
            },
        ],
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "add",
                    "description": "Add two numbers.",
                    "parameters": {
                        "type": "object",
                        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
                        "required": ["a", "b"],
                    },
                },
            }
        ],
    }
    for n in range(24)
]
REPO = "helpers-ns/sums"


def platform_of(server: RunningServer) -> Platform:
    return at(server.url, server.url, server.nim_url, nds_token="token", local_pid=server.process.pid)


def files(folder: Path, rows: list[dict]) -> dict[str, Path]:
    written = {}
    for name, part in (("training/training.jsonl", rows[:16]), ("validation/validation.jsonl", rows[16:])):
        written[name] = folder / Path(name).name
        written[name].write_text("".join(json.dumps(row) + "\n" for row in part))
    return written


def prepare(platform: Platform, folder: Path) -> data_store.Upload:
    data_store.ensure_namespace(platform, "helpers-ns")
    entity_store.ensure_namespace(platform, "helpers-ns")
    upload = data_store.upload(platform, REPO, files(folder, ROWS))
    entity_store.ensure_dataset(platform, namespace="helpers-ns", name="sums", files_url=upload.files_url)
    return upload


def request(**hyperparameters: object) -> dict:
    return {
        "config": f"{config.BASE_MODEL}@{config.BASE_MODEL_VERSION}",
        "dataset": {"namespace": "helpers-ns", "name": "sums"},
        "output_model": "helpers-ns/adder",
        "hyperparameters": {
            "training_type": "sft", "finetuning_type": "lora", "epochs": 2, "batch_size": 8, "learning_rate": 1e-3,
            "lora": {"adapter_dim": 8}, "log_every_n_steps": 1, **hyperparameters,
        },
    }  # fmt: skip


def test_everything_may_be_done_twice_and_nothing_is_trained_again(server, tmp_path, capsys):
    platform = platform_of(server)
    first, again = prepare(platform, tmp_path), prepare(platform, tmp_path)
    assert (again.commit, again.sent, again.removed) == (first.commit, (), ())
    job = customizer.ensure_job(platform, request(), dataset_commit=first.commit)
    stream = io.StringIO()
    done = customizer.wait(platform, job["id"], line=Line(stream=stream))
    assert "4/4 steps" in stream.getvalue()
    assert "loss" in stream.getvalue()
    assert nim.wait_until_served(platform, done["output_model"]) == f"helpers-ns/adder@{job['id']}"
    figures = customizer.figures(done)
    assert figures["steps"] == len(figures["train_loss"]) == 4
    assert figures["wall_s"] > 0
    assert figures["peak_rss_mb"] > 0
    assert customizer.ensure_job(platform, request(), dataset_commit=first.commit)["id"] == job["id"]
    assert "Nothing is trained again" in capsys.readouterr().out
    other = customizer.ensure_job(platform, request(learning_rate=2e-3), dataset_commit=first.commit)
    assert other["id"] != job["id"]
    customizer.cancel(platform, other["id"])
    with pytest.raises(errors.JobCancelled):
        customizer.wait(platform, other["id"], line=Line(stream=io.StringIO()))


def test_the_doctor_finds_nothing_wrong_on_a_healthy_server_and_a_flipped_byte_on_a_sick_one(server, tmp_path):
    platform = platform_of(server)
    upload = prepare(platform, tmp_path)
    settings = SimpleNamespace(
        **{name: getattr(config, name) for name in dir(config) if name.isupper()}
        | {"NMS_NAMESPACE": "helpers-ns", "DATASET_NAME": "sums"}
    )
    rows = {row.part: row for row in doctor.check(settings, platform)}
    assert [row for row in rows.values() if row.status == "wrong" and row.part != "customized model"] == []
    assert rows["dataset"].fact == f"{REPO} at commit {upload.commit[:8]}"
    content = (tmp_path / "training.jsonl").read_bytes()
    blob = next(file for file in server.state.rglob("*") if file.is_file() and _holds(file, content))
    blob.chmod(0o644)
    blob.write_bytes(content.replace(b"Add 3", b"Add 8", 1))
    try:
        sick = {row.part: row for row in doctor.check(settings, platform)}["stored files"]
        assert sick.status == "wrong"
        assert f"{REPO}/training/training.jsonl" in sick.fact
    finally:
        blob.write_bytes(content)
        blob.chmod(0o444)


def _holds(file: Path, content: bytes) -> bool:
    return file.stat().st_size == len(content) and file.read_bytes() == content


@pytest.mark.slow
def test_waiting_survives_a_server_that_is_killed_and_started_again(tmp_path):
    state = tmp_path / "state"
    server = start_server(state)
    try:
        wait_until_ready(server)
        platform = platform_of(server)
        upload = prepare(platform, tmp_path)
        job = customizer.ensure_job(platform, request(epochs=4), dataset_commit=upload.commit)
        ended: list[dict] = []
        waiter = threading.Thread(
            target=lambda: ended.append(customizer.wait(platform, job["id"], line=Line(stream=io.StringIO())))
        )
        waiter.start()
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait()
        server = start_server(state, "--port", str(urlsplit(server.url).port))
        waiter.join(timeout=300)
        assert ended and ended[0]["status"] == "completed"
        assert ended[0]["id"] == job["id"]
    finally:
        stop_server(server)
