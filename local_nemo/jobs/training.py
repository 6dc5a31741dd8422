"""One training job: its folder, its worker process, and how it ends.

`prepare_folder` lays out `<state>/jobs/<id>/` (the dataset as it was when the job was created, `request.json`);
`Worker` is the process that trains in it. Nothing here decides which job runs or what its status is: that is
`queue.py`.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

from local_nemo.settings import Settings
from local_nemo.store.entities import Entity
from local_nemo.store.repos import Files

SECRETS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "WANDB_API_KEY", "NVIDIA_API_KEY", "NDS_TOKEN")
QUIET = {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "PYTHONUNBUFFERED": "1",
}
FULL_BYTES = 2**20  # a disk with less has no room for a checkpoint
PATIENT = {"GOMP_SPINCOUNT": "10000"}  # a waiting thread spins for about 0.1 ms: longer ones starve a busy machine


def prepare_folder(folder: Path, job: Entity, settings: Settings, files: Files) -> None:
    """Write everything the worker needs. May be repeated; what it wrote before is replaced, checkpoints stay."""
    folder.mkdir(parents=True, exist_ok=True)
    source = job["dataset_snapshot"]
    data = folder / "data"
    files.checkout("datasets", source["repo"], data, source["commit"])
    names = [file.path for file in files.tree("datasets", source["repo"], source["commit"])]
    request = {
        "hyperparameters": job["hyperparameters"],
        "max_seq_length": job["config_snapshot"]["max_seq_length"],
        "tools": (job.get("dataset_parameters") or {}).get("tools"),
        "threads": settings.threads,
        "base": {"reference": settings.base_model, "name": settings.base_name, "cache": str(settings.cache)},
        "files": {
            name: [(path, str(data / path)) for path in split_files(names, source["path"], name)]
            for name in ("training", "validation")
        },
    }
    draft = folder / "request.tmp"
    draft.write_text(json.dumps(request, indent=1))
    draft.replace(folder / "request.json")


def split_files(paths: list[str], folder: str, split: str) -> list[str]:
    """The JSONL files of a split: `training/*.jsonl` under the dataset's folder, by name."""
    prefix = f"{folder}/{split}/" if folder else f"{split}/"
    return sorted(path for path in paths if path.startswith(prefix) and path.endswith(".jsonl"))


class Worker:
    """The process that trains in a job's folder. It ends with us: it holds the other end of a pipe."""

    def __init__(self, folder: Path) -> None:
        environment = {key: value for key, value in os.environ.items() if key not in SECRETS} | QUIET | PATIENT
        with (folder / "log.txt").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "local_nemo.jobs.train_worker", str(folder)],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd=Path(__file__).resolve().parents[2],
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait(self, seconds: float) -> int | None:
        """The exit code, or None if the process still runs after this time. Negative: killed by that signal."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def interrupt(self, seconds: float) -> None:
        """Ask for a checkpoint and an end; kill after this time."""
        self._process.send_signal(signal.SIGTERM)
        if self.wait(seconds) is None:
            self.kill()

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def end(self) -> None:
        """Let go of a process that has ended; one that still runs is killed, its checkpoint stays."""
        if self.wait(0) is None:
            self.kill()
        if self._process.stdin:
            self._process.stdin.close()


def exit_reason(code: int, log: Path) -> str:
    """Why a worker ended that did not say so itself, with the end of its log."""
    tail = log.read_bytes()[-2000:].decode(errors="replace").strip().splitlines() if log.is_file() else []
    last = tail[-1] if tail else "it wrote nothing"
    if code == -signal.SIGKILL:
        return (
            f"The training process was killed, as the system does when memory runs out (last line of its log: {last})"
        )
    if shutil.disk_usage(log.parent).free < FULL_BYTES:
        return f"The training process could not write: the disk of the state folder is full (last line: {last})"
    how = f"was ended by signal {-code}" if code < 0 else f"ended with code {code}"
    return f"The training process {how} (last line of its log: {last})"
