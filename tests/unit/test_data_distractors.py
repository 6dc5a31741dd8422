"""Fewer tools in training rows: the right one always stays, the order and the test rows too."""

import pytest

from helpers import data
from helpers.data.convert import ConvertedRow
from helpers.data.distractors import fewer_tools


def row(names: list[str], called: str, id: str = "r1") -> ConvertedRow:
    tools = [{"type": "function", "function": {"name": name, "parameters": {"type": "object"}}} for name in names]
    return ConvertedRow(id, [{"role": "user", "content": "?"}], tools, called, {})


@pytest.mark.parametrize("most", [1, 2, 3, 5])
@pytest.mark.parametrize("called", list("abcde"))
def test_the_called_tool_stays_and_the_others_keep_their_order(most: int, called: str) -> None:
    names = fewer_tools(row(list("abcde"), called), most=most, seed=1).tool_names
    assert len(names) == most and called in names and names == sorted(names)


def test_zero_keeps_every_tool_and_few_tools_are_left_alone() -> None:
    many = row(list("abcde"), "c")
    assert fewer_tools(many, most=0, seed=1) is many
    assert fewer_tools(many, most=5, seed=1) is many


def test_the_choice_depends_on_seed_and_row_and_on_nothing_else() -> None:
    many = row([f"t{n}" for n in range(30)], "t3")
    first = fewer_tools(many, most=4, seed=1).tool_names
    assert first == fewer_tools(many, most=4, seed=1).tool_names
    assert first != fewer_tools(many, most=4, seed=2).tool_names
    assert first != fewer_tools(row(many.tool_names, "t3", id="r2"), most=4, seed=1).tool_names


def test_preparing_with_fewer_tools_leaves_every_test_row_as_it_was() -> None:
    full = data.prepare(data.load_rows("bfcl"), seed=1234, num_examples=100)
    short = data.prepare(data.load_rows("bfcl"), seed=1234, num_examples=100, training_tools=2)
    assert short.splits["test"] == full.splits["test"]
    assert max(len(row.tools) for row in short.splits["training"] + short.splits["validation"]) == 2
    assert [row.id for row in short.splits["training"]] == [row.id for row in full.splits["training"]]
