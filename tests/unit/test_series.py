"""`make run` owns its results folder for as long as it runs; `make record` keeps what the profile is shown by."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.errors import AlreadyRunning
from helpers.series import NOTEBOOKS, alone, recorded

ROOT = Path(__file__).resolve().parents[2]


def test_a_second_run_is_refused_and_touches_nothing(tmp_path: Path) -> None:
    results = tmp_path / "run"
    results.mkdir()
    (results / "metrics.json").write_text("{}")
    with alone(tmp_path / "run.lock"):
        second = subprocess.run(
            [sys.executable, "-m", "helpers.series", "run"], cwd=ROOT, capture_output=True, text=True, timeout=60,
            env=os.environ | {"RESULTS_DIR": str(results)},
        )  # fmt: skip
    assert second.returncode == 1
    assert f"process {os.getpid()}" in second.stderr
    assert "#alreadyrunning" in second.stderr
    assert "Traceback" not in second.stderr
    assert (results / "metrics.json").read_text() == "{}"


def test_the_lock_is_free_again_after_a_run_however_it_ended(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), alone(tmp_path / "run.lock"):
        1 / 0  # noqa: B018
    with alone(tmp_path / "run.lock"), pytest.raises(AlreadyRunning), alone(tmp_path / "run.lock"):
        pass


def test_another_profile_than_the_notebooks_show_leaves_them_and_their_figures_alone() -> None:
    assert set(recorded("laptop")) == {*NOTEBOOKS, "metrics.json"}
    assert recorded("laptop")["metrics.json"] == "results/metrics.json"
    assert recorded("long") == {"metrics.json": "results/metrics-long.json"}
