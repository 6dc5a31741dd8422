"""A reader of the tutorial: a folder with the notebooks and what they import, and a local_nemo of its own.

Contract: settings are the reader's defaults, except for PROFILE and the three URLs. Every run is bounded in time.
"""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT, RunningServer

NOTEBOOKS = sorted(path.name for path in ROOT.glob("[1-4]_*.ipynb"))
OWN = ("RESULTS_DIR", "DATA_DIR", "LOCAL_STATE")  # settings that the tests have set for themselves


@dataclass(frozen=True)
class Reader:
    folder: Path
    server: RunningServer

    def prepare(self) -> None:
        """Give the reader what a checkout would."""
        for name in [*NOTEBOOKS, "config.py"]:
            shutil.copy(ROOT / name, self.folder)
        for name in ("helpers", "img", "examples"):
            shutil.copytree(ROOT / name, self.folder / name, ignore=shutil.ignore_patterns("__pycache__"))

    def environment(self, *, profile: str) -> dict[str, str]:
        """Environment variables of whatever runs the reader's notebooks."""
        urls = {"NEMO_URL": self.server.url, "NDS_URL": self.server.url, "NIM_URL": self.server.nim_url}
        return {name: value for name, value in os.environ.items() if name not in OWN} | urls | {"PROFILE": profile}

    def nbval(self, notebook: str, *options: str, profile: str) -> None:
        """Run one notebook under nbval, as CI users do; fails with nbval's own report."""
        command = [sys.executable, "-m", "pytest", *options, notebook, "-q", "-p", "no:cacheprovider"]
        command += ["--nbval-current-env", "--nbval-cell-timeout=5400"]
        environment = self.environment(profile=profile)
        result = subprocess.run(command, cwd=self.folder, env=environment, capture_output=True, text=True)
        assert result.returncode == 0, f"{notebook}:\n{result.stdout[-6000:]}\n{result.stderr[-2000:]}"
