"""The notebooks are the product: run them 1 to 4 against a real local_nemo, then again on what the first pass left.

Pass 1 compares every output with the committed one, except in cells tagged `nbval-ignore-output`; what those cells
made is checked by the figures they saved. Pass 2 runs the same state at PROFILE=ci and only asks that no cell fails.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest

from tests.conftest import ROOT, RunningServer, start_server, stop_server, wait_until_ready

NOTEBOOKS = sorted(path.name for path in ROOT.glob("[1-4]_*.ipynb"))
RECORDED = json.loads((ROOT / "results" / "metrics.json").read_text())

# Why a cell may ignore its output; every tagged cell must state one of these in its metadata.
REASONS = {"trains", "generates", "times", "ids"}


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, RunningServer]]:
    """A reader's folder, with the notebooks and what they import, and a server of its own."""
    folder = tmp_path_factory.mktemp("reader")
    for name in [*NOTEBOOKS, "config.py"]:
        shutil.copy(ROOT / name, folder)
    for name in ("helpers", "img"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    server = start_server(tmp_path_factory.mktemp("state"))
    wait_until_ready(server)
    yield folder, server
    stop_server(server)


def nbval(reader: tuple[Path, RunningServer], notebook: str, *options: str, profile: str) -> None:
    """Run one notebook under nbval as CI users do; fails with nbval's own report."""
    folder, server = reader
    own = ("RESULTS_DIR", "DATA_DIR", "LOCAL_STATE")  # the reader uses the defaults
    env = {name: value for name, value in os.environ.items() if name not in own}
    env |= {"PROFILE": profile, "NEMO_URL": server.url, "NDS_URL": server.url, "NIM_URL": server.nim_url}
    command = [sys.executable, "-m", "pytest", *options, notebook, "-q", "-p", "no:cacheprovider"]
    command += ["--nbval-current-env", "--nbval-cell-timeout=5400"]
    result = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    assert result.returncode == 0, f"{notebook}:\n{result.stdout[-6000:]}\n{result.stderr[-2000:]}"


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_pass_1_reproduces_the_recorded_outputs(reader: tuple[Path, RunningServer], notebook: str) -> None:
    sanitize = ROOT / "tests" / "notebooks" / "sanitize.cfg"
    nbval(reader, notebook, "--nbval", f"--nbval-sanitize-with={sanitize}", profile=RECORDED["profile"])


@pytest.mark.slow
def test_pass_1_saved_the_figures_that_its_ignored_cells_made(reader: tuple[Path, RunningServer]) -> None:
    metrics = json.loads((reader[0] / "results" / "run" / "metrics.json").read_text())
    assert metrics["dataset"] == RECORDED["dataset"]
    training, evaluation = metrics["training"], metrics["evaluation"]
    assert training["steps"] == RECORDED["training"]["steps"]
    assert training["val_loss"][-1] == pytest.approx(RECORDED["training"]["val_loss"][-1], rel=0.15)
    assert evaluation["n"] == RECORDED["evaluation"]["n"] >= 150
    for model in ("base", "customized"):
        for score in ("function_name_accuracy", "function_name_and_args_accuracy"):
            low, high = RECORDED["evaluation"][model]["ci95"][score]
            assert low <= evaluation[model][score] <= high, f"{model} {score} left its recorded 95 % interval"
    guard, recorded = metrics["guardrails"], RECORDED["guardrails"]
    assert guard == recorded, "the guardrails figures are deterministic"


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_pass_2_runs_again_on_the_same_state(reader: tuple[Path, RunningServer], notebook: str) -> None:
    nbval(reader, notebook, "--nbval-lax", profile="ci")


def test_only_cells_with_a_stated_reason_ignore_their_output() -> None:
    for name in NOTEBOOKS:
        for number, cell in enumerate(nbformat.read(ROOT / name, as_version=4).cells):
            if "nbval-ignore-output" in cell.metadata.get("tags", []):
                assert name[0] != "1", f"{name} is compared in full, but cell {number} ignores its output"
                assert cell.metadata.get("varies") in REASONS, f"{name} cell {number} must say why: one of {REASONS}"
