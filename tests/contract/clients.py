"""Official clients in processes of their own: those of this venv, and other major versions in a second one.

`make test` makes the second venv from tests/clients.txt. A test that needs it fails without it, and says what to do.
"""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STAMP = ".venv-clients/.installed"
PYTHONS = {"pinned": Path(sys.executable), "other": ROOT / ".venv-clients" / "bin" / "python"}


def run(python: Path, *arguments: str, folder: Path, seconds: float = 180, **env: str) -> str:
    """Run a client's script, its caches in the folder; returns its last line, fails with its errors."""
    assert python.exists(), f"{python} is missing; make it with: make {STAMP}"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment |= {"HF_HOME": str(folder / "hf"), "HF_HUB_DISABLE_PROGRESS_BARS": "1"} | env
    done = subprocess.run([python, *arguments], capture_output=True, text=True, timeout=seconds, env=environment)
    assert done.returncode == 0, f"{done.stdout[-1000:]}\n{done.stderr[-3000:]}"
    return done.stdout.strip().rpartition("\n")[2]
