"""JupyterLab as `make lab` starts it, in a reader's folder, with the configuration of a first start.

The command is the Makefile's own. What the test adds: no window, a free port, folders of its own for Jupyter's
settings, and leave to run as root, which CI does and readers should not.
"""

import json
import os
import re
import shlex
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import ROOT
from tests.reader import Reader


@contextmanager
def jupyter_lab(reader: Reader, jupyter: Path, *, profile: str) -> Iterator[str]:
    """Yields the address with `{}` for a notebook, token included; `jupyter` is an empty folder for its settings."""
    folders = {f"JUPYTER_{kind}_DIR": str(jupyter / kind.lower()) for kind in ("CONFIG", "DATA", "RUNTIME")}
    output = jupyter / "output.txt"
    with output.open("wb") as file:
        process = subprocess.Popen(
            [*_command(), "--no-browser", f"--port={_free_port()}", "--expose-app-in-browser", *_as_root()],
            cwd=reader.folder,
            env=reader.environment(profile=profile) | folders,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        server = _wait_for_server(process, Path(folders["JUPYTER_RUNTIME_DIR"]), output)
        assert server["token"], "JupyterLab asks for a token"
        assert server["hostname"] == "127.0.0.1", "and listens on loopback only"
        yield f"{server['url']}lab/tree/{{}}?token={server['token']}"
    finally:
        process.terminate()  # ends the kernels, too
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _command() -> list[str]:
    """What `make lab` runs, with this test's Python, without the notebook that it opens."""
    [line] = re.findall(r"^\t\.venv/bin/jupyter (lab .*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return [sys.executable, "-m", "jupyter", *(word for word in shlex.split(line) if not word.endswith(".ipynb"))]


def _as_root() -> list[str]:
    return ["--allow-root"] if os.geteuid() == 0 else []


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _wait_for_server(process: subprocess.Popen, runtime: Path, output: Path, seconds: float = 180) -> dict:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.poll() is None:
        for file in runtime.glob("jpserver-*.json"):
            if text := file.read_text():
                return json.loads(text)
        time.sleep(0.2)
    raise RuntimeError(f"JupyterLab does not run after {seconds} s: {output.read_text(errors='replace')[-3000:]}")
