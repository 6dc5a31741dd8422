"""Training rows: every bad line is named, an answer is never cut."""

import json
from pathlib import Path

import pytest

from local_nemo.lm.rows import BadRow, EncodedRow, encode_row, read_rows, sample_rows, split_rows
from tests.tiny_model import Tokenizer

GOOD = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}


def written(tmp_path: Path, *lines: str) -> list[tuple[str, Path]]:
    path = tmp_path / "rows.jsonl"
    path.write_bytes("\n".join(lines).encode("utf-8", "surrogateescape"))
    return [("training/rows.jsonl", path)]


def test_rows_of_all_files_are_read_in_order_and_blank_lines_skipped(tmp_path: Path) -> None:
    files = written(tmp_path, json.dumps(GOOD), "", json.dumps({"prompt": "a", "completion": "b"}))
    rows = read_rows(files + files)
    assert [("messages" in row) for row in rows] == [True, False, True, False]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"messages": [', "not JSON"),
        ("[1]", "a row is a JSON object"),
        ("\udcff", "not UTF-8"),
        ("[" * 100_000, "nested too deeply"),
        (json.dumps({"text": "x"}), "either `messages` or `prompt` and `completion`"),
        (json.dumps({"prompt": "a", "completion": ""}), "`completion` is empty"),
        (json.dumps({"messages": []}), "`messages`"),
        (json.dumps({"messages": GOOD["messages"][:1]}), "must be the assistant's answer"),
        (json.dumps({"messages": GOOD["messages"][1:]}), "no message before"),
        (json.dumps({"messages": [GOOD["messages"][0], {"role": "assistant", "content": ""}]}), "neither content nor"),
        (json.dumps({"messages": [{"role": "robot", "content": "x"}, GOOD["messages"][1]]}), "`role` out of"),
        (json.dumps({**GOOD, "tools": "none"}), "`tools` must be a list"),
        (json.dumps({**GOOD, "tools": [{"function": {}}]}), "tools[0] needs"),
        (
            json.dumps({"messages": [GOOD["messages"][0], {"role": "assistant", "tool_calls": [
                {"function": {"name": "f", "arguments": "{oops"}}]}]}),
            "arguments is text that is not JSON",
        ),
    ],
)  # fmt: skip
def test_a_bad_line_is_named_by_file_and_number(tmp_path: Path, line: str, reason: str) -> None:
    with pytest.raises(BadRow) as failure:
        read_rows(written(tmp_path, json.dumps(GOOD), line))
    assert str(failure.value).startswith("training/rows.jsonl, line 2: ")
    assert reason in str(failure.value)


def test_a_file_without_rows_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadRow, match="training/rows.jsonl holds no rows"):
        read_rows(written(tmp_path, "", "  "))


def test_tools_for_all_rows_serve_those_without_their_own(tmp_path: Path) -> None:
    tools = [{"function": {"name": "f"}}]
    own = {**GOOD, "tools": [{"function": {"name": "g"}}]}
    rows = read_rows(written(tmp_path, json.dumps(GOOD), json.dumps(own)), tools)
    assert [row["tools"][0]["function"]["name"] for row in rows] == ["f", "g"]


def test_only_the_last_answer_and_its_end_are_learnt() -> None:
    row = encode_row(Tokenizer(), GOOD, 100)
    assert "".join(map(chr, row.ids[: row.answer_start])) == "user:Hi\nassistant:"
    assert row.ids[row.answer_start :] == (*map(ord, "Hello"), 0)


def test_a_long_row_loses_the_beginning_of_its_prompt_and_never_its_answer() -> None:
    row = encode_row(Tokenizer(), GOOD, 10)
    assert len(row.ids) == 10 and row.ids[-6:] == (*map(ord, "Hello"), 0)
    with pytest.raises(BadRow, match="does not fit into max_seq_length 6"):
        encode_row(Tokenizer(), GOOD, 6)


def test_a_tenth_validates_if_there_is_no_validation_file_and_the_seed_decides_which() -> None:
    rows = [{"number": number} for number in range(50)]
    training, validation = split_rows(rows, seed=1)
    assert (len(training), len(validation)) == (45, 5)
    assert sorted(row["number"] for row in training + validation) == list(range(50))
    assert split_rows(rows, seed=1)[1] == validation != split_rows(rows, seed=2)[1]
    assert split_rows(rows[:1], seed=1) == (rows[:1], [])


def test_encoded_rows_count_their_answer_tokens() -> None:
    assert EncodedRow((1, 2, 3, 4), 1).answer_tokens == 3


def test_a_sample_of_rows_keeps_their_order_and_depends_on_the_seed() -> None:
    rows = [{"prompt": str(n), "completion": "x"} for n in range(20)]
    chosen = sample_rows(rows, 8, seed=1)
    assert len(chosen) == 8
    assert chosen == [row for row in rows if row in chosen]
    assert chosen != sample_rows(rows, 8, seed=2)
    assert sample_rows(rows, 20, seed=1) == rows
