"""Upload, train, serve, evaluate, check, with keys set, in a network namespace that has loopback alone.

    unshare -rn python -m tests.loopback_story <folder>

Every address of the namespace is this machine, and its name server is ours: it knows nobody, and writes down who was
looked for (`<folder>/asked.json`). All that the run leaves behind is in the folder: state, results, replies, output.
"""

import json
import os
import socket
import struct
import subprocess
import sys
import threading
from pathlib import Path

import requests

import config
from helpers import customizer, data_store, deployments, doctor, entity_store, errors, evaluator, guardrails, tracking
from helpers.platform import Platform, at
from tests import evaluator_app, stories
from tests.conftest import RunningServer, stop_server
from tests.scripted_model import ScriptedModel
from tests.tiny_server import ROWS, TinyServers

KEYS = {name: f"canary-{name.lower()}-4f1d" for name in ("HF_TOKEN", "WANDB_API_KEY", "NVIDIA_API_KEY", "NDS_TOKEN")}
CLEAR = "canary-key-sent-in-clear-4f1d"  # the fifth: an endpoint's key inside a request
REPO = "story/rows"
LISTS = (
    "datasets", "models", "projects", "deployment/model-deployments", "customization/jobs", "evaluation/jobs",
    "evaluation/targets", "evaluation/configs", "evaluation/results", "guardrail/configs",
)  # fmt: skip


class NameServer:
    """Answers "no such host" on port 53 and remembers every name."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("0.0.0.0", 53))
        threading.Thread(target=self._answer, daemon=True).start()

    def _answer(self) -> None:
        while True:
            question, client = self._socket.recvfrom(4096)
            labels, position = [], 12
            while length := question[position]:
                labels.append(question[position + 1 : position + 1 + length].decode(errors="replace"))
                position += 1 + length
            self.names.add(".".join(labels))
            head = question[:2] + struct.pack(">HHHHH", 0x8183, 1, 0, 0, 0)  # NXDOMAIN
            self._socket.sendto(head + question[12 : position + 5], client)


def isolate() -> NameServer:
    """Make every address this machine's own; raises CalledProcessError where that is not permitted."""
    for command in ("link set lo up", "route add local 0.0.0.0/0 dev lo"):
        subprocess.run(["ip", *command.split()], check=True)
    return NameServer()


def tell(platform: Platform, server: RunningServer, folder: Path) -> None:
    """The tutorial's steps on a tiny model, with all keys that it knows of."""
    data_store.ensure_namespace(platform, "story")
    entity_store.ensure_namespace(platform, "story")
    rows, tests = folder / "training.jsonl", folder / "testing.jsonl"
    rows.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    tests.write_text("".join(json.dumps(evaluator_app.row(number)) + "\n" for number in range(4)))
    upload = data_store.upload(platform, REPO, {"training/training.jsonl": rows, "testing/rows.jsonl": tests})
    entity_store.ensure_dataset(platform, namespace="story", name="rows", files_url=upload.files_url)
    request = {
        "config": stories.CONFIG, "dataset": REPO, "output_model": "story/model",
        "hyperparameters": {"training_type": "sft", "finetuning_type": "lora", "epochs": 2, "batch_size": 8},
        **tracking.integrations(config.WANDB_API_KEY),
    }  # fmt: skip
    job = customizer.ensure_job(platform, request, dataset_commit=upload.commit, wandb_api_key=config.WANDB_API_KEY)
    job = customizer.wait(platform, job["id"], poll=0.5)
    print(tracking.curves(job, api_key="", folder=folder / "results"))
    asked = evaluator_app.config()
    asked["tasks"]["tools"]["dataset"]["files_url"] = f"hf://datasets/{REPO}/testing/rows.jsonl"
    target = {"type": "model", "model": job["output_model"]}
    done = evaluator.run(platform, config=asked, target=target, poll=0.5)
    evaluator.download_records(platform, done["id"], folder / "results")
    refused_keys(platform, asked)
    data = {
        "models": [],
        "rails": {"input": {"flows": ["self check input"]}},
        "prompts": [
            {"task": "self_check_input", "content": "Block it? {{ user_input }}", "output_parser": "is_content_safe"}
        ],
    }
    guardrails.ensure_config(platform, namespace="story", name="rails", data=data)
    messages = [{"role": "user", "content": "Hello"}]
    print(guardrails.check(platform, model=job["output_model"], messages=messages, config_id="story/rails"))
    body = {"name": "other", "namespace": "story", "config": {"model": "nobody/knows", "nim_deployment": {}}}
    body["config"]["nim_deployment"] = {"additional_envs": {"NGC_API_KEY": CLEAR, "HF_TOKEN": KEYS["HF_TOKEN"]}}
    reply = requests.post(platform.nemo_url + deployments.DEPLOYMENTS, json=body, timeout=60)
    print(reply.status_code, reply.text)
    for row in doctor.check(config, platform):
        print(row)


def refused_keys(platform: Platform, asked: dict) -> None:
    """Endpoints that want a key and repeat it in their refusal: one sent in clear, one named as a variable."""
    with ScriptedModel() as model:
        model.respond = lambda body: (401, {}, f"bad key {model.requests[-1][1].get('Authorization')}".encode())
        for key in (CLEAR, "NVIDIA_API_KEY"):
            target = evaluator_app.as_target(model.url, api_key=key)
            try:
                evaluator.run(platform, config=asked, target=target, poll=0.5)
            except errors.TutorialError as error:
                print(error)
        sent = {headers.get("Authorization") for _, headers, _ in model.requests}
        assert sent == {f"Bearer {CLEAR}", f"Bearer {KEYS['NVIDIA_API_KEY']}"}, sent


def keep_replies(server: RunningServer, folder: Path) -> None:
    """Everything that the server tells about what it stores."""
    for name in LISTS:
        listed = requests.get(f"{server.url}/v1/{name}", params={"page_size": 100}, timeout=60)
        (folder / f"list-{name.replace('/', '-')}.json").write_bytes(listed.content)
    for kind, more in (("customization", "container-logs"), ("evaluation", "logs"), ("evaluation", "download-results")):
        for job in requests.get(f"{server.url}/v1/{kind}/jobs", timeout=60).json()["data"]:
            reply = requests.get(f"{server.url}/v1/{kind}/jobs/{job['id']}/{more}", timeout=60)
            (folder / f"{kind}-{more}-{job['id']}").write_bytes(reply.content)


def main(folder: Path) -> None:
    names = isolate()
    server = TinyServers(folder.parent).start(folder / "state", env=KEYS)
    try:
        platform = at(server.url, server.url, server.nim_url, nds_token=KEYS["NDS_TOKEN"])
        tell(platform, server, folder)
        keep_replies(server, folder)
    finally:
        stop_server(server)
        (folder / "asked.json").write_text(json.dumps(sorted(names.names)))


if __name__ == "__main__":
    os.environ |= KEYS | {"RESULTS_DIR": f"{sys.argv[1]}/results", "DATA_DIR": f"{sys.argv[1]}/data"}
    for name, value in KEYS.items():
        setattr(config, name, value)
    main(Path(sys.argv[1]))
