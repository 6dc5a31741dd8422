"""The files that notebook 1 writes, the report, and what a reader sees of rows."""

import json
from pathlib import Path

import pytest

from helpers import data
from helpers.data import files, jsonl

FIXTURE = Path(__file__).resolve().parents[1] / "fixtures" / "xlam_rows.jsonl"


@pytest.fixture
def prepared() -> data.Prepared:
    return data.prepare(data.load_rows(str(FIXTURE)), seed=1234)


def test_training_rows_are_what_customizer_takes(prepared: data.Prepared, tmp_path: Path) -> None:
    data.write(prepared, tmp_path)
    for name in (files.TRAINING, files.VALIDATION):
        for row in jsonl.read(tmp_path / name):
            assert row.keys() == {"id", "messages", "tools"}, "only the reader adds an id"
            assert [message["role"] for message in row["messages"]] == ["user", "assistant"]
            answer = row["messages"][-1]
            assert answer["content"] == ""
            (call,) = answer["tool_calls"]
            assert isinstance(call["function"]["arguments"], dict)
            assert call["function"]["name"] in [tool["function"]["name"] for tool in row["tools"]]


def test_test_rows_are_what_evaluator_takes(prepared: data.Prepared, tmp_path: Path) -> None:
    counts = data.write(prepared, tmp_path)
    rows = list(jsonl.read(tmp_path / files.TEST))
    assert len(rows) == counts[files.TEST] == len(prepared.splits["test"])
    for row in rows:
        assert row["messages"][-1]["role"] == "user"
        assert isinstance(row["tool_calls"][0]["function"]["arguments"], dict)
    with_accepted = [row for part in prepared.splits.values() for row in part if row.accepted]
    assert [row.evaluation_row()["accepted"]["unit"] for row in with_accepted] == [["C", "Celsius", ""]]


def test_written_rows_can_be_prepared_again(prepared: data.Prepared, tmp_path: Path) -> None:
    data.write(prepared, tmp_path)
    report = data.Report()
    rows = list(data.convert_rows(data.load_rows(str(tmp_path / files.TEST)), report=report, limit_properties=8))
    assert [row.evaluation_row() for row in rows] == [row.evaluation_row() for row in prepared.splits["test"]]
    assert report.outcomes == {"kept": len(rows)}


def test_writing_twice_gives_the_same_bytes(prepared: data.Prepared, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        data.write(prepared, tmp_path / folder)
    for name in (files.TRAINING, files.VALIDATION, files.TEST, files.UNSEEN, files.REPORT):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    assert not list(tmp_path.rglob("*.partial"))


def test_the_report_accounts_for_every_row_with_one_example_a_reason(prepared: data.Prepared, tmp_path: Path) -> None:
    data.write(prepared, tmp_path)
    report = json.loads((tmp_path / files.REPORT).read_text(encoding="utf-8"))
    assert report["rows"] == sum(report["outcomes"].values()) == len(list(jsonl.read(FIXTURE)))
    assert sum(reason["rows"] for reason in report["dropped"].values()) == report["outcomes"]["dropped"]
    assert report["dropped"]["more than one tool call"]["example"]["id"] == "two-calls"
    assert report["dropped"]["same question and tool as an earlier row"]["example"]["id"] == "duplicate"
    assert report["dropped"]["asks the tutorial's own example question"]["example"]["id"] == "berlin"
    assert report["repaired"]["tool name made legal"]["rows"] >= 5
    assert sum(report["splits"].values()) == report["sample"]
    assert (report["seed"], report["limit_tool_properties"], report["strategy"]) == (1234, 8, "random")


def test_the_table_and_the_plot_show_every_reason(prepared: data.Prepared) -> None:
    table = prepared.report.table()
    assert set(table["reason"]) == {"as it was", *prepared.report.repairs, *prepared.report.drops}
    assert table.loc[table["outcome"] == "dropped", "rows"].sum() == prepared.report.outcomes["dropped"]
    (axes,) = prepared.report.plot().axes
    assert [bar.get_width() for bar in axes.patches] == list(table["rows"][::-1])
    assert str(prepared.report.rows) in axes.figure.get_suptitle()


def test_large_tools_are_kept_where_no_limit_is_set() -> None:
    report = data.Report()
    rows = data.convert_rows(data.load_rows(str(FIXTURE)), report=report, limit_properties=None)
    assert "nine-parameters" in [row.id for row in rows]
    assert "a tool with too many parameters" not in report.drops


def test_a_set_that_is_only_evaluated_keeps_duplicates_and_the_example() -> None:
    rows = data.convert_rows(data.load_rows(str(FIXTURE)), report=data.Report(), training=False)
    assert {"duplicate", "berlin"} < {row.id for row in rows}


def test_a_row_is_shown_before_and_after(prepared: data.Prepared) -> None:
    raw, row = data.example(data.load_rows(str(FIXTURE)))
    assert row.repairs
    shown = data.before_and_after(raw, row)
    assert '"query"' in repr(shown) and '"messages"' in repr(shown)
    assert "&quot;query&quot;" in shown._repr_html_()
    html = data.before_and_after({"query": "<script>alert(1)</script>"}, row)._repr_html_()
    assert "<script>" not in html


def test_the_example_is_a_row_that_converts_or_an_error_that_says_why() -> None:
    two_calls = {"query": "q", "answers": [{"name": "f"}] * 2, "tools": [{"name": "f"}]}
    one_call = two_calls | {"id": "good", "answers": [{"name": "f"}]}
    assert data.example([two_calls, one_call])[0]["id"] == "good"
    with pytest.raises(data.EmptyDataset, match="more than one tool call"):
        data.example([two_calls])


def test_shown_json_is_still_json(prepared: data.Prepared, tmp_path: Path) -> None:
    data.write(prepared, tmp_path)
    shown = data.shortest_row(tmp_path / files.TRAINING)
    rows = [row.training_row() for row in prepared.splits["training"]]
    assert json.loads(shown) == min(rows, key=lambda row: len(json.dumps(row, ensure_ascii=False)))
    assert max(map(len, shown.splitlines())) < 200


def test_the_counts_are_those_of_metrics_json(prepared: data.Prepared) -> None:
    counts = prepared.counts
    assert counts.keys() == {"rows", "train", "validation", "test"}
    assert counts["rows"] == counts["train"] + counts["validation"] + counts["test"]
    assert prepared.table().loc["test", "rows"] == counts["test"]
