"""The diagrams come from the sources beside them, and the result picture from any results file."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageStat

ROOT = Path(__file__).resolve().parents[2]
SCORES = {"function_name_accuracy": 0.5, "function_name_and_args_accuracy": 0.25}
INTERVALS = {name: [value - 0.1, value + 0.1] for name, value in SCORES.items()}


def draw(source: str, *arguments: Path) -> None:
    subprocess.run([sys.executable, ROOT / "img" / f"{source}.py", *arguments], check=True, capture_output=True)


def grey(path: Path) -> Image.Image:
    with Image.open(path) as picture:
        return picture.convert("L")


@pytest.mark.parametrize(("source", "name"), [("draw_tool_use", "tool-use"), ("draw_end_to_end", "end-to-end-diagram")])
def test_a_committed_diagram_is_what_its_source_draws(tmp_path: Path, source: str, name: str) -> None:
    draw(source, tmp_path)
    drawn, committed = grey(tmp_path / f"{name}.png"), grey(ROOT / "img" / f"{name}.png")
    assert drawn.size == committed.size
    assert ImageStat.Stat(ImageChops.difference(drawn, committed)).mean[0] < 0.5  # anti-aliasing may differ


def test_diagrams_are_opaque_and_twice_as_wide_as_they_are_shown() -> None:
    for name in ("tool-use", "end-to-end-diagram"):
        with Image.open(ROOT / "img" / f"{name}.png") as picture:
            assert picture.width >= 1800  # GitHub shows a page about 900 pixels wide
            assert picture.convert("RGBA").getextrema()[3] == (255, 255)


def test_the_result_picture_is_drawn_from_scores_and_intervals_alone(tmp_path: Path) -> None:
    model = SCORES | {"ci95": INTERVALS}
    metrics = tmp_path / "metrics.json"
    metrics.write_text(json.dumps({"evaluation": {"n": 20, "base": model, "customized": model}}))
    draw("draw_results", metrics, tmp_path)
    with Image.open(tmp_path / "results.png") as picture:
        assert picture.width >= 1400
