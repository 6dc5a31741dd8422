"""Rows that are added to training alone: checked as any row, apart from what measures, and the tutorial's own ones."""

import importlib.util
import re
import string
from pathlib import Path

import pytest

import config
from helpers import data, weather
from helpers.data.duplicates import groups

ROOT = Path(__file__).resolve().parents[2]
DAYS = ROOT / "examples" / "days.jsonl"


def raw(query: str, name: str = "pay", identity: str = "added") -> dict:
    tool = {"name": name, "description": "d", "parameters": {"amount": {"type": "int"}}}
    return {"id": identity, "query": query, "answers": [{"name": name, "arguments": {"amount": 1}}], "tools": [tool]}


@pytest.fixture
def prepared() -> data.Prepared:
    words = [f"{letter}tree" for letter in string.ascii_lowercase[:16]]
    return data.prepare([raw(f"{one} {two} {one}{two}") for one in words for two in words], seed=1)


def test_added_rows_join_training_and_leave_the_other_splits_alone(prepared: data.Prepared) -> None:
    more = data.with_added(prepared, [raw("what nobody has asked before"), raw("another thing altogether")])
    assert more.counts["train"] == prepared.counts["train"] + 2
    assert [row.id for row in more.splits["training"][-2:]] == ["added", "added"]
    for name in ("validation", "test"):
        assert more.splits[name] is prepared.splits[name]
    assert more.report.facts["added_to_training"]["outcomes"] == {"kept": 2, "repaired": 0, "dropped": 0}
    assert more.report.facts["splits"]["training"] == more.counts["train"]
    assert "added_to_training" not in prepared.report.facts


@pytest.mark.parametrize("split", ["validation", "test"])
def test_an_added_row_that_resembles_a_measuring_one_is_dropped(prepared: data.Prepared, split: str) -> None:
    close = prepared.splits[split][0].query + " 7"
    more = data.with_added(prepared, [raw(close, "other.tool"), raw("what nobody has asked before")])
    assert more.counts["train"] == prepared.counts["train"] + 1
    told = more.report.facts["added_to_training"]
    assert told["outcomes"] == {"kept": 1, "repaired": 0, "dropped": 1}
    assert told["repaired"] == {}
    [(reason, dropped)] = told["dropped"].items()
    assert reason == "nearly the question of a validation or test row"
    assert dropped["example"]["question"] == close


def test_added_rows_pass_the_checks_of_any_row(prepared: data.Prepared) -> None:
    wrong = raw("what nobody has asked before") | {"answers": [{"name": "unknown", "arguments": {}}]}
    more = data.with_added(prepared, [wrong, raw(weather.QUESTION.text)])
    assert more.counts == prepared.counts
    assert more.report.facts["added_to_training"]["outcomes"]["dropped"] == 2


def test_the_tutorial_s_own_rows_are_what_their_script_writes(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("days", ROOT / "examples" / "days.py")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.write(tmp_path / "days.jsonl") == 72
    assert (tmp_path / "days.jsonl").read_text() == DAYS.read_text()


def test_the_tutorial_s_own_rows_teach_to_copy_a_day_and_nothing_of_the_weather_question() -> None:
    report = data.Report()
    rows = list(data.convert_rows(data.load_rows(str(DAYS)), report=report))
    assert report.outcomes == {"kept": 72}
    asked = (weather.QUESTION, *weather.VARIATIONS)
    for row in rows:
        assert all(value in row.query for value in row.arguments.values()), row.id
        assert not re.search(r"weather|forecast|\brain\b|umbrella|temperature|warm", str(row.tools) + row.query), row.id
        assert row.name not in {question.tool["function"]["name"] for question in asked}
        assert not any(question.city in row.query for question in asked), row.id
        assert not any(
            re.search(f"{question.day:%B} {question.day.day}, {question.day:%Y}", row.query) for question in asked
        )
    assert all(len(group) == 1 for group in groups(rows))


def test_they_are_added_to_the_offline_data_only(monkeypatch: pytest.MonkeyPatch) -> None:
    assert Path(config.ADDED_ROWS) == DAYS.relative_to(ROOT)
    monkeypatch.setenv("DATASET", "rows.jsonl")
    try:
        assert importlib.reload(config).ADDED_ROWS == ""
    finally:
        monkeypatch.undo()
        importlib.reload(config)
