"""Weights & Biases, beside a training and never in its way.

`Tracker` starts a process of its own that follows a job's `events.jsonl` and sends them to a W&B run named after the
job. The key reaches that process through its environment and is written nowhere. If W&B can't be reached, refuses the
key or hangs, the training neither waits nor fails: the process gets some seconds after the training's end and is then
ended. Without a key nothing is started.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from local_nemo.jobs.progress import read_events

AFTER_END_SECONDS = 60.0
POLL_SECONDS = 1.0
INIT_SECONDS = 60
ENDED = ("done", "failed")
HARMLESS = {"WANDB_ERROR_REPORTING": "false", "WANDB_DISABLE_GIT": "true", "WANDB_DISABLE_CODE": "true",
            "WANDB_CONSOLE": "off", "WANDB_SILENT": "true", "WANDB_X_DISABLE_STATS": "true"}  # fmt: skip


class Tracker:
    """Sends a job's metrics to W&B while the `with` block runs; does nothing without a key."""

    def __init__(self, folder: Path, job: dict, key: str | None) -> None:
        self._folder, self._job, self._key = folder, job, key
        self._process: subprocess.Popen | None = None

    def __enter__(self) -> Tracker:
        if self._key:
            run = {"id": self._job["id"], "name": self._job["id"], "config": self._job["hyperparameters"]}
            (self._folder / "wandb.json").write_text(json.dumps(run | _integration(self._job)))
            with (self._folder / "wandb.txt").open("ab") as log:
                self._process = subprocess.Popen(
                    [sys.executable, "-m", "local_nemo.jobs.tracking", str(self._folder)],
                    stdin=subprocess.PIPE,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    env={**os.environ, **HARMLESS, "WANDB_API_KEY": self._key, "WANDB_DIR": str(self._folder)},
                    cwd=Path(__file__).resolve().parents[2],
                    start_new_session=True,  # so that W&B's own helper processes can be ended with it
                )
        return self

    def __exit__(self, *_: object) -> None:
        if self._process:
            threading.Thread(target=self._end, args=(self._process,), name="wandb", daemon=True).start()

    @staticmethod
    def _end(process: subprocess.Popen) -> None:
        """Closing its input says that no more events come; a process that hangs is killed with all it started."""
        assert process.stdin, "a pipe"
        process.stdin.close()
        try:
            process.wait(AFTER_END_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def main(folder: Path) -> None:
    """Follow the events of the job in `folder` until its training ends or our parent lets go of us."""
    import wandb

    ending = threading.Event()

    def wait_for_parent() -> None:
        os.read(0, 1)
        ending.set()

    threading.Thread(target=wait_for_parent, daemon=True).start()
    options = json.loads((folder / "wandb.json").read_text())
    run = wandb.init(
        dir=folder, resume="allow", settings=wandb.Settings(init_timeout=INIT_SECONDS, silent=True), **options
    )
    position, over = 0, False
    while not over:
        over = ending.is_set()  # one more look after the end
        events, position = read_events(folder / "events.jsonl", position)
        for event in events:
            if event["event"] in ("step", "evaluated"):
                run.log(values(event), step=event["step"])
            over = over or event["event"] in ENDED
        if not over:
            time.sleep(POLL_SECONDS)
    run.finish()


def values(event: dict) -> dict:
    """What W&B shows of an event."""
    if event["event"] == "step":
        return {"train_loss": event["loss"], **{key: event[key] for key in ("learning_rate", "tokens_per_s", "epoch")}}
    return {"val_loss": event["loss"], "val_accuracy": event["accuracy"], "val_exact_match": event["exact"]}


def _integration(job: dict) -> dict:
    """Project, entity, notes and tags, as the request's `integrations` ask for them."""
    for integration in job.get("integrations") or ():
        if integration.get("type") == "wandb":
            asked = integration.get("wandb") or {}
            return {"project": "local-nemo-customizer"} | {key: value for key, value in asked.items() if value}
    return {"project": "local-nemo-customizer"}


if __name__ == "__main__":
    main(Path(sys.argv[1]))
