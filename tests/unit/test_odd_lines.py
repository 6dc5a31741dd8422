"""Any bytes as a training or evaluation file: rows, or an error that names the file and says what is wrong."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local_nemo.evaluation.errors import EvaluationRefused
from local_nemo.evaluation.rows import parse_file
from local_nemo.lm.rows import BadRow, read_rows
from tests.faults import ODD_LINES
from tests.odd_input import JSON, bounded

CALL = {"type": "function", "function": {"name": "f", "arguments": {"a": 1}}}
ROW = {
    "messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "", "tool_calls": [CALL]}],
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
}
TURNS = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant", "tool", "x"]) | JSON},
    optional={"content": JSON, "tool_calls": st.lists(st.just(CALL) | JSON, max_size=2) | JSON},
)
ROWS = st.fixed_dictionaries(
    {}, optional={"messages": st.lists(TURNS, max_size=3) | JSON, "tools": JSON, "prompt": JSON, "completion": JSON}
)
LINES = st.one_of(
    st.binary(max_size=40),
    (ROWS | JSON | st.just(ROW)).map(lambda value: json.dumps(value).encode()),
    st.sampled_from([b"[" * 2000, b'{"a":' * 1000, b"\xff\xfe{}", b'{"prompt": "a", "completion": "\\ud800"}', b"\0"]),
)


@pytest.mark.faults
@given(st.lists(LINES, max_size=4).map(b"\n".join))
@bounded(ODD_LINES.size)
def test_any_file_gives_rows_or_an_error_that_names_it(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    file = tmp_path_factory.getbasetemp() / "odd.jsonl"
    file.write_bytes(content)
    with ODD_LINES.trial():
        for error, read in ((BadRow, trained_on), (EvaluationRefused, evaluated)):
            try:
                assert all(isinstance(row, dict) for row in read(file))
            except error as refused:
                assert "odd.jsonl" in str(refused)
                assert "Traceback" not in str(refused)


def trained_on(file: Path) -> list[dict]:
    return read_rows([("odd.jsonl", file)])


def evaluated(file: Path) -> list[dict]:
    return list(parse_file(file, "odd.jsonl"))
