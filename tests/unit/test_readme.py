"""The recorded sections of README and docs are written from the results file, and only between their markers."""

import json
from pathlib import Path

import pytest

import config
from helpers import readme

SCORES = {
    "function_name_accuracy": 0.925,
    "function_name_and_args_accuracy": 0.5,
    "ci95": {"function_name_accuracy": [0.88, 0.95], "function_name_and_args_accuracy": [0.44, 0.56]},
}
FACTS = {
    "commit": "0123abc",
    "machine": {"cpu": "A processor", "cores": 2},
    "profile": "laptop",
    "seed": 1234,
    "dataset": {"name": "bfcl", "train": 1000},
    "wall_s": {"total": 840.0},
    "training": {"wall_s": 600.0, "steps": 250, "tokens_per_s": 700.4, "peak_rss_mb": 2048},
    "evaluation": {"n": 250, "base": {name: 0.0 for name in SCORES if name != "ci95"} | {"ci95": SCORES["ci95"]},
                   "customized": SCORES},
    "guardrails": {"unsafe_total": 100, "unsafe_blocked": 93, "safe_total": 150, "safe_blocked": 2, "unreadable": 0},
}  # fmt: skip


@pytest.fixture
def metrics(tmp_path: Path) -> Path:
    path = tmp_path / "metrics.json"
    path.write_text(json.dumps(FACTS))
    return path


def test_the_table_holds_every_recorded_score_with_its_interval(metrics: Path) -> None:
    table = readme.result_table(metrics)
    assert "| 250 unseen rows | base model | tuned model |" in table
    assert "| right function | 0 % (88–95) | 92 % (88–95) |" in table
    assert "accepted" not in table, "a score that was not recorded has no row"


def test_circumstances_name_machine_profile_seed_and_commit(metrics: Path) -> None:
    table = readme.result_table(metrics)
    for fact in ("14 min on 2 CPU cores (A processor)", "`laptop`", "seed 1234", "commit 0123abc", "93 of 100 unsafe"):
        assert fact in table


def test_costs_grow_in_proportion_to_rows_and_passes(metrics: Path) -> None:
    lines = readme.cost_section(metrics).splitlines()
    assert "| 10 minutes |" in lines[2]
    seconds = 7000 * 600 / (250 * config.PROFILES["laptop"]["BATCH_SIZE"])
    assert f"| {seconds / 60:.0f} minutes |" in lines[3]


def test_each_recorded_profile_has_a_line(metrics: Path) -> None:
    longer = FACTS | {"profile": "long", "training": FACTS["training"] | {"wall_s": 3600.0, "steps": 500}}
    (metrics.parent / "metrics-long.json").write_text(json.dumps(longer))
    laptop, long = readme.longer_section(metrics.parent).splitlines()[2:]
    assert laptop.startswith("| `laptop` | 250 steps, 10 min | 250 | 92 % (88–95) |")
    assert long.startswith("| `long` | 500 steps, 60 min |")


def test_before_the_first_record_the_sections_say_how_to_get_one(tmp_path: Path) -> None:
    assert "make record" in readme.results_section(tmp_path / "none.json")
    assert "make record" in readme.cost_section(tmp_path / "none.json")
    assert "make record" in readme.longer_section(tmp_path)


def test_the_profile_table_has_a_line_for_each_setting_of_a_profile() -> None:
    lines = readme.profiles_section().splitlines()[2:]
    assert [line.split("`")[1] for line in lines] == list(config.PROFILES["laptop"])
    assert f"| {config.PROFILES['cluster']['LEARNING_RATE']} |" in next(
        line for line in lines if "LEARNING_RATE" in line
    )


def test_only_what_is_between_the_markers_is_replaced(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- results:begin -->\nold\n<!-- results:end -->\nafter\n")
    readme.replace_section(page, "results", "new\nlines")
    assert page.read_text() == "before\n<!-- results:begin -->\nnew\nlines\n<!-- results:end -->\nafter\n"
    assert readme.section_of(page, "results") == "new\nlines"


@pytest.mark.parametrize("text", ["", "<!-- results:begin -->", "<!-- results:end --><!-- results:begin -->"])
def test_a_page_without_its_markers_is_left_alone(tmp_path: Path, text: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    with pytest.raises(ValueError, match="page.md must hold <!-- results:begin -->"):
        readme.replace_section(page, "results", "new")
    assert page.read_text() == text
