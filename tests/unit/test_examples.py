"""The example of docs/your-own-tools.md: its files are what its script writes, and rows and commands are usable."""

import importlib.util
import json
import re
import shlex
from pathlib import Path

import pytest

import config
from helpers import data, evaluate

ROOT = Path(__file__).resolve().parents[2]
ROWS = ROOT / "examples" / "my_tools.jsonl"
UNSEEN = ROOT / "examples" / "my_tools_unseen.jsonl"
GUIDE = ROOT / "docs" / "your-own-tools.md"


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("my_tools", ROOT / "examples" / "my_tools.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_committed_rows_are_what_the_script_writes(script, tmp_path: Path) -> None:
    assert script.write(tmp_path) == {ROWS.name: 50, UNSEEN.name: 30}
    for path in (ROWS, UNSEEN):
        assert (tmp_path / path.name).read_text() == path.read_text()


def test_every_row_is_kept_as_it_is() -> None:
    prepared = data.prepare(data.load_rows(str(ROWS)), seed=1234)
    assert prepared.report.outcomes == {"kept": 50}
    assert prepared.report.facts["near_duplicates"] == 0
    assert {row.name for row in prepared.splits["training"]} == {"book_repair", "find_part", "order_status"}


def test_the_rows_to_measure_with_are_usable_and_none_is_trained_on(script) -> None:
    assert evaluate.read(UNSEEN).report.outcomes == {"kept": 30}
    trained, unseen = ({query for query, _, _ in script.FILES[path.name]} for path in (ROWS, UNSEEN))
    assert not trained & unseen


def test_the_commands_of_the_guide_name_settings_and_files_that_exist() -> None:
    blocks = re.findall(r"^```bash\n(.*?)^```", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    given = dict(word.split("=", 1) for block in blocks for word in shlex.split(block) if "=" in word)
    assert ROOT / given.pop("DATASET") == ROWS
    assert ROOT / given.pop("DATA") == UNSEEN
    assert given.pop("STATE") == evaluate.RUN_STATE
    for name, value in given.items():
        assert type(getattr(config, name))(value) != getattr(config, name), f"{name}={value} changes something"


def test_no_value_is_made_up(script) -> None:
    """Each argument is stated in its question; only `express` is put in other words."""
    for query, _, arguments in sum(script.FILES.values(), []):
        for name, value in arguments.items():
            assert name == "express" or str(value).removesuffix(".0").lower() in query.lower(), (query, name)


def test_the_rows_that_the_guide_shows_are_usable() -> None:
    guide = GUIDE.read_text()
    blocks = [json.loads(block.split("```")[0]) for block in guide.split("```json\n")[1:]]
    chat = next(block for block in blocks if "messages" in block)
    assert data.convert(chat).name == "order_status"
    xlam = next(block for block in blocks if "query" in block)
    rows = [json.loads(line) for line in ROWS.read_text().splitlines()]
    assert any(row["query"] == xlam["query"] and row["answers"] == xlam["answers"] for row in rows)
