"""The worked example of docs/your-own-tools.md: its file is what its script writes, and every row of it is usable."""

import importlib.util
import json
from pathlib import Path

import pytest

from helpers import data

ROOT = Path(__file__).resolve().parents[2]
ROWS = ROOT / "examples" / "my_tools.jsonl"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("my_tools", ROOT / "examples" / "my_tools.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_committed_rows_are_what_the_script_writes(script, tmp_path: Path) -> None:
    assert script.write(tmp_path / "rows.jsonl") == 50
    assert (tmp_path / "rows.jsonl").read_text() == ROWS.read_text()


def test_every_row_is_kept_as_it_is() -> None:
    prepared = data.prepare(data.load_rows(str(ROWS)), seed=1234)
    assert prepared.report.outcomes == {"kept": 50}
    assert prepared.report.facts["near_duplicates"] == 0
    assert {row.name for row in prepared.splits["training"]} == {"book_repair", "find_part", "order_status"}


def test_no_value_is_made_up(script) -> None:
    """Each argument is stated in its question; only `express` is put in other words."""
    for query, _, arguments in script.calls():
        for name, value in arguments.items():
            assert name == "express" or str(value).removesuffix(".0").lower() in query.lower(), (query, name)


def test_the_rows_that_the_guide_shows_are_usable() -> None:
    guide = (ROOT / "docs" / "your-own-tools.md").read_text()
    blocks = [json.loads(block.split("```")[0]) for block in guide.split("```json\n")[1:]]
    chat = next(block for block in blocks if "messages" in block)
    assert data.convert(chat).name == "order_status"
    xlam = next(block for block in blocks if "query" in block)
    rows = [json.loads(line) for line in ROWS.read_text().splitlines()]
    assert any(row["query"] == xlam["query"] and row["answers"] == xlam["answers"] for row in rows)
