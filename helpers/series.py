"""Execute the four notebooks in order, as `make run` and `make record` do.

`run` works on a fresh state of its own (`.local_nemo/run/`) and leaves the executed notebooks and `metrics.json` in
RESULTS_DIR; a reader's own state is never touched. `record` does the same and then saves the outputs into the
notebooks themselves and the figures to `results/metrics.json`: the only way either of them changes. Of a profile
other than `laptop` it keeps the figures alone, in `results/metrics-<profile>.json`.

    python -m helpers.series run
    python -m helpers.series record
"""

import argparse
import fcntl
import os
import platform as machine_facts
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import nbformat
import psutil
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from tqdm import tqdm
from traitlets.config import Config

import config
from helpers import data, history, readme, state
from helpers.errors import AlreadyRunning, TutorialError
from helpers.platform import Platform, connect, running

NOTEBOOKS = (
    "1_data_preparation.ipynb",
    "2_finetuning_and_inference.ipynb",
    "3_model_evaluation.ipynb",
    "4_adding_safety_guardrails.ipynb",
)
ROOT = Path(__file__).resolve().parent.parent
RUN_STATE = ".local_nemo/run"  # relative to ROOT
ENCRYPTED = Config(KernelManager={"transport_encryption": "auto"})  # else each kernel warns that others could listen


def run(*, save_outputs: bool = False) -> None:
    """Notebooks 1 to 4 on a fresh state; figures into RESULTS_DIR/metrics.json. Raises on the first failing cell, and
    AlreadyRunning or DatasetError before anything is touched.
    """
    results = Path(config.RESULTS_DIR)
    with alone(results.with_suffix(".lock")):
        data.load_rows(config.DATASET, token=config.HF_TOKEN)  # a wrong name costs no earlier results
        _run(results, save_outputs)


def _run(results: Path, save_outputs: bool) -> None:
    earlier = [] if save_outputs else history.lines(folder=results)  # what is recorded shows this run alone
    shutil.rmtree(results, ignore_errors=True)
    results.mkdir(parents=True)
    for line in earlier:
        history.keep(line, folder=results)
    started, walls = time.monotonic(), {}
    with services() as env, PeakMemory() as memory:
        for path in NOTEBOOKS:
            walls[f"notebook_{path[0]}"] = execute(ROOT / path, results / path, env)
    walls["total"] = round(time.monotonic() - started, 1)
    state.record_metrics({**run_facts(), "wall_s": walls, "peak_rss_mb": memory.peak_mb})
    if save_outputs:
        for path, target in recorded(config.PROFILE).items():
            shutil.copyfile(results / path, ROOT / target)
        readme.update()
    print(readme.result_table(results / "metrics.json"))


def recorded(profile: str) -> dict[str, str]:
    """Which files of a run's folder are recorded, and where: outputs of the profile alone that the notebooks show."""
    if profile == "laptop":
        return {name: name for name in NOTEBOOKS} | {"metrics.json": "results/metrics.json"}
    return {"metrics.json": f"results/metrics-{profile}.json"}


@contextmanager
def alone(path: Path) -> Iterator[None]:
    """Hold the lock file `path`, which the system frees when this process ends. Raises AlreadyRunning."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise AlreadyRunning(
                f"Another run of the notebooks (process {lock.read().strip()}) works in this folder.",
                now="it goes on undisturbed; nothing was started.",
                next_step="wait until it ends, or end it with Ctrl-C where it was started.",
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield


def execute(source: Path, target: Path, env: dict[str, str]) -> float:
    """Run one notebook in a kernel with these variables, write it with its outputs, return its wall time in seconds."""
    notebook = nbformat.read(source, as_version=4)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    started = time.monotonic()
    with tqdm(total=len(cells), desc=source.name, unit="cell", mininterval=1) as bar:
        client = NotebookClient(
            notebook,
            timeout=None,
            record_timing=False,
            resources={"metadata": {"path": str(ROOT)}},
            config=ENCRYPTED,
            on_cell_executed=lambda **_: bar.update(),
        )
        try:
            client.execute(env={**os.environ, **env})
        finally:
            nbformat.write(notebook, target)
    return round(time.monotonic() - started, 1)


@contextmanager
def services() -> Iterator[dict[str, str]]:
    """Variables for the kernels: none with configured URLs, else the state of a local_nemo that ends with the run."""
    if config.NEMO_URL:
        yield {}
        return
    with fresh_local_nemo(RUN_STATE):
        yield {"LOCAL_STATE": RUN_STATE}


@contextmanager
def fresh_local_nemo(state: str) -> Iterator[Platform]:
    """A local_nemo on the emptied folder `state` (relative to the project's root), which ends with the block."""
    stop = [sys.executable, "-m", "local_nemo", "stop", "--state", str(ROOT / state)]
    subprocess.run(stop, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    shutil.rmtree(ROOT / state, ignore_errors=True)
    config.LOCAL_STATE = state
    try:
        yield connect(config)
    finally:
        subprocess.run(stop, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)


class PeakMemory:
    """Largest resident memory of this process and all it started, local_nemo and kernels included, in MiB."""

    def __init__(self, every_s: float = 2.0) -> None:
        self.peak_mb, self.every_s, self.done = 0, every_s, threading.Event()
        self.thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> "PeakMemory":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.done.set()
        self.thread.join()

    def _sample(self) -> None:
        while not self.done.wait(self.every_s):
            self.peak_mb = max(self.peak_mb, sum(_resident(process) for process in _family()) // 2**20)


def _family() -> list[psutil.Process]:
    """This process, its descendants, and the local_nemo of this run, which is a process group of its own."""
    me = psutil.Process()
    family = {process.pid: process for process in [me, *me.children(recursive=True)]}
    facts = running(ROOT / RUN_STATE)
    if facts and psutil.pid_exists(facts["pid"]):
        server = psutil.Process(facts["pid"])
        family.update({process.pid: process for process in [server, *server.children(recursive=True)]})
    return list(family.values())


def _resident(process: psutil.Process) -> int:
    try:
        return process.memory_info().rss
    except psutil.NoSuchProcess:
        return 0


def run_facts() -> dict[str, object]:
    """What a reader needs to compare runs: commit, machine, profile, seed."""
    return {
        "commit": _output("git", "rev-parse", "--short", "HEAD"),
        "machine": {
            "cpu": _cpu(),
            "cores": os.cpu_count(),
            "ram_gb": round(psutil.virtual_memory().total / 2**30),
            "python": machine_facts.python_version(),
            "torch": _version("torch"),
        },
        "profile": config.PROFILE,
        "seed": config.SEED,
    }


def _cpu() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else machine_facts.processor() or machine_facts.machine()


def _version(package: str) -> str | None:
    try:
        return version(package).split("+")[0]
    except PackageNotFoundError:
        return None


def _output(*command: str) -> str | None:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m helpers.series", description="Execute the four notebooks in order")
    parser.add_argument("command", choices=["run", "record"])
    try:
        run(save_outputs=parser.parse_args().command == "record")
    except (TutorialError, CellExecutionError) as error:  # both say all there is to say; a traceback would hide it
        sys.exit(str(error))


if __name__ == "__main__":
    main()
