"""The notebooks are the product: run them 1 to 4 against a real local_nemo, then again on what the first pass left.

Pass 1 compares every output with the committed one, except in cells tagged `nbval-ignore-output`; what those cells
made is checked by the figures they saved. Pass 2 runs the same state at PROFILE=ci and only asks that no cell fails;
notebooks 1 and 4 run in JupyterLab then, driven by a real browser where there is one.
"""

import json
from pathlib import Path

import nbformat
import pytest

from tests import browser
from tests.conftest import ROOT
from tests.lab import jupyter_lab
from tests.reader import NOTEBOOKS, Reader

RECORDED = json.loads((ROOT / "results" / "metrics.json").read_text())
SCREENSHOTS = ROOT / "results" / "run" / "screenshots"

# Why a cell may ignore its output; every tagged cell must state one of these in its metadata.
REASONS = {"trains", "generates", "times", "ids"}

# What the last output of a notebook says, as a reader sees it in the browser.
LAST_OUTPUT = {"1_data_preparation.ipynb": '"tool_calls"', "4_adding_safety_guardrails.ipynb": "'unreadable': 0"}


@pytest.mark.slow
@pytest.mark.parametrize("notebook", NOTEBOOKS)
def test_pass_1_reproduces_the_recorded_outputs(reader: Reader, notebook: str) -> None:
    sanitize = ROOT / "tests" / "notebooks" / "sanitize.cfg"
    reader.nbval(notebook, "--nbval", f"--nbval-sanitize-with={sanitize}", profile=RECORDED["profile"])


@pytest.mark.slow
def test_pass_1_saved_the_figures_that_its_ignored_cells_made(reader: Reader) -> None:
    metrics = json.loads((reader.folder / "results" / "run" / "metrics.json").read_text())
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
def test_pass_2_runs_again_on_the_same_state(reader: Reader, notebook: str, tmp_path: Path) -> None:
    if notebook in LAST_OUTPUT and not browser.missing():
        run_in_browser(reader, notebook, tmp_path)
    else:
        reader.nbval(notebook, "--nbval-lax", profile="ci")
        if notebook in LAST_OUTPUT:
            pytest.skip(f"{notebook} ran well, but under nbval and not in a browser: {browser.missing()}")


def run_in_browser(reader: Reader, notebook: str, jupyter: Path) -> None:
    """Open the notebook in JupyterLab, Run All, and see its last output; keeps screenshots, of failures too."""
    with jupyter_lab(reader, jupyter, profile="ci") as address, browser.chromium() as driver:
        lab = browser.Lab(driver, address.format(notebook))
        try:
            assert lab.run_all(seconds=600) == []
            assert LAST_OUTPUT[notebook] in lab.last_output()
        finally:
            lab.screenshots(SCREENSHOTS, Path(notebook).stem)


def test_only_cells_with_a_stated_reason_ignore_their_output() -> None:
    for name in NOTEBOOKS:
        for number, cell in enumerate(nbformat.read(ROOT / name, as_version=4).cells):
            if "nbval-ignore-output" in cell.metadata.get("tags", []):
                assert name[0] != "1", f"{name} is compared in full, but cell {number} ignores its output"
                assert cell.metadata.get("varies") in REASONS, f"{name} cell {number} must say why: one of {REASONS}"
