"""The training process: `python -m local_nemo.jobs.train_worker <job folder>`.

Reads `request.json` from the job's folder, trains, and reports by appending to `events.jsonl` (one JSON object a line);
what libraries print goes to `log.txt` through its parent. Started again on the same folder it goes on from the last
checkpoint. Ends when its parent ends (standard input closes), and on SIGTERM after writing a checkpoint. Exit codes:
0 done, 1 failed (the `failed` event says why), 3 interrupted and to be started again.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
import threading
import time
import traceback
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

INTERRUPTED = 3
NICENESS = 5  # requests to the server come first
VALIDATION_ROWS = 64  # a validation of more rows would take longer than the steps between two of them


class Events:
    """Appends events to a file, each one complete before the next."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("ab")
        self._file.write(b"\n")  # ends a line that a killed predecessor may have left unfinished

    def write(self, event: str, **fields: object) -> None:
        stamp = datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
        self._file.write(json.dumps({"event": event, "at": stamp, **fields}).encode() + b"\n")
        self._file.flush()


def main(folder: Path) -> int:
    with (folder / "worker.lock").open("w") as lock:
        if not _locked(lock):
            print("another training process still works in this folder", flush=True)
            return INTERRUPTED
        os.nice(NICENESS)
        stopping = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: stopping.set())
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the server, which then stops us
        threading.Thread(target=_end_with_parent, daemon=True).start()
        events = Events(folder / "events.jsonl")
        try:
            return _train(folder, events, stopping)
        except Exception as error:  # the reason must reach the job, whatever it is
            traceback.print_exc()
            events.write("failed", **describe_error(error))
            return 1


def _train(folder: Path, events: Events, stopping: threading.Event) -> int:
    from local_nemo.lm.rows import read_rows, sample_rows, split_rows

    request = json.loads((folder / "request.json").read_text())
    given = {name: [(shown, Path(path)) for shown, path in files] for name, files in request["files"].items()}
    rows = read_rows(
        given["training"], request["tools"]
    )  # before anything heavy is loaded: a bad line fails in seconds
    validation = read_rows(given["validation"], request["tools"]) if given["validation"] else []

    import torch

    from local_nemo.lm.base import load_model, open_base
    from local_nemo.lm.hyperparameters import Hyperparameters
    from local_nemo.lm.tokenizer import load_tokenizer
    from local_nemo.lm.trainer import Interrupted, train

    torch.set_num_threads(request["threads"])
    hyperparameters = Hyperparameters.from_request(request["hyperparameters"], request["max_seq_length"])
    if not validation:
        rows, validation = split_rows(rows, seed=hyperparameters.seed)
    given_validation, validation = len(validation), sample_rows(validation, VALIDATION_ROWS, seed=hyperparameters.seed)
    base = open_base(request["base"]["reference"], request["base"]["name"], Path(request["base"]["cache"]))
    per_epoch, total = hyperparameters.steps_per_epoch(len(rows)), hyperparameters.total_steps(len(rows))
    events.write(
        "started", rows=len(rows), validation_rows=len(validation), steps_per_epoch=per_epoch, total_steps=total
    )
    resuming = (folder / "checkpoint").exists()
    if len(validation) < given_validation and not resuming:  # said before the interruption
        events.write("note", message=f"validates on {len(validation)} of {given_validation} rows, a seeded sample")
    try:
        result = train(
            load_model(base),
            load_tokenizer(base),
            rows,
            validation,
            hyperparameters,
            checkpoint_dir=folder / "checkpoint",
            out_dir=folder / "adapter",
            base_name=base.name,
            on_resume=lambda step: events.write("resumed", step=step, message=f"resumed after step {step}"),
            on_step=lambda report: events.write("step", **asdict(report)),
            on_eval=lambda report: events.write("evaluated", **asdict(report)),
            should_stop=stopping.is_set,
        )
    except Interrupted:
        return INTERRUPTED
    events.write("done", **asdict(result))
    return 0


def describe_error(error: Exception) -> dict:
    """An error as container-logs show it."""
    frames = traceback.extract_tb(error.__traceback__)
    message = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, MemoryError) or "DefaultCPUAllocator" in message:
        message = f"Not enough memory: {message}. A smaller batch_size or shorter rows need less"
    return {
        "message": message,
        "exception_type": type(error).__name__,
        "file": Path(frames[-1].filename).name if frames else None,
        "line": frames[-1].lineno if frames else None,
        "stack_trace": "".join(traceback.format_exception(error)),
    }


def _locked(lock, seconds: float = 15.0) -> bool:
    """Take the folder for this process; a killed predecessor may need a moment to vanish."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.1)


def _end_with_parent() -> None:
    """The server holds the other end of our standard input; when it dies, even by kill -9, the pipe closes."""
    while os.read(0, 1024):
        pass
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
